"""What goes along with every fit of a run, in each of its processes."""

from typing import TYPE_CHECKING, Any

import lightning

from src.config.build import build
from src.fit.contract import follow
from src.fit.layout import Layout
from src.fit.rehearsal import Rehearsal
from src.fit.replay import Replay, steady
from src.fit.unsaved import Unsaved

if TYPE_CHECKING:
    from src.run.record import Record


def built(config: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return model, data and trainer of a run's config; the data draw the same split at each setup."""
    model, data, trainer = (build(config[group]) for group in ("model", "data", "trainer"))
    follow(data, config, trains=True)
    return model, steady(data, seed=config["seed"]), trainer


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
        Unsaved(),
        Rehearsal(monitor=monitor, is_required=is_required, is_resumed=is_resumed),
        Layout(channels_last=trainer.channels_last, compile=trainer.compile),  # type: ignore[attr-defined]
    ]
