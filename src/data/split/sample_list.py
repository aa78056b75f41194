"""The list of samples in a run folder: what was test stays test, whatever is added to the data, renamed or removed.

`splits.json` has the samples of each split: files by their path below the folder that holds them all, and their size;
rows of a table by their number, and a checksum. Its names are compared with those of the data and never opened.

Shapes: N samples.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from src.data.read.readable import readable
from src.data.read.rows import Rows
from src.data.split.identity import Listing, Samples, listing
from src.run.write import write

log = logging.getLogger(__name__)

FILE, FORMAT = "splits.json", 1
MOST = 2_000_000  # samples that are listed: 50 to 100 MB
NAMED = 3  # samples in a message

Parts = dict[str, Tensor]


@dataclass
class SampleList:
    """The list in the folder `run`, else in `like`, which decides; a run that `trains` writes what is new in it.

    `settings` are those that the splits are cut by: others than the listed ones are refused, as the list decides.
    """

    run: Path
    settings: Mapping[str, Any]
    trains: bool = False
    like: Path | None = None
    known: dict[str, dict[str, Any]] = field(default_factory=dict)  # by split: of, root, samples
    is_new: bool = False

    def __post_init__(self) -> None:
        """Read the list; raises ValueError where it is damaged, or other settings are asked for."""
        folder = next((place for place in (self.run, self.like) if place and (place / FILE).exists()), None)
        if folder:
            listed = _read(folder / FILE)
            self.known, self.is_new = listed["splits"], folder != self.run
            self._check_settings(listed["settings"])

    def divide(self, source: str, rows: Rows, cut: Callable[[], Parts]) -> tuple[Tensor, Parts]:
        """Return which of the chosen samples of an official split the run knows, and which of those each split has.

        All, divided by `cut`, where the list has none of that official split. Else samples that were added, are gone or
        changed are counted and named in one line; raises ValueError where one was trained on and the run is to go on.
        """
        known = {split: entry["samples"] for split, entry in self.known.items() if entry["of"] == source}
        everything_N = torch.arange(len(rows[2]))
        if len(everything_N) > MOST:
            log.info("%s lists no more than %d samples: put none beside these %d", FILE, MOST, len(everything_N))
            return everything_N, cut()
        if not known:
            parts = cut()
            self._add(source, listing(rows), parts)
            return everything_N, parts
        now = listing(rows)
        row_of = now.rows({name: key for samples in known.values() for name, key in samples.items()})
        if self._are_others(source, row_of, now):
            log.warning("%d samples%s are none of run=%s: they are cut anew", len(now.names), _where(now), self.run)
            return everything_N, cut()
        self._say(known, row_of, now)
        row_N = sorted(row_of.values())
        number = {row: position for position, row in enumerate(row_N)}
        parts = {
            split: torch.tensor([number[row_of[name]] for name in samples if name in row_of], dtype=torch.long)
            for split, samples in known.items()
        }
        return torch.tensor(row_N, dtype=torch.long), parts

    def check(self, split: str, samples: int) -> None:
        """Raise ValueError where a split that the run had samples of has none now."""
        if not samples and (listed := len(self.known.get(split, {}).get("samples", ()))):
            raise ValueError(f"none of the {listed} {split} samples that run={self.run} lists is there: put them back")

    def write(self) -> None:
        """Write the list where the run trains and something is new in it: whole, or not at all."""
        if self.trains and self.is_new:
            listed = {"format": FORMAT, "settings": dict(self.settings), "splits": self.known}
            write(self.run / FILE, json.dumps(listed))
            self.is_new = False

    def _add(self, source: str, now: Listing, parts: Parts) -> None:
        keys = now.keys or [0] * len(now.names)
        for split, row_N in parts.items():
            samples = {now.names[row]: keys[row] for row in row_N.tolist()}
            self.known[split] = {"of": source, "root": now.root, "samples": samples}
        self.is_new = True

    def _check_settings(self, listed: Mapping[str, Any]) -> None:
        for key, value in self.settings.items():
            if key in listed and listed[key] != value:
                raise ValueError(
                    f"data.{key}={value}: run={self.run} was divided with {listed[key]}, and the samples that its "
                    f"{FILE} lists stay in their splits: leave data.{key} out, or train a new run"
                )

    def _are_others(self, source: str, row_of: Mapping[str, int], now: Listing) -> bool:
        """Whether the run is scored on other data: in another folder, or of another length, and no sample the same."""
        entries = [entry for entry in self.known.values() if entry["of"] == source]
        is_same = any(
            name in row_of and now.has(row_of[name], key) for entry in entries for name, key in entry["samples"].items()
        )
        elsewhere = now.root != entries[0]["root"] or (now.root is None and not row_of)
        return elsewhere and not is_same and not self.trains

    def _say(self, known: Mapping[str, Samples], row_of: Mapping[str, int], now: Listing) -> None:
        """Say what has become of the samples; raise ValueError where the run is to train on some that have changed."""
        there = set(row_of.values())
        found = {
            "added, which are left out": {"": [name for row, name in enumerate(now.names) if row not in there]},
            "gone": {split: [name for name in names if name not in row_of] for split, names in known.items()},
            "changed": {
                split: [name for name, key in names.items() if name in row_of and not now.has(row_of[name], key)]
                for split, names in known.items()
            },
        }
        said = "; ".join(_said(what, names) for what, names in found.items() if any(names.values()))
        if self.trains and (found["gone"].get("train") or found["changed"].get("train")):
            raise ValueError(
                f"the data{_where(now)} have changed since run={self.run} listed them: {said}: put the "
                "training samples back as they were, or train a new run"
            )
        if said:
            log.warning("the data%s have changed since run=%s listed them: %s", _where(now), self.run, said)


def _said(what: str, names: Mapping[str, list[str]]) -> str:
    """Return how many samples something is true of, of which splits, and what the first ones are called."""
    count = sum(map(len, names.values()))
    of = " and ".join(f"{len(some)} of {split}" for split, some in names.items() if split and some)
    first = [readable(name) for some in names.values() for name in some][:NAMED]
    return f"{count} {what} ({f'{of}: ' if of else ''}{', '.join(first)}{', ...' * (count > NAMED)})"


def _where(now: Listing) -> str:
    return f" in {readable(now.root)}" if now.root else ""


def _read(path: Path) -> dict[str, Any]:
    """Return what is in a list; raises ValueError where it is none."""
    try:
        listed = json.loads(path.read_text())
        sound = listed["format"] == FORMAT and isinstance(listed["settings"], dict)
        sound = sound and all(_is_sound(entry) for entry in listed["splits"].values())
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    if not sound:
        raise ValueError(f"{path} is damaged: it does not list the samples of each split")
    return listed


def _is_sound(entry: Mapping[str, Any]) -> bool:
    samples, has_files = entry["samples"], isinstance(entry["root"], str)
    return isinstance(entry["of"], str) and all(
        isinstance(key, int) and (has_files or name.isdecimal()) for name, key in samples.items()
    )
