"""The size of samples: as the net takes them, and as they are kept, which may be larger.

Shapes: N samples, C channels, H height, W width.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from src.data.transform.prepare import fit, resize


@dataclass(frozen=True)
class Size:
    """What samples are to be: of `shape`, scaled to cover it and cropped to it where an `image_size` is given.

    Images that random boxes are cut from are instead stretched to `crop_from` pixels a side, where that is given. The
    last `masks` channels hold class numbers.
    """

    shape: tuple[int, ...]
    image_size: int | None = None
    crop_from: int | None = None
    masks: int = 0

    def kept(self, *, crops: bool) -> tuple[Callable[[Tensor], Tensor], str]:
        """Return what makes samples as large as they are kept, and what names it; `crops` where boxes are cut of them.

        It takes a batch (N, C, H, W), and leaves what is no image as it is.
        """
        masked = f", {self.masks} masks" if self.masks else ""
        if crops:
            return self._stretched, f"stretched to {self.crop_from}{masked}"
        return self.fitted, f"fitted to {self.shape[1:]} {bool(self.image_size)}{masked}"

    def fitted(self, images_NCHW: Tensor) -> Tensor:
        """Return images as the net takes them."""
        size = self.shape[1:]
        if images_NCHW.ndim != 4 or not self.image_size or images_NCHW.shape[2:] == size:
            return images_NCHW
        return fit(images_NCHW, size, masks=self.masks)

    def check(self, sample: Tensor, *, crops: bool) -> None:
        """Raise ValueError where a sample has another shape than is stated."""
        found = tuple(sample.shape)
        if crops:  # the box brings height and width to what is stated
            found = (found[0], *self.shape[1:])
        if found != self.shape:
            its, stated = ([size[0] - self.masks, *size[1:]] for size in (found, self.shape))
            raise ValueError(f"samples have shape {its}, but data.shape={stated}: set data.shape={its}")

    def _stretched(self, images_NCHW: Tensor) -> Tensor:
        if self.crop_from is None:
            return images_NCHW
        return resize(images_NCHW, (self.crop_from, self.crop_from), masks=self.masks)
