"""Mean and standard deviation of a dataset's channels or features.

Shapes: N samples, C channels or features, P values of a channel.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from src.data.read.rows import Images

CHUNK = 2**22  # values of a tensor at a time: 32 MB as float64


def statistics(images: Images, *, scale: float, skips: bool = False) -> tuple[Tensor, Tensor]:
    """Return mean_C and std_C of the stored values divided by `scale`, every pixel counted once, as float64.

    The variance is divided by the number of values, as a dataset's published one is. Chunks of float64 are merged
    (Chan, Golub and LeVeque 1983), where one sum in float32 stops growing: 2^24 ones and one more are 2^24. With
    `skips`, what cannot be decoded is left out; else its ValueError is raised.
    """
    count, mean_C, square_C = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for x_CP in _channels(images, skips=skips):
        values = x_CP.shape[1]
        variance_C, own_C = torch.var_mean(x_CP, dim=1, correction=0)
        step_C = own_C - mean_C
        square_C = square_C + values * (variance_C + step_C**2 * (count / (count + values)))
        count += values
        mean_C = mean_C + step_C * (values / count)
    return mean_C / scale, (square_C / count).sqrt() / scale


def _channels(images: Images, *, skips: bool) -> Iterator[Tensor]:
    """Yield every value once, as float64 (C, P)."""
    if isinstance(images, Tensor):
        for x_N in images.split(max(1, CHUNK // images[0].numel())):
            yield x_N.to(torch.float64).transpose(0, 1).flatten(1)
        return
    for index in range(len(images)):
        try:
            x_C = images[index]
        except ValueError:
            if not skips:
                raise
            continue
        yield x_C.to(torch.float64).reshape(len(x_C), -1)
