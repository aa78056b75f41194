"""What of a net does not learn, and for how long.

Shapes: B batch.
"""

from collections.abc import Callable

from torch import Tensor, nn

from src.model.merged_norms import merged
from src.model.transfer import freeze, trainable_modules


class Frozen:
    """Keeps all of a net frozen but its part `trainable`: no gradients there, dropout and BatchNorm as in evaluation.

    From `unfreeze_epoch` on, where that is given, all of it learns. While the head alone learns, `merged` is a faster
    net to train it with, whose weights are in no checkpoint; else None.
    """

    def __init__(self, net: nn.Module, trainable: str, *, unfreeze_epoch: int | None):
        self.merged: Callable[[Tensor], Tensor] | None = None
        self._learning = trainable_modules(net, trainable)
        self._is_all_but_head = trainable == "head"
        self._unfreeze_epoch = unfreeze_epoch
        if unfreeze_epoch is None and trainable != "all":
            freeze(net, self._learning)  # else what is unfrozen later is in the optimizer from the start

    def start_epoch(self, net: nn.Module, epoch: int) -> None:
        """Give gradients to what learns in this epoch, and to nothing else."""
        if self._unfreeze_epoch is None:
            return
        if epoch >= self._unfreeze_epoch:
            self._learning = [net]
            self.merged = None
        freeze(net, self._learning)

    def keep_in_evaluation(self, net: nn.Module) -> None:
        """Put what is frozen of a net in training mode back in evaluation mode."""
        if self._learning != [net]:
            net.eval()
            for module in self._learning:
                module.train()

    def merge(self, net: nn.Module) -> None:
        """Make the faster net, where the head alone learns."""
        if self._is_all_but_head and self._learning != [net]:
            self.merged = merged(net)
