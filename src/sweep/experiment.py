"""Experiments as jobs: what each one's figure should be, what to type for it, where its run lies, what it needs first.

Torch-free.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import chain, count, islice
from pathlib import Path
from statistics import mean
from typing import Any

from hydra import compose

from src.config.hash import config_hash
from src.config.literal import in_quotes
from src.config.plain import plain
from src.config.schema import options
from src.config.signature import check_call
from src.run.record import read


@dataclass(frozen=True)
class Expect:
    """A `metric` of run.json, the figure `published` for it, and a bound on the mean over seeds.

    `within` is a distance from what is published. With a `share` in (0, 1], so many of the runs have to keep the
    bounds, instead of their mean. `runs` asks for more seeds than the command names, where fewer would say little.
    `note` says what is not comparable, and why.
    """

    metric: str
    published: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    within: float | None = None
    share: float | None = None
    runs: int = 1
    note: str | None = None

    @property
    def asked(self) -> str:
        """The bound in words; empty where there is none."""
        bounds = {"at least": self.at_least, "at most": self.at_most, "within": self.within}
        words = ", ".join(f"{words} {bound:g}" for words, bound in bounds.items() if bound is not None)
        words = words if self.share is None else f"{words} in {self.share:.0%} of the runs"
        return f"{words} (**less than published**)" if self.is_less else words

    @property
    def is_less(self) -> bool:
        """Whether a figure that falls short of the published one would keep the bounds."""
        figure, least, most = self.published, self.at_least, self.at_most
        return figure is not None and ((least is not None and least < figure) or (most is not None and most > figure))

    def is_met(self, values: Sequence[float]) -> bool:
        """Whether the mean of `values`, or a `share` of them, keeps every bound; NaN keeps none."""
        if self.share is None:
            return self._is_kept(mean(values))
        return self.kept(values) >= self.share * len(values)

    def kept(self, values: Sequence[float]) -> int:
        """How many of `values` keep every bound."""
        return sum(map(self._is_kept, values))

    def _is_kept(self, value: float) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.within is None or abs(value - (self.published or 0.0)) <= self.within)
        )


@dataclass(frozen=True)
class Job:
    """One seed of one experiment, the folder that its run lies in, and the runs that it `needs`, by the key for them.

    `given` is what one would type to train it alone, without the needed runs and its folder.
    """

    experiment: str
    seed: int
    given: tuple[str, ...]
    needs: tuple[tuple[str, "Job"], ...]
    folder: Path
    expect: Expect

    @property
    def title(self) -> str:
        """The job's name on the screen."""
        return f"{self.experiment} seed={self.seed}"

    @property
    def record(self) -> dict[str, Any]:
        """The run's run.json; {} where it has not started."""
        return read(self.folder) if (self.folder / "run.json").is_file() else {}

    @property
    def is_done(self) -> bool:
        """Whether the run has ended as it should."""
        return self.record.get("state") == "done"


def names(only: Sequence[str]) -> list[str]:
    """Return the experiments called for, sorted: all where `only` is empty; raises ValueError for an unknown one."""
    known = options("experiment")
    for name in only:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise ValueError(
                f"only=[{name}]: no such experiment: " + (f"did you mean {near[0]}?" if near else ", ".join(known))
            )
    return sorted(set(only)) or known


def plan(
    experiments: Iterable[str],
    seeds: Iterable[int],
    *,
    overrides: Iterable[str],
    folder: Path,
    tops_up: bool = True,
) -> list[Job]:
    """Return a job for each seed of each experiment, those that it needs before it.

    Where an experiment asks for more runs than there are `seeds`, the lowest others are added if `tops_up`.
    A job's folder is named by a hash of its config, so that a run of another config is never taken for it. Where an
    experiment's `needs` maps a key to another experiment, the key is set to the folder of that one's run with the same
    seed. Raises ValueError where needs go round in circles.
    """
    planned: dict[tuple[str, int], Job] = {}

    def add(experiment: str, seed: int, waiting: tuple[str, ...]) -> Job:
        if experiment in waiting:
            raise ValueError(f"needs of experiments go round in circles: {' > '.join((*waiting, experiment))}")
        if (experiment, seed) not in planned:
            given = (f"experiment={experiment}", f"seed={seed}", *overrides)
            wanted = composed(given)["needs"]
            needs = tuple((key, add(other, seed, (*waiting, experiment))) for key, other in wanted.items())
            config = composed((*given, *paths(needs)))
            place = folder / experiment / f"seed={seed}-{config_hash(config)[:12]}"
            planned[experiment, seed] = Job(experiment, seed, given, needs, place, expected(config))
        return planned[experiment, seed]

    seeds = tuple(dict.fromkeys(seeds))
    for experiment in experiments:
        runs = expected(composed((f"experiment={experiment}", f"seed={seeds[0]}", *overrides))).runs if tops_up else 0
        others = (seed for seed in count() if seed not in seeds)
        for seed in chain(seeds, islice(others, max(0, runs - len(seeds)))):
            add(experiment, seed, ())
    return list(planned.values())


@cache
def composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    """Return the config that src.train would compose, plain; its run folder is not known yet."""
    return plain(compose("train", list(overrides)))


def paths(needs: Iterable[tuple[str, Job]]) -> list[str]:
    """Return the overrides that hand over the folders of needed runs."""
    return [f"{key}={in_quotes(str(job.folder))}" for key, job in needs]


def expected(config: Mapping[str, Any]) -> Expect:
    """Return what a composed run's config expects; nothing of the score it monitors, where it does not say.

    Raises ValueError for a key that is none.
    """
    node = {"metric": config["monitor"]} | config["expect"]
    check_call("expect", node, Expect, elsewhere=lambda key: None)
    if node.get("within") is not None and node.get("published") is None:
        raise ValueError(f"expect.within={node['within']}: a distance from expect.published, which is missing")
    if node.get("share") is not None and not 0 < node["share"] <= 1:
        raise ValueError(f"expect.share={node['share']}: a share of the runs is above 0 and at most 1")
    return Expect(**node)
