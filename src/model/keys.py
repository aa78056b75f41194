"""Weights under the keys of the plain net, whatever wraps it: torch.compile, DataParallel, DistributedDataParallel."""

from collections.abc import Iterator, MutableMapping
from typing import Any

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from src.net.compiled import WRAPPED, is_wrapper


def keep_plain_keys(module: nn.Module) -> None:
    """Let `module` save and load its state without the `_orig_mod.` and `module.` of wrappers anywhere in it."""
    module.register_state_dict_post_hook(_save)
    module.register_load_state_dict_pre_hook(_load)


def _save(module: nn.Module, state: MutableMapping[str, Any], prefix: str, metadata: object) -> None:
    for outer, inner in sorted(_wrappers(module), reverse=True):  # the inner wrappers first
        _rename(state, prefix + inner, prefix + outer)


def _load(module: nn.Module, state: MutableMapping[str, Any], prefix: str, *arguments: object) -> None:
    for outer, inner in sorted(_wrappers(module)):
        _rename(state, prefix + outer, prefix + inner)


def _rename(state: MutableMapping[str, Any], old: str, new: str) -> None:
    for key in [key for key in state if key.startswith(old)]:
        state[new + key.removeprefix(old)] = state.pop(key)


def _wrappers(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the starts of the keys of each wrapper's net: as they should be, as they are."""
    for name, child in module.named_modules(remove_duplicate=False):
        if is_wrapper(child):
            yield f"{name}.", f"{name}.{WRAPPED}."
        elif isinstance(child, (DataParallel, DistributedDataParallel)):
            yield f"{name}.", f"{name}.module."
