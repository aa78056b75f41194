"""What is done to samples between the store and the net."""

from collections.abc import Sequence
from dataclasses import dataclass

from src.data.facts import Facts
from src.data.header import Header
from src.data.ranges import check_choices, check_counts, check_crop, check_flip, check_mean, check_padding
from src.data.transform.encode import Encode
from src.data.transform.mix import Mix
from src.data.transform.normalize import Normalize
from src.data.transform.prepare import Augment


@dataclass(frozen=True)
class Transforming:
    """How samples are normalised, and training samples augmented, each by itself.

    All are divided by `scale`: where that is null by 255 if they are stored as uint8, by 1 if as floats or bool; and
    with `normalize` they have the mean and std of the dataset. Training images are cropped, after `crop_padding` or a
    `random_resized_crop` of (least, largest) share of the area; a `horizontal_flip` is by chance or, where it is
    "alternating", in every other epoch; `mixup` and `cutmix` blend pairs. What `crop_padding` adds is zeros, or with
    the `padding_mode` reflect the image mirrored at its edge.
    """

    scale: float | None = None
    normalize: bool = True
    random_resized_crop: Sequence[float] | None = None
    crop_padding: int = 0
    padding_mode: str = "constant"
    horizontal_flip: bool | str = False
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for what is no choice or below 0."""
        check_choices(horizontal_flip=self.horizontal_flip, padding_mode=self.padding_mode)
        check_counts(crop_padding=(self.crop_padding, 0))

    def check(self, facts: Facts, header: Header) -> None:
        """Raise ValueError for what cannot be done to the samples of a dataset."""
        if self.normalize:
            check_mean(facts.mean, header.stored(facts.shape))
        mixing = (self.mixup, self.cutmix)
        check_crop(self.random_resized_crop, self.crop_padding, mixing=mixing, shape=facts.shape)
        check_flip(self.horizontal_flip, shape=facts.shape)
        check_padding(self.crop_padding, self.padding_mode, shape=facts.shape)

    def normalizing(self, facts: Facts, header: Header) -> Normalize | Encode:
        """Return what maps stored values to those that the net sees."""
        if header.inputs is not None:
            return Encode(header, mean=facts.mean, std=facts.std) if self.normalize else Encode(header)
        return Normalize(facts.mean, facts.std, scale=self.scale) if self.normalize else Normalize(scale=self.scale)

    def augmenting(self, facts: Facts) -> Augment:
        """Return what crops and mirrors training samples."""
        box = None if self.random_resized_crop is None else (self.random_resized_crop[0], self.random_resized_crop[1])
        return Augment(self.crop_padding, self.horizontal_flip, box, tuple(facts.shape)[1:], self.padding_mode)

    def mixing(self, facts: Facts) -> Mix:
        """Return what blends training samples and their targets."""
        return Mix(self.mixup, self.cutmix, len(facts.classes or ()) if facts.task == "multiclass" else 0)
