"""Shows in TensorBoard how weights and gradients are distributed."""

import lightning
import torch
from torch.nn.parameter import UninitializedParameter

from src.callback.event_file import writer


class Histograms(lightning.Callback):
    """Writes a histogram of every parameter and of its gradient, of the first step of every `every_n_epochs`."""

    changes_no_result = True

    def __init__(self, *, every_n_epochs: int = 1):
        if every_n_epochs < 1:
            raise ValueError(f"callback.histograms.every_n_epochs={every_n_epochs}: set at least 1")
        self.every_n_epochs = every_n_epochs
        self._epoch = -1  # the last that is written: with accumulation an epoch has several first backward passes

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Write, where it is the first step of an epoch that is to be shown."""
        epoch, events = trainer.current_epoch, writer(trainer)
        if events is None or epoch == self._epoch or epoch % self.every_n_epochs:
            return
        self._epoch = epoch
        for name, parameter in pl_module.named_parameters():
            for kind, values in (("weights", parameter), ("gradients", parameter.grad)):
                if values is None or isinstance(values, UninitializedParameter):
                    continue
                whole = values.detach().to_dense() if values.layout != torch.strided else values.detach()
                if whole.numel() and whole.isfinite().all():  # TensorBoard refuses NaN
                    events.add_histogram(f"{kind}/{name}", whole.float(), trainer.global_step)
