"""What of a net learns, from which weights on, and how fast."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from src.model.frozen import Frozen
from src.model.transfer import parameter_groups


@dataclass(frozen=True, kw_only=True)
class Learns:
    """Of a net that starts from `weights`, the part `trainable` learns: all, last_stage, last_block or head.

    `weights`, which the command loads, are a run folder, a checkpoint, or the name of weights that torchvision
    publishes, such as IMAGENET1K_V1; null starts anew. What does not learn is frozen, BatchNorm's statistics too, until
    `unfreeze_epoch`, where that is given. What is not the head learns by `backbone_lr`, else by the optimizer's own
    rate. With `spare_norms_and_biases` these have no weight decay.
    """

    weights: str | None = None
    trainable: str = "all"
    unfreeze_epoch: int | None = None
    backbone_lr: float | None = None
    spare_norms_and_biases: bool = False

    def frozen(self, net: nn.Module) -> Frozen:
        """Return what keeps the rest of `net` frozen; raises ValueError where `net` does not say what the part is."""
        return Frozen(net, self.trainable, unfreeze_epoch=self.unfreeze_epoch)

    def groups(self, net: nn.Module) -> list[nn.Parameter] | list[dict[str, Any]]:
        """Return the parameters that learn, as an optimizer takes them."""
        return parameter_groups(net, backbone_lr=self.backbone_lr, spare_norms_and_biases=self.spare_norms_and_biases)


EVERYTHING = Learns()
