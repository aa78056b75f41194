"""Mixes pairs of a batch's samples and their targets: mixup and CutMix.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from src.data.transform.part import Part


@dataclass(frozen=True)
class Mix:
    """Blends each sample of a batch with another one, and their targets in the same shares.

    Mixup (arXiv:1710.09412) blends all pixels, by a share from Beta(mixup, mixup); CutMix (arXiv:1905.04899) pastes a
    box, of an area from Beta(cutmix, cutmix); of both, either one of the two for each batch. 0 switches one off.
    `classes` is K where the targets are class numbers that become shares of K classes, 0 where they are mixed as they
    are: the probability of class 1, or a number.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    classes: int = 0

    def __post_init__(self) -> None:
        if min(self.mixup, self.cutmix) < 0:
            raise ValueError(f"data.mixup={self.mixup}, data.cutmix={self.cutmix}: neither is below 0")

    def __bool__(self) -> bool:
        return self.mixup > 0 or self.cutmix > 0

    def __call__(
        self, x_B: Tensor, target_B: Tensor, random: torch.Generator, part: Part | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return mixed samples and targets, (B, K) or (B,) floats; the numbers come from `random`, on the CPU.

        Of a `part` that `with_partners` gave, the first half is mixed and returned.
        """
        rng, partner_B = _drawn(part.samples if part else len(x_B), random)
        if part:
            partner_B = torch.arange(len(x_B) // 2, len(x_B))
        partner_B = partner_B.to(x_B.device)
        cuts = self.cutmix > 0 and (self.mixup == 0 or rng.random() < 0.5)
        mixed = slice(len(x_B) // 2) if part else slice(None)
        if cuts:
            x_B, share = _cut(x_B[mixed], x_B[partner_B], rng, float(rng.beta(self.cutmix, self.cutmix)))
        else:
            share = float(rng.beta(self.mixup, self.mixup))
            x_B = torch.lerp(x_B[partner_B], x_B[mixed], share)
        soft_B = F.one_hot(target_B, self.classes).float() if self.classes else target_B.float()
        return x_B, torch.lerp(soft_B[partner_B], soft_B[mixed], share)

    def with_partners(self, part: Part, random: torch.Generator) -> Part:
        """Return the rows of a part and, behind them, those that they are mixed with."""
        _, partner_B = _drawn(part.samples, random)
        return Part(torch.cat([part.rows, partner_B[part.rows]]), part.samples)


def _drawn(samples: int, random: torch.Generator) -> tuple[np.random.Generator, Tensor]:
    """Return what the other numbers come from, and each sample's partner."""
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=random)))
    return rng, torch.from_numpy(rng.permutation(samples))


def _cut(x_BCHW: Tensor, partner_BCHW: Tensor, rng: np.random.Generator, share: float) -> tuple[Tensor, float]:
    """Paste a box of each partner, 1 - `share` of the area where the edge does not cut it; return the share kept."""
    H, W = x_BCHW.shape[-2:]
    side = np.sqrt(1 - share)
    middle_y, middle_x = rng.integers(H), rng.integers(W)
    top, bottom = np.clip([middle_y - int(H * side) // 2, middle_y + int(H * side) // 2], 0, H)
    left, right = np.clip([middle_x - int(W * side) // 2, middle_x + int(W * side) // 2], 0, W)
    mixed_BCHW = x_BCHW.clone()
    mixed_BCHW[..., top:bottom, left:right] = partner_BCHW[..., top:bottom, left:right]
    return mixed_BCHW, float(1 - (bottom - top) * (right - left) / (H * W))
