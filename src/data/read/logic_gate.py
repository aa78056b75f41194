"""Truth tables of two inputs: the four rows of AND, NAND, OR and XOR.

Shapes: N samples.
"""

import torch
from torch import Tensor

from src.data.dataset import dataset

TABLES = {"and": (0, 0, 0, 1), "nand": (1, 1, 1, 0), "or": (0, 1, 1, 1), "xor": (0, 1, 1, 0)}


@dataset()
def logic_gate(gate: str, *, split: str) -> tuple[Tensor, Tensor]:
    """Return the rows (4, 2) 00, 01, 10, 11 as floats and what `gate` (and, nand, or, xor) makes of them, (4,)."""
    if gate not in TABLES:
        raise ValueError(f"data.gate={gate}: choose from {', '.join(TABLES)}")
    return torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), torch.tensor(TABLES[gate])
