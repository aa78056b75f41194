"""Which samples of each batch a process computes, where several share the work.

Shapes: R samples of one process.
"""

from dataclasses import dataclass

import torch

from src.data.transform.part import Part


def too_small(batch_size: int, ranks: int) -> str:
    """Say that a batch has fewer samples than there are processes."""
    return (
        f"data.batch_size={batch_size} is shared by all {ranks} processes, and each needs a sample of it: "
        f"set data.batch_size={ranks} or more, or fewer trainer.devices"
    )


@dataclass(frozen=True)
class Shard:
    """The part that process `rank`, from 0, of `ranks` has of every batch.

    The parts are consecutive and differ by one sample at most. Where a batch has fewer samples than there are
    processes, those left without compute its first one, which counts for nothing: all take the same steps.
    """

    rank: int
    ranks: int

    def count(self, samples: int) -> int:
        """Return how many of a batch's samples this process is to count."""
        return samples // self.ranks + (self.rank < samples % self.ranks)

    def part(self, samples: int) -> Part:
        """Return the rows that this process computes, one at least."""
        count = self.count(samples)
        first = self.rank * (samples // self.ranks) + min(self.rank, samples % self.ranks) if count else 0
        return Part(torch.arange(first, first + max(1, count)), samples)
