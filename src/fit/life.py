"""What goes along with every fit of a run, in each of its processes."""

from typing import TYPE_CHECKING, Any

import lightning

from src.fit.layout import Layout
from src.fit.rehearsal import Rehearsal
from src.fit.replay import Replay

if TYPE_CHECKING:
    from src.run.record import Record


def accompany(
    trainer: lightning.Trainer,
    *,
    seed: int,
    monitor: str,
    is_required: bool,
    is_resumed: bool,
    record: "Record | None" = None,
) -> None:
    """Give a Trainer of ours the callbacks by which anybody's module and data lead the life of a run.

    `is_required` says that the run is judged by `monitor` and by nothing else; `record` is there in rank 0 alone.
    """
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning's own, undeclared
    callbacks += [
        Replay(seed=seed, record=record),
        Rehearsal(monitor=monitor, is_required=is_required, is_resumed=is_resumed),
        Layout(channels_last=trainer.channels_last, compile=trainer.compile),  # type: ignore[attr-defined]
    ]
