"""How a module lies in memory and is compiled, as the trainer's settings say."""

import logging

import lightning
import torch

from src.fit.contract import Merged, Net, needs, offers

log = logging.getLogger(__name__)


class Layout(lightning.Callback):
    """Turns the convolutions of a module channels last, and compiles its `net` by `compile`, a mode of torch.compile.

    A module that does both by itself is left alone. Where these, or the Trainer's precision, change roundings, a line
    in the log says so.
    """

    def __init__(self, *, channels_last: bool, compile: str | None):
        self.channels_last = channels_last
        self.compile = compile

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Change the module; raises ValueError where it does not say what of it is the net to compile."""
        if stage == "fit" and trainer.is_global_zero and (rounds := self._rounds(trainer.precision)):
            log.info("%s: faster, with other roundings than the plain net in 32 bits", ", ".join(rounds))
        if offers(pl_module, Merged):
            return
        if self.channels_last:
            pl_module.to(memory_format=torch.channels_last)
            if not any(weight.ndim == 4 for weight in pl_module.parameters()):
                log.info("trainer.channels_last: %s has no convolution that it changes", type(pl_module).__name__)
        if self.compile:
            needs(pl_module, Net, for_="trainer.compile").net.compile(mode=self.compile)

    def _rounds(self, precision: str) -> list[str]:
        """Return the settings that change roundings."""
        rounds = ["channels_last"] if self.channels_last else []
        rounds += [f"compile={self.compile}"] if self.compile else []
        return rounds + ([] if precision.startswith(("32", "64")) else [f"precision={precision}"])
