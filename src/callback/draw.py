"""The pictures of a run, drawn from the files in its folder: no net, no data, no torch.

from src.callback.draw import draw

draw(Path("outputs/..."))  # figures/*.png
"""

import csv
import gc
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.callback import draw_masks, draw_sets
from src.plot.score_names import is_score, split_of
from src.run.prediction_table import Predictions, read
from src.run.record import read as read_record
from src.run.write import whole

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

Curve = tuple[np.ndarray, np.ndarray]
SPLITS = ("train", "val", "test")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Put off the search for garbage: through all that training imports it takes half as long as the pictures."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_no_collection()
def draw(folder: Path, *, monitor: str | None = None, mode: str = "min") -> list[Path]:
    """Draw every picture that the run's files are enough for, into `figures/`; return the files.

    `monitor` and `mode` say which point of the curves is the best, which run.json knows of a finished run. A picture
    that fails is a warning in the log.
    """
    drawn = []
    said = cache(partial(_said, folder))
    pictures: dict[str, Callable[[], Figure | None]] = {
        "curves": lambda: _curves(folder, monitor, mode),
        "confusion": lambda: _confusion(said("test"), "confusion") or draw_masks.confusion(folder),
        "class_accuracy": lambda: _confusion(said("test"), "class_accuracy"),
        "mistakes": lambda: _mistakes(folder, said("test")),
        "labels": lambda: draw_sets.labels(said("test")),
        "masks": lambda: draw_masks.rows(folder),
        "class_iou": lambda: draw_masks.bars(folder),
        "predictions": lambda: _predictions({split: said(split) for split in ("train", "test")}),
        "regression": lambda: _regression(folder, {split: said(split) for split in SPLITS}),
    }
    for name, picture in pictures.items():
        path = folder / "figures" / f"{name}.png"
        try:
            with lettering():
                figure = picture()
                if figure:
                    save(figure, path)
            if figure:
                drawn.append(path)
            else:
                path.unlink(missing_ok=True)  # of a shorter run: this one made no mistake
        except Exception as error:  # a picture is never worth a run
            log.warning("figures/%s.png is not drawn: %s: %s", name, type(error).__name__, error)
    return drawn


def points(folder: Path) -> dict[str, Curve]:
    """Return the (steps, values) of each score of metrics.csv."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in (rows[0] if rows else {}) if is_score(name)]
    found = {}
    for name in names:
        there = [(int(float(row["step"])), float(row[name])) for row in rows if row[name] and row["step"]]
        if there:
            step_P, value_P = zip(*there, strict=True)
            found[name] = np.array(step_P), np.array(value_P)
    return found


def best_point(curve: dict[str, Curve], monitor: str, mode: str) -> tuple[str, int, float] | None:
    """Return the (score, step, value) of the best point of `monitor`; None where it has no point that is a number."""
    step_P, value_P = curve.get(monitor, (np.empty(0), np.empty(0)))
    if not np.isfinite(value_P).any():
        return None
    place = int(np.nanargmin(value_P) if mode == "min" else np.nanargmax(value_P))
    return monitor, int(step_P[place]), float(value_P[place])


def _curves(folder: Path, monitor: str | None, mode: str) -> "Figure | None":
    from src.plot.curves import curves

    if not (folder / "metrics.csv").exists():
        log.info("figures/curves.png is left out: there is no metrics.csv, as nothing was logged, or not by logger=csv")
        return None
    if monitor is None:
        best = read_record(folder)["best"]
        monitor, mode = best["metric"], best["mode"]
    curve = {name: line for name, line in points(folder).items() if split_of(name) != "test"}
    return curves(curve, best=best_point(curve, monitor, mode))


def _confusion(said: Predictions | None, kind: str) -> "Figure | None":
    from src.plot import confusion

    if said is None or not said.classes or said.has_sets:
        return None
    count_KK = confusion.confusion_counts(said.target, said.prediction, len(said.classes))
    picture = {"confusion": confusion.confusion, "class_accuracy": confusion.class_accuracy}[kind]
    return picture(count_KK, said.classes, split="test")


def _mistakes(folder: Path, said: Predictions | None) -> "Figure | None":
    from src.plot.mistakes import caption, mistakes

    path = folder / "predictions" / "mistakes.npz"
    if said is None or not path.exists():
        return None
    if said.has_sets:
        return draw_sets.mistakes(path, said)
    with np.load(path, allow_pickle=False) as kept:
        images_NHWC, row_N = kept["images"], kept["rows"]
    captions = [
        caption(said.classes[said.target[row]], said.classes[said.prediction[row]], said.chosen(row)) for row in row_N
    ]
    wrong = (said.target != said.prediction).sum()
    return mistakes(images_NHWC, captions, title=f"test: the surest {len(row_N)} of {wrong:,} mistakes")


def _predictions(found: Mapping[str, Predictions | None]) -> "Figure | None":
    from src.plot.probabilities import predictions

    two = {split: said for split, said in found.items() if said and _is_binary(said)}
    if not two:
        return None
    scored = {split: (said.target, said.probability[:, 1]) for split, said in two.items()}
    return predictions(scored, next(iter(two.values())).classes)


def _is_binary(said: Predictions) -> bool:
    return len(said.classes) == 2 and not said.has_sets and bool(len(said.target))


def _regression(folder: Path, found: Mapping[str, Predictions | None]) -> "Figure | None":
    from src.plot.fitted import agreement, agreements, fit

    numbers = {split: said for split, said in found.items() if said and not said.classes}
    if not numbers:
        return None
    fitted = {split: (said.target, said.prediction) for split, said in numbers.items()}
    names = next(iter(numbers.values())).numbers
    if names:
        return agreements(fitted, names)
    path = folder / "predictions" / "curve.csv"
    if not path.exists():
        return agreement(fitted, target="target")
    with path.open(newline="") as file:
        axes, *rows = csv.reader(file)
    input_G, prediction_G = np.array(rows, dtype=float).T
    inputs = {split: np.array(said.extra["input"], dtype=float) for split, said in numbers.items()}
    return fit(fitted, inputs, (input_G, prediction_G), axes=axes)


def _said(folder: Path, split: str) -> Predictions | None:
    path = folder / "predictions" / f"{split}.csv"
    return read(path) if path.exists() else None


@contextmanager
def lettering() -> Iterator[None]:
    """Draw letters as their outlines are, as hinting takes as long as all else; one that the font lacks is a box."""
    from matplotlib import rc_context

    with warnings.catch_warnings(), rc_context({"text.hinting": "none"}):
        warnings.simplefilter("ignore")
        yield


def save(figure: "Figure", path: Path) -> None:
    """Write a PNG; the file is there when it is whole. Figure.savefig would draw twice, once to measure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    with whole(path, synced=False) as part:
        image.save(part, format="png", dpi=(figure.dpi, figure.dpi), compress_level=3)
