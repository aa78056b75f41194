"""Which parts of a net learn: everything, its last stage, its last block, or its head alone.

A net declares its `parts`: the names of its modules under "head", and where it has them "last_block" and "last_stage".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

PARTS = ("all", "last_stage", "last_block", "head")


def trainable_modules(net: nn.Module, part: str) -> list[nn.Module]:
    """Return the modules of `net` that learn: those of the part and of its head, or the net itself.

    Raises ValueError where there is no such part, or the net declares none.
    """
    if part not in PARTS:
        raise ValueError(f"model.trainable={part}: choose from {', '.join(PARTS)}")
    if part == "all":
        return [net]
    declared = declared_parts(net)
    if part not in declared:
        known = ", ".join(["all", *(name for name in PARTS if name in declared)])
        raise ValueError(
            f"model.trainable={part}: {type(net).__name__} does not say which of its modules these are: choose {known}"
        )
    return [net.get_submodule(name) for name in dict.fromkeys([*declared[part], *declared["head"]])]


def declared_parts(net: nn.Module) -> Mapping[str, Sequence[str]]:
    """Return the names of the modules of each part that `net` declares; {} where it declares none."""
    return getattr(net, "parts", {})


def freeze(net: nn.Module, modules: Sequence[nn.Module]) -> None:
    """Let only `modules` of `net` learn: all others get no gradients."""
    net.requires_grad_(False)
    for module in modules:
        module.requires_grad_(True)


def parameter_groups(
    net: nn.Module, *, backbone_lr: float | None, spare_norms_and_biases: bool
) -> list[nn.Parameter] | list[dict[str, Any]]:
    """Return what an optimizer takes: the parameters of `net` that have gradients, in groups where they differ.

    What is not the head learns by `backbone_lr` where one is given; with `spare_norms_and_biases`, parameters of one
    dimension have no weight decay.
    """
    head = {
        id(parameter)
        for name in declared_parts(net).get("head", ())
        for parameter in net.get_submodule(name).parameters()
    }
    if backbone_lr is not None and not head:
        raise ValueError(f"model.backbone_lr={backbone_lr}: {type(net).__name__} does not say what its head is")
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in _learning(net):
        is_slow = backbone_lr is not None and id(parameter) not in head
        is_spared = spare_norms_and_biases and parameter.ndim <= 1
        groups.setdefault((is_slow, is_spared), []).append(parameter)
    if list(groups) == [(False, False)]:
        return groups[False, False]
    return [
        {"params": parameters} | ({"lr": backbone_lr} if is_slow else {}) | ({"weight_decay": 0.0} if is_spared else {})
        for (is_slow, is_spared), parameters in groups.items()
    ]


def _learning(net: nn.Module) -> Iterator[nn.Parameter]:
    return (parameter for parameter in net.parameters() if parameter.requires_grad)
