"""Lightning's Trainer, with convolutions channels last and compiled nets."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, get_type_hints

import lightning
from lightning.pytorch.plugins import MixedPrecision, Precision

from src.fit.hardware import check_compiler, check_hardware
from src.fit.verified import quick
from src.model.supervised import GRAPHS


class Trainer(lightning.Trainer):
    """Lightning's Trainer, a short way through plain steps (src.fit.quick), and two settings more.

    With `channels_last` the convolutions of any net work on (B, H, W, C) in memory, which is faster. `compile` is a
    mode of torch.compile for the net: default, reduce-overhead, which makes CUDA graphs of its calls, or max-autotune;
    the first steps take a minute longer. These, and a precision below 32 bits, change roundings.
    """

    changes_no_result = (
        "callbacks",  # they say for themselves
        "logger",
        "default_root_dir",
        "enable_progress_bar",
        "enable_model_summary",
        "profiler",
        "log_every_n_steps",
    )

    def __init__(self, *, channels_last: bool = False, compile: str | None = None, **settings: Any):
        if compile is not None:
            check_compiler(compile)
            if compile in GRAPHS and settings.get("accumulate_grad_batches", 1) != 1:
                raise ValueError(
                    f"trainer.compile={compile} makes CUDA graphs, which write over gradients that are still added up: "
                    "set trainer.compile=default, or trainer.accumulate_grad_batches=1"
                )
        check_hardware(settings)
        super().__init__(**settings)
        precision = self.precision_plugin
        if isinstance(precision, MixedPrecision) and precision.scaler is None:
            # Lightning takes every fused optimizer for one that unscales gradients by itself; bf16 scales none.
            precision.clip_gradients = partial(Precision.clip_gradients, precision)  # type: ignore[method-assign]
        self.channels_last = channels_last
        self.compile = compile
        if way := quick():
            way.install(self)

    # What may be set is what Lightning's Trainer takes, and these.
    _own = inspect.signature(__init__).parameters
    _theirs = inspect.signature(lightning.Trainer).parameters
    __signature__ = inspect.Signature(
        [
            *(p for p in _own.values() if p.kind is p.KEYWORD_ONLY),
            *(p for p in _theirs.values() if p.kind is p.KEYWORD_ONLY),
        ]
    )
    __init__.__annotations__ = get_type_hints(lightning.Trainer.__init__) | {
        "channels_last": bool,
        "compile": str | None,
    }


def alone(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes one process with one device of a Trainer's settings: all that scoring and looking take."""
    devices = settings.get("devices", 1)
    return {"devices": devices[:1] if isinstance(devices, list) else 1, "num_nodes": 1, "strategy": "auto"}
