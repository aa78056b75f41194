"""Names of scores in logs, whoever chose them: `val/loss`, `valid_loss`, `loss/val`, `val_acc/dataloader_idx_1`."""

import re
from typing import NamedTuple

SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
ORDER = {"train": 0, "val": 1, "test": 2}
WORDS = re.compile(r"([/_.\- ]+)")
LOADER = re.compile(r"/dataloader_idx_(\d+)$")  # which Lightning adds where there are several loaders
POINT = re.compile(r"_(step|epoch)$")  # which it adds where a score is logged at steps and at epochs
NO_SCORE = re.compile(r"^(step|epoch)$|^lr-|seconds")  # columns of metrics.csv; LearningRateMonitor writes lr-Adam


class ScoreName(NamedTuple):
    """The metric that a name is of, its split, None where the name has none, and what else the name says."""

    metric: str
    split: str | None
    rest: str


def parsed(name: str) -> ScoreName:
    """Return the parts of a name: a split stands first or last in it, or before a slash."""
    loader, point = LOADER.search(name), None
    whole = name[: loader.start()] if loader else name
    if point := POINT.search(whole):
        whole = whole[: point.start()]
    rest = " ".join([*([f"loader {loader[1]}"] if loader else []), *([f"each {point[1]}"] if point else [])])
    words = WORDS.split(whole)
    for place in dict.fromkeys((0, len(words) - 1)):
        if len(words) > 1 and (split := SPLITS.get(words[place].lower())):
            return ScoreName("".join(words[2:] if place == 0 else words[:-2]), split, rest)
    return ScoreName(whole, None, rest)


def split_of(name: str) -> str | None:
    """Return train, val or test; None where a name does not say."""
    return parsed(name).split


def is_score(column: str) -> bool:
    """Whether a column of metrics.csv is a score: no counter, no rate, no time."""
    return not NO_SCORE.search(column)


def in_order(name: str) -> tuple[int, str]:
    """Return what names are sorted by: train, val, test and others, each by its name."""
    return ORDER.get(split_of(name) or "", len(ORDER)), name
