"""What a module keeps in plain lists and dicts, which no checkpoint holds: a line where a run goes on without it."""

import logging
from collections import deque
from typing import Any

import lightning

from src.fit.contract import Scored, offers

log = logging.getLogger(__name__)


class Unsaved(lightning.Callback):
    """Writes into checkpoints how much such attributes of a module hold, and says which of it a resumed fit lacks."""

    def __init__(self) -> None:
        self._saved: dict[str, int] = {}

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the sizes."""
        if not offers(pl_module, Scored):  # which keeps nothing so
            checkpoint["unsaved"] = sizes(pl_module)

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Remember them."""
        if trainer.state.fn == "fit":
            self._saved = checkpoint.get("unsaved", {})

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compare them: a module that puts its own back in on_load_checkpoint has done so."""
        saved, self._saved = self._saved, {}
        found = sizes(pl_module)
        lost = [name for name, size in saved.items() if found.get(name, 0) != size]
        if lost and trainer.is_global_zero:
            log.warning(
                "%s: %s are in no checkpoint: the run goes on without what they held; a buffer, a metric of "
                "torchmetrics or on_save_checkpoint keeps it",
                type(pl_module).__name__,
                ", ".join(f"the {saved[name]} entries of {name}" for name in lost),
            )


def sizes(module: lightning.LightningModule) -> dict[str, int]:
    """Return how much the lists, dicts, sets and deques that a module has as attributes hold, where it is anything."""
    kept = {name: value for name, value in vars(module).items() if isinstance(value, (list, dict, set, deque))}
    return {name: len(value) for name, value in kept.items() if value and not name.startswith("_")}
