"""Lets the weights look ahead for a few steps, then takes them part of the way back (arXiv:1907.08610)."""

from typing import Any

import lightning
import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor

from src.model.schedule import total_steps


class Lookahead(lightning.Callback):
    """Every `every_n_steps` steps moves slow weights towards the net's, and sets the net to them.

    The slow weights keep a share of themselves which rises with the cube of the run's progress, from 0 to `decay`, as
    published with arXiv:2404.00498. BatchNorm's statistics go with the weights. A callback that averages weights comes
    after it in the list of callbacks.
    """

    def __init__(self, *, every_n_steps: int = 5, decay: float = 0.95**5):
        if every_n_steps < 1:
            raise ValueError(f"callback.lookahead.every_n_steps={every_n_steps}: at least 1")
        if not 0 <= decay <= 1:
            raise ValueError(f"callback.lookahead.decay={decay}: a share, from 0 to 1")
        self.every_n_steps = every_n_steps
        self.decay = decay
        self._slow: dict[str, Tensor] = {}
        self._steps = 1
        self._looked = 0  # at this step last

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Refuse weights that no process has whole."""
        if isinstance(trainer.strategy, FSDPStrategy):
            raise ValueError(
                "callback.lookahead: trainer=fsdp parts the weights: set trainer=ddp, or ~callback.lookahead"
            )

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Begin at the net's own weights, or where a resumed run left the slow ones."""
        self._slow = {name: self._slow.get(name, fast).to(fast.device, copy=True) for name, fast in _fast(pl_module)}
        self._steps = total_steps(trainer)
        self._looked = trainer.global_step

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look back where it is time."""
        looked, self._looked = self._looked, trainer.global_step
        if self._looked // self.every_n_steps == looked // self.every_n_steps:
            return
        kept = self.decay * min(1.0, self._looked / self._steps) ** 3  # several optimizers take more steps
        for name, fast in _fast(pl_module):
            fast.copy_(self._slow[name].lerp_(fast, 1 - kept))

    def state_dict(self) -> dict[str, Any]:
        """Return the slow weights."""
        return dict(self._slow)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the slow weights of a checkpoint."""
        self._slow = dict(state_dict)


def _fast(pl_module: lightning.LightningModule) -> list[tuple[str, Tensor]]:
    """Return the net's own weights and statistics, not copies of them."""
    state = pl_module.state_dict().items()
    return [(name, weight) for name, weight in state if isinstance(weight, Tensor) and weight.is_floating_point()]
