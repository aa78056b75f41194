"""The pictures of a run that gives a class to every pixel, out of predictions/masks.npz."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rows(folder: Path) -> "Figure | None":
    """Return the images that are most wrong, with both masks and where they differ."""
    from src.plot.mask_rows import mask_rows

    kept = _kept(folder)
    if "images" not in kept:
        return None
    images_NHWC, captions = kept["images"], [f"IoU {score:.2f}" for score in kept["scores"]]
    title = f"test: the worst {len(images_NHWC)} images"
    classes = kept["classes"].tolist()
    return mask_rows(images_NHWC, kept["targets"], kept["labels"], captions, classes=classes, title=title)


def bars(folder: Path) -> "Figure | None":
    """Return how well each class is found."""
    from src.plot.mask_rows import class_iou

    kept = _kept(folder)
    return class_iou(kept["counts"], kept["classes"].tolist(), split="test") if kept and kept["counts"].any() else None


def confusion(folder: Path) -> "Figure | None":
    """Return which class pixels are taken for."""
    from src.plot.confusion import confusion as matrix

    kept = _kept(folder)
    return matrix(kept["counts"], kept["classes"].tolist(), split="test, pixels") if kept else None


def _kept(folder: Path) -> dict[str, Any]:
    path = folder / "predictions" / "masks.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as kept:
        return dict(kept)
