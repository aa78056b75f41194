"""Anybody's net with tensors in and tensors out, as those want it who follow it: torch.export, ONNX, TensorBoard."""

import inspect
from collections.abc import Iterator
from typing import Any

import lightning
import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn

from src.fit.first_batch import UNRECORDED, Call
from src.fit.leaves import tensors
from src.fit.output import opened


class Traceable(nn.Module):
    """`net` called with the tensors of `call` replaced by others, all else in it as it is; gives the tensors it gives.

    One output is a tensor, several are a tuple.
    """

    def __init__(self, net: nn.Module, call: Call):
        super().__init__()
        self.net = net
        self.call = call

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the tensors in what the net gives."""
        rest: Iterator[Tensor] = iter(inputs)
        args, kwargs = apply_to_collection((self.call.args, dict(self.call.kwargs)), Tensor, lambda _: next(rest))
        return outputs_of(self.net(*args, **kwargs))


def inputs_of(call: Call) -> list[Tensor]:
    """Return the tensors that a net is called with."""
    found: list[Tensor] = []
    apply_to_collection((call.args, dict(call.kwargs)), Tensor, found.append)
    return found


def input_names(net: nn.Module, call: Call) -> list[str]:
    """Return what each tensor that a net is called with is called in its forward: x, where it is the only one."""
    parameters = inspect.signature(net.forward).parameters.values()
    known = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    unknown = [f"x{number}" for number in range(len(known), len(call.args))]
    given = dict(zip([*known, *unknown], call.args, strict=False)) | dict(call.kwargs)
    names = [name for name, _ in tensors(given)]
    return ["x"] if len(names) == 1 else names


def outputs_of(output: Any) -> Tensor | tuple[Tensor, ...]:
    """Return the tensors in what a net gave: the one there is, or all of them."""
    found = tuple(part for _, part in tensors(opened(output)))
    return found[0] if len(found) == 1 else found


def traceable(net: nn.Module, call: Call) -> nn.Module:
    """Return the net, or where a call takes or gives more than tensors, a module around it that does not."""
    if isinstance(net, lightning.LightningModule):  # who follows it reads all its attributes, a trainer among them
        net.trainer = lightning.Trainer(accelerator="cpu", devices=1, **UNRECORDED)
    with torch.no_grad():
        gives_tensor = isinstance(net(*call.args, **call.kwargs), Tensor)
    takes_tensors = not call.kwargs and all(isinstance(value, Tensor) for value in call.args)
    return net if gives_tensor and takes_tensors else Traceable(net, call)
