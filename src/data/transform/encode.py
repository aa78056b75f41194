"""From the rows of a table as they are stored to those that a net sees.

Shapes: B batch, C columns, D features, H numbers that may be missing, S categories of all columns.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from src.data.header import Header


class Encode(nn.Module):
    """Maps rows (B, C), with NaN for a missing number and -1 for an unknown category, to (B, D).

    D are the numbers, less the mean over the deviation, a missing one 0; for each that had holes in training 1 where it
    is missing; and for each category 1 where it is the row's.
    """

    scale = 1.0  # what the numbers are divided by
    number_N: Tensor
    hole_H: Tensor
    column_S: Tensor
    code_S: Tensor
    mean_N: Tensor
    std_N: Tensor

    def __init__(self, header: Header, *, mean: Sequence[float] | None = None, std: Sequence[float] | None = None):
        super().__init__()
        inputs, known = list(header.inputs or ()), [some or () for some in header.categories or ()]
        numbers = [place for place, some in enumerate(header.categories or ()) if some is None]
        codes = [(place, code) for place, some in enumerate(known) for code in range(len(some))]
        holes = [number for number, place in enumerate(numbers) if inputs[place] in header.holes]
        self.mean, self.std = list(mean or [0.0] * len(inputs)), list(std or [1.0] * len(inputs))
        self.about = {"inputs": inputs, "categories": list(header.categories or ()), "holes": list(header.holes)}
        self.register_buffer("number_N", torch.tensor(numbers, dtype=torch.long))
        self.register_buffer("hole_H", torch.tensor(holes, dtype=torch.long))
        self.register_buffer("column_S", torch.tensor([place for place, _ in codes], dtype=torch.long))
        self.register_buffer("code_S", torch.tensor([code for _, code in codes], dtype=torch.float32))
        self.register_buffer("mean_N", torch.tensor([self.mean[place] for place in numbers], dtype=torch.float32))
        self.register_buffer("std_N", torch.tensor([self.std[place] for place in numbers], dtype=torch.float32))

    def store(self, dtype: torch.dtype) -> None:
        """Take rows of any dtype: their numbers are never divided by what an image's would be."""

    def forward(self, x_BC: Tensor) -> Tensor:
        """Return features (B, D)."""
        if x_BC.device != self.mean_N.device:  # the batches', whose moves are none of a model's
            self.to(x_BC.device)
        x_BC = x_BC.to(torch.float32)
        number_BN = x_BC.index_select(1, self.number_N)
        is_missing_BN = number_BN.isnan()
        number_BN = torch.where(is_missing_BN, 0.0, (number_BN - self.mean_N) / self.std_N)
        has_BS = x_BC.index_select(1, self.column_S) == self.code_S
        return torch.cat([number_BN, is_missing_BN.index_select(1, self.hole_H).float(), has_BS.float()], dim=1)

    def invert(self, x_BD: Tensor) -> Tensor:
        """Return rows (B, C) that features were made of; a missing number without a feature of its own is the mean."""
        count = len(self.number_N)
        x_BC = torch.full((len(x_BD), len(self.mean)), -1.0, device=x_BD.device)
        number_BN = x_BD[:, :count] * self.std_N + self.mean_N
        number_BN[:, self.hole_H] = number_BN[:, self.hole_H].masked_fill(
            x_BD[:, count:][:, : len(self.hole_H)] > 0, torch.nan
        )
        x_BC[:, self.number_N] = number_BN
        for place, (column, code) in enumerate(zip(self.column_S.tolist(), self.code_S.tolist(), strict=True)):
            is_it_B = x_BD[:, count + len(self.hole_H) + place] > 0
            x_BC[is_it_B, column] = code
        return x_BC

    def before(self, net: nn.Module, *, shape: Sequence[int]) -> nn.Module:
        """Return a net that takes rows as they are stored."""
        return Encoded(self, net)

    def facts(self) -> dict[str, object]:
        """Return what who serves a net has to know of it."""
        return {"mean": list(self.mean), "std": list(self.std), **self.about}


class Encoded(nn.Module):
    """`net` behind `encode`."""

    def __init__(self, encode: Encode, net: nn.Module):
        super().__init__()
        self.encode = encode
        self.net = net

    def forward(self, x_BC: Tensor) -> Tensor:
        """Return output_BK."""
        return self.net(self.encode(x_BC))

    def stored(self, x_BD: Tensor) -> Tensor:
        """Return the rows (B, C) that features were made of."""
        return self.encode.invert(x_BD)
