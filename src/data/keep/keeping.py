"""How samples are kept between batches.

Shapes: N samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from src.data.keep.size import Size
from src.data.keep.stored import sized
from src.data.ranges import check_choices
from src.data.read.rows import Rows


@dataclass(frozen=True)
class Keeping:
    """Where samples are kept, how large, and what becomes of files that are no images.

    They are `in_memory`, or streamed where that is false, or "auto" and they are no tensor that fits. With `cache`,
    files are decoded once on a machine, whose processes share them (src.data.keep.cache). `on_bad_file` says whether a
    file that is no image is an error, stop, or left out, skip. With `image_size`, images are scaled to cover the shape
    of a sample and cropped to it; those that random boxes are cut from are stretched to `crop_from` pixels a side.
    """

    in_memory: bool | str = "auto"
    cache: bool = True
    on_bad_file: str = "stop"
    image_size: int | None = None
    crop_from: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what is no choice."""
        check_choices(in_memory=self.in_memory, on_bad_file=self.on_bad_file, cache=self.cache)

    def size(self, shape: Sequence[int], *, masks: int = 0) -> Size:
        """Return what makes samples of a shape, as the net takes them and as they are kept."""
        return Size(tuple(shape), self.image_size, self.crop_from, masks)

    def kept(self, rows: Rows, shape: Sequence[int], *, crops: bool, masks: int = 0) -> Rows:
        """Return samples and targets, as large as they are kept; the row of each chosen one, -1 for a bad file.

        `crops` where boxes are cut of them; the last `masks` channels hold class numbers.
        """
        size, how = self.size(shape, masks=masks).kept(crops=crops)
        return sized(rows, size, how=how, in_memory=self.in_memory, on_bad_file=self.on_bad_file, cache=self.cache)
