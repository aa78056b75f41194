"""A net whose head alone learns, with the frozen BatchNorms merged into the convolutions before them."""

from torch import nn
from torch.fx.experimental.optimization import fuse
from torch.fx.proxy import TraceError

from src.model.transfer import declared_parts


def merged(net: nn.Module) -> nn.Module:
    """Return a net that computes what `net` does, to rounding, with the very head of `net`; all else is in eval mode.

    A frozen BatchNorm multiplies and adds constants, which the convolution's weights can hold: a pass over the feature
    maps less. A net that torch.fx cannot follow is returned as it is.
    """
    try:
        copy = fuse(net)
    except TraceError:
        return net
    for name in declared_parts(net)["head"]:
        copy.set_submodule(name, net.get_submodule(name))
    return copy
