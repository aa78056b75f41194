"""What a module says it is called with, tried before compute: `example_input_array`."""

import copy
from typing import Any

import lightning
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.utilities.seed import isolate_rng

from src.fit.first_batch import as_call
from src.fit.leaves import tensors


def check_example(trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
    """Call a copy of `module` with the `example_input_array` that it declares; raises ValueError where that fails.

    Nothing of `module` and of the generators changes. One that has no forward, or that cannot be copied, is left alone.
    """
    declared = module.example_input_array
    if declared is None:
        return
    try:
        silent: Any = copy.deepcopy(module).eval()
    except Exception:  # one of its kind
        return
    silent.trainer, silent.log, silent.log_dict = trainer, _nothing, _nothing
    precision = trainer.precision_plugin
    call = precision.convert_input(move_data_to_device(as_call(declared), module.device))
    try:
        with torch.no_grad(), isolate_rng(), precision.forward_context():
            silent(*call.args, **call.kwargs)
    except (NotImplementedError, torch.OutOfMemoryError):  # no forward; no room for a copy
        return
    except Exception as error:
        shapes = ", ".join(str(list(part.shape)) for _, part in tensors(declared))
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{type(module).__name__}.example_input_array of shape {shapes}: its forward ends with "
            f"{type(error).__name__}: {reason}: correct the shape or the forward, or declare none"
        ) from error


def _nothing(*arguments: object, **named: object) -> None:
    pass
