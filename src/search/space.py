"""A search space: what a key may be set to, drawn at random or by Optuna; imports neither torch nor Optuna."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from random import Random
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from src.config.literal import in_quotes

Point = dict[str, Any]  # a value for each name of the space
LIMITS = ("low", "high", "log", "step")


@dataclass(frozen=True)
class Choices:
    """One of several values, or of several sets of keys; `options` maps each, as it is typed, to its overrides."""

    options: dict[str, list[str]]

    def draw(self, random: Random) -> str:
        """Return one of the options, each as likely as another."""
        return random.choice(list(self.options))

    def suggest(self, name: str, trial: Any) -> str:
        """Return the option that an Optuna trial suggests."""
        return trial.suggest_categorical(name, list(self.options))

    def overrides(self, name: str, value: Any) -> list[str]:
        """Return what one would type for an option."""
        return self.options[value]

    @property
    def probes(self) -> list[Any]:
        """The values to check before the first trial."""
        return list(self.options)


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included, whole where both are; `log` draws its magnitude evenly."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the numbers are whole ones."""
        return all(isinstance(limit, int) for limit in (self.low, self.high, self.step or 1))

    def draw(self, random: Random) -> float:
        """Return a number at random."""
        if self.step or (self.is_whole and not self.log):
            step = self.step or 1
            return self.low + step * random.randint(0, math.floor((self.high - self.low) / step + 1e-9))
        edge = 0.5 if self.is_whole else 0.0  # so that the outer whole numbers get their share
        low, high = self.low - edge, self.high + edge
        value = math.exp(random.uniform(math.log(low), math.log(high))) if self.log else random.uniform(low, high)
        return min(max(round(value) if self.is_whole else value, self.low), self.high)

    def suggest(self, name: str, trial: Any) -> float:
        """Return the number that an Optuna trial suggests."""
        if self.is_whole:
            return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step or 1)
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)

    def overrides(self, name: str, value: Any) -> list[str]:
        """Return what one would type for a number."""
        return [f"{name}={value!r}"]

    @property
    def probes(self) -> list[Any]:
        """The values to check before the first trial."""
        return [self.low, self.high]


Space = dict[str, Choices | Range]


def read_space(node: Mapping[str, Any]) -> Space:
    """Return the space that `search.space` describes.

    A list holds choices; {low, high, log, step} is a range; null takes a key out; another mapping holds the keys
    below. Raises ValueError, in one line with key, value and cure, for what is none of these.
    """
    flat: dict[str, Any] = {}
    for name, value in _flat(node):  # a range given as optimizer.lr and as optimizer: {lr: ...} is one
        is_part = isinstance(value, dict) and isinstance(flat.get(name), dict)
        flat[name] = flat[name] | value if is_part else value
    space = {name: _dimension(name, value) for name, value in flat.items() if value is not None}
    if not space:
        raise ValueError("search.space is empty: name a key and its values, search.space.optimizer.lr=[0.01,0.1]")
    return space


def overrides(space: Space, point: Point) -> list[str]:
    """Return what one would type for a point of the space, in the order of its names."""
    return [word for name, dimension in space.items() for word in dimension.overrides(name, point[name])]


def at_random(space: Space, *, seed: int, number: int) -> Point:
    """Return the `number`-th point of a random search; each key draws for itself, whatever the others are."""
    return {name: dimension.draw(Random(f"{seed} {number} {name}")) for name, dimension in space.items()}


def _flat(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        name = f"{path}{key}"
        if isinstance(value, dict) and not set(value) & set(LIMITS):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _dimension(name: str, value: Any) -> Choices | Range:
    key = f"search.space.{name}"
    if isinstance(value, dict):
        return _range(key, value)
    if not isinstance(value, list):
        raise ValueError(f"{key}={value}: give a list of values, or a range {{low: ..., high: ...}}")
    if not value:
        raise ValueError(f"{key}=[]: an empty list has nothing to choose from: name its values, or set {key}=null")
    if all(isinstance(option, dict) for option in value):
        sets = [[f"{path}={text(part)}" for path, part in option.items()] for option in value]
    else:
        sets = [[f"{name}={text(option)}"] for option in value]
    return Choices({" ".join(words).removeprefix(f"{name}="): words for words in sets})


def _range(key: str, value: Mapping[str, Any]) -> Range:
    for limit in value:
        if limit not in LIMITS:
            near = get_close_matches(limit, LIMITS, n=1)
            raise ValueError(f"{key}.{limit}: unknown: " + (f"did you mean {near[0]}?" if near else ", ".join(LIMITS)))
    found = Range(**{"low": None, "high": None, **value})
    for limit in ("low", "high", *(["step"] if found.step is not None else [])):
        number = getattr(found, limit)
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            raise ValueError(f"{key}.{limit}={number}: a range needs numbers for low and high: set {key}.{limit}=")
    if found.low > found.high:
        raise ValueError(f"{key}: low={found.low} is above high={found.high}: exchange them")
    if found.log and found.low <= 0:
        raise ValueError(f"{key}: log=true with low={found.low}: zero has no logarithm: set a low above 0")
    if found.step is not None and (found.log or found.step <= 0):
        raise ValueError(f"{key}: step={found.step}: a step is above 0, and does not go with log=true: leave it out")
    return found


def text(value: Any) -> str:
    """Return a value as one would type it after `key=`."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        is_plain = OverridesParser.create().parse_override(f"key={value}").value() == value
    except HydraException:
        is_plain = False
    return value if is_plain else in_quotes(value)
