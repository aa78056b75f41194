"""Batches of anybody's data as the model gets them, and what a net is called with for one.

Shapes: B batch.
"""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import lightning
import torch
from lightning.pytorch.utilities import CombinedLoader
from lightning.pytorch.utilities.model_helpers import is_overridden
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn

from src.fit.contract import Net, Splits, offers
from src.fit.leaves import tensors

STAGES = {"train": "fit", "val": "fit", "test": "test", "predict": "predict"}
OWN = {"predict": "predict_step", "val": "validation_step", "test": "test_step", "train": "training_step"}  # steps
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
TRANSFER = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
UNRECORDED: Any = dict.fromkeys(
    ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
)


class Call(NamedTuple):
    """The arguments of one call of a net."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def splits_of(data: lightning.LightningDataModule) -> list[str]:
    """Return which of test, val, predict and train the data have a loader for."""
    named = [split for split in ("test", "val", "predict", "train") if is_overridden(f"{split}_dataloader", data)]
    return [split for split in named if not offers(data, Splits) or split in data.splits]


def loaders(data: lightning.LightningDataModule, split: str) -> Any:
    """Set the data up and return a split's loaders as they give them; raises ValueError where there are none."""
    if split not in splits_of(data):
        whose = f"{type(data).__module__}.{type(data).__qualname__}"
        there = ", ".join(splits_of(data)) or "none"
        raise ValueError(f"split {split}: {whose} has no {split}_dataloader: choose from {there}, or add it")
    data.prepare_data()
    data.setup(STAGES[split])
    return getattr(data, f"{split}_dataloader")()


def each_loader(found: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (name, loader) of one loader, or of lists and dicts of them."""
    found = found.iterables if isinstance(found, CombinedLoader) else found
    if isinstance(found, Mapping | list | tuple):
        inner = found.items() if isinstance(found, Mapping) else enumerate(found)
        for key, part in inner:
            yield from each_loader(part, f"{name}.{key}".lstrip("."))
    else:
        yield name, found


def batches(
    data: lightning.LightningDataModule, split: str, *, model: lightning.LightningModule | None = None
) -> Iterator[Any]:
    """Yield the batches of a split on the CPU as a step of `model` gets them: of several loaders as Lightning does."""
    trainer = data.trainer or lightning.Trainer(accelerator="cpu", devices=1, **UNRECORDED)
    trainer.datamodule, data.trainer = data, trainer  # type: ignore[attr-defined]  # a hook of theirs may ask it
    found = loaders(data, split)
    if not isinstance(found, CombinedLoader):
        found = CombinedLoader(found, "max_size_cycle" if split == "train" else "sequential")
    for batch, _, loader in found:
        yield _moved(batch, data, model, loader)


def first_batch(
    data: lightning.LightningDataModule, split: str, *, model: lightning.LightningModule | None = None
) -> Any:
    """Return the first batch of a split; raises ValueError where there is none."""
    for batch in batches(data, split, model=model):
        return batch
    raise ValueError(f"split {split}: {type(data).__qualname__} gives no batch of it: choose another")


def called_with(model: lightning.LightningModule, batch: Any, *, split: str = "predict", alone: bool = True) -> Call:
    """Return what the model's net, or its own forward where it has no net, is called with for a batch.

    That is what a step of the model hands on, for a training batch training_step and else predict_step before others,
    on a copy of which nothing stays; where none calls the net, the declared `example_input_array`, else the batch's
    first tensor. A process that is not `alone` tries no step that may wait for the others.
    """
    likely = (OWN["train"],) if split == "train" else (OWN["predict"], OWN[split])
    tried = dict.fromkeys((*likely, *OWN.values())) if alone else (OWN["predict"],)
    steps = [step for step in tried if is_overridden(step, model)]
    tries = [partial(_step, step, batch) for step in steps if step != "training_step" or model.automatic_optimization]
    if model.example_input_array is not None:
        tries.append(partial(_forward, as_call(model.example_input_array)))
    for attempt in tries:
        if (call := _heard(model, attempt)) is not None:
            return call
    first = next(tensors(batch), None)
    if first is None:
        raise ValueError(f"the batch holds no tensor: declare example_input_array in {type(model).__qualname__}")
    return Call((first[1],), {})


def as_call(declared: Any) -> Call:
    """Return a declared `example_input_array` as Lightning reads it: a tensor, a tuple of arguments, or a dict."""
    if isinstance(declared, Mapping):
        return Call((), declared)
    return Call(tuple(declared) if isinstance(declared, tuple) else (declared,), {})


def net_of(model: lightning.LightningModule) -> nn.Module:
    """Return the model's net, or itself, where it has none, as a module that its forward calls."""
    return model.net if offers(model, Net) else model


def images_in(batch: Any) -> Tensor | None:
    """Return the first tensor of a batch that holds grey or colour images, in [0, 1]; None without any."""
    found = (part for _, part in tensors(batch) if part.ndim == 4 and part.shape[1] in (1, 3) and part.numel())
    image_BCHW = next(found, None)
    if image_BCHW is None:
        return None
    image_BCHW = image_BCHW.detach().float()
    low, high = image_BCHW.aminmax()
    return ((image_BCHW - low) / (high - low).clamp_min(1e-12)).nan_to_num()


def labels_in(batch: Any) -> Tensor | None:
    """Return the last tensor (B,) of whole numbers from 0 on in a batch, which are mostly classes; None without any."""
    whole = [part for _, part in tensors(batch) if part.ndim == 1 and part.dtype in WHOLE and len(part)]
    return next((part for part in reversed(whole) if part.min() >= 0), None)


def _moved(
    batch: Any, data: lightning.LightningDataModule, model: lightning.LightningModule | None, loader: int
) -> Any:
    """Return a batch after the hooks of Lightning's transfer: the data's where it has its own, else the model's."""
    for name in TRANSFER:
        owner: Any = data if model is None or is_overridden(name, data) else model
        place = (torch.device("cpu"),) if name == "transfer_batch_to_device" else ()
        batch = getattr(owner, name)(batch, *place, loader)
    return batch


def _step(name: str, batch: Any, model: Any) -> None:
    step = getattr(model, name)
    takes_number = len(inspect.signature(step).parameters) > 1
    step(copy.deepcopy(batch), *((0,) if takes_number else ()))


def _forward(call: Call, model: Any) -> None:
    model(*call.args, **call.kwargs)


def _heard(model: lightning.LightningModule, attempt: Callable[[Any], None]) -> Call | None:
    """Return the first call of the net in what `attempt` does with a silent copy of the model; None without any."""
    calls: list[Call] = []

    def note(net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append(Call(args, kwargs))

    try:
        silent: Any = copy.deepcopy(model).eval().cpu()
        silent.log = silent.log_dict = lambda *args, **kwargs: None
        net_of(silent).register_forward_pre_hook(note, with_kwargs=True)
        with torch.no_grad(), isolate_rng():
            attempt(silent)
    except Exception:  # a step of another split's batches; or one that needs more of a trainer, behind its call
        pass
    return next((call for call in calls if any(tensors([call.args, call.kwargs]))), None)
