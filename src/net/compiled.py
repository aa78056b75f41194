"""What torch.compile has made of a net; the one file with private names of torch.

Under a version of torch that nobody has verified them for a net that was compiled in place stays compiled.
"""

import logging

import torch
from torch import nn

log = logging.getLogger(__name__)

VERIFIED = tuple(f"2.{minor}." for minor in range(10, 16))  # the starts of the versions of torch
WRAPPED = "_orig_mod"  # under which torch.compile(net) holds the net, and in the keys of its weights


def is_wrapper(module: nn.Module) -> bool:
    """Whether a module is what torch.compile(net) returns."""
    return any(name == WRAPPED for name, _ in module.named_children())


def is_compiled(net: nn.Module) -> bool:
    """Whether anything in a net is compiled, by torch.compile(part) or part.compile()."""
    return any(is_wrapper(part) or getattr(part, "_compiled_call_impl", None) is not None for part in net.modules())


def uncompile(net: nn.Module) -> None:
    """Take back net.compile()."""
    if torch.__version__.startswith(VERIFIED):
        net._compiled_call_impl = None
    elif is_compiled(net):
        log.warning(
            "torch %s: how to take back what is compiled is known up to torch %sx: the net stays compiled",
            torch.__version__,
            VERIFIED[-1],
        )
