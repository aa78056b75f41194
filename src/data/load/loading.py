"""How samples become batches."""

from dataclasses import dataclass

from src.data.ranges import check_choices, check_counts


@dataclass(frozen=True)
class Loading:
    """How many samples a batch has, in which order they come, and who fetches them.

    `batch_size` is the number of samples in an optimizer's batch, however many processes there are: each gets its part
    of every batch, in training and in evaluation, and the parts together are the batch of one process. `workers` counts
    the processes that stream samples which are not kept in memory. Training samples are in the order that `seed` gives
    where they are to `shuffle`; with `drop_last` their last batch is left out where it is not full. An epoch goes
    `passes` times through them, which spares tiny datasets the cost of thousands of epochs. With the `sampler` balanced
    it has as many samples, and of each class equally many: those of rare ones several times, of common ones some.
    """

    batch_size: int = 100
    workers: int = 2
    drop_last: bool = False
    shuffle: bool = True
    passes: int = 1
    seed: int = 0
    sampler: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a number that is too low, and for a sampler that cannot be."""
        check_choices(sampler=self.sampler)
        if self.sampler and not self.shuffle:
            raise ValueError(f"data.sampler={self.sampler}: it draws at random: set data.shuffle=true")
        check_counts(passes=(self.passes, 1), batch_size=(self.batch_size, 1), workers=(self.workers, 0))
