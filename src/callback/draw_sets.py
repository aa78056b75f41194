"""The pictures of a run whose samples may have several labels, out of the files in its folder.

Shapes: N samples, K labels.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from src.run.prediction_table import Predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMED = 2  # wrong labels over an image


def labels(said: Predictions | None) -> "Figure | None":
    """Return how well each label is told."""
    from src.plot.label_scores import bars, label_scores

    if said is None or not said.has_sets or not len(said.target):
        return None
    scores_K4 = label_scores(said.target, said.prediction, said.probability)
    return bars(scores_K4, said.target.sum(axis=0), said.classes, split="test")


def mistakes(path: Path, said: Predictions) -> "Figure":
    """Return the images whose sets are most wrong, each with the labels that are: + too much, - missing."""
    from src.plot import mistakes as picture
    from src.plot.names import plain

    with np.load(path, allow_pickle=False) as kept:
        images_NHWC, row_N = kept["images"], kept["rows"]
    captions = []
    for row in row_N:
        error_K = np.abs(said.probability[row] - said.target[row]) * (said.target[row] != said.prediction[row])
        worst = [k for k in np.argsort(-error_K, kind="stable") if error_K[k]][:NAMED]
        captions.append(plain("\n".join(_wrong(said, row, label) for label in worst)))
    wrong = (said.target != said.prediction).any(axis=1).sum()
    return picture.mistakes(
        images_NHWC, captions, title=f"test: the worst {len(row_N)} of {wrong:,} with a wrong label"
    )


def _wrong(said: Predictions, row: int, label: int) -> str:
    from src.plot.names import shortened

    sign = "+" if said.prediction[row, label] else "-"
    return f"{sign} {shortened(said.classes[label], 13)} {said.probability[row, label]:.1%}"
