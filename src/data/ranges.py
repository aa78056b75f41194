"""Whether a dataset's settings can be meant: raises ValueError, naming the setting and what it may be."""

from collections.abc import Sequence

from src.config.schema import tasks
from src.data.read.tokens import UNITS


def check_choices(**given: object) -> None:
    """Refuse what is none of a setting's choices."""
    choices: dict[str, tuple[object, ...]] = {
        "in_memory": (True, False, "auto"),
        "on_bad_file": ("stop", "skip"),
        "cache": (True, False),
        "task": tuple(tasks()),
        "sampler": (None, "balanced"),
        "horizontal_flip": (True, False, "alternating"),
        "padding_mode": ("constant", "reflect"),
        "unit": (None, *UNITS),
    }
    for name, value in given.items():
        if value not in choices[name]:
            words = ", ".join(str(choice).lower() for choice in choices[name])
            raise ValueError(f"data.{name}={value}: choose from {words}")


def check_counts(**given: tuple[int, int]) -> None:
    """Refuse a number, the first of each two, below the least that it may be."""
    for name, (value, least) in given.items():
        if value < least:
            raise ValueError(f"data.{name}={value}: set at least {least}")


def check_mean(mean: Sequence[float], shape: Sequence[int]) -> None:
    """Refuse means that are neither one for all channels nor one for each."""
    if len(mean) not in (1, shape[0]):
        raise ValueError(f"data.mean={list(mean)}: one for all, or one for each of the {shape[0]} channels")


def check_crop(
    box: Sequence[float] | None, crop_padding: int, *, mixing: tuple[float, float], shape: Sequence[int]
) -> None:
    """Refuse crops and cutmix of what is no image, shares of an area that are none, and two crops at once.

    `box` is data.random_resized_crop, `mixing` are data.mixup and data.cutmix.
    """
    if (box is not None or crop_padding or mixing[1]) and len(shape) != 3:
        raise ValueError(f"data.shape={list(shape)}: crops and data.cutmix are for images: set them to 0 or null")
    if box is None:
        return
    if len(box) != 2 or not 0 < box[0] <= box[1] <= 1:
        raise ValueError(f"data.random_resized_crop={list(box)}: two shares of the area, the smaller first, in (0, 1]")
    if crop_padding:
        raise ValueError(f"data.crop_padding={crop_padding} and data.random_resized_crop: one crop or the other")


def check_flip(flip: bool | str, *, shape: Sequence[int]) -> None:
    """Refuse to mirror what is no image."""
    if flip and len(shape) != 3:
        raise ValueError(f"data.shape={list(shape)}: data.horizontal_flip={flip} is for images: set it to false")


def check_padding(crop_padding: int, padding_mode: str, *, shape: Sequence[int]) -> None:
    """Refuse to reflect more of an image than there is beside its edge."""
    most = min(shape[1:], default=1) - 1
    if padding_mode == "reflect" and crop_padding > most:
        raise ValueError(f"data.crop_padding={crop_padding}: data.padding_mode=reflect takes at most {most} here")


def check_classes(classes: Sequence[str] | None, task: str) -> None:
    """Refuse a binary task of other than two classes."""
    if task == "binary" and len(classes or ()) != 2:
        raise ValueError(f"data.task=binary, but data.classes={classes}: name two classes, or set data.task=multiclass")
