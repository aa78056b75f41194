"""Lightning's Trainer, with several optimizer steps per call of `training_step` and convolutions channels last."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any, get_type_hints

import lightning

from src.fit.hardware import check_compiler, check_hardware
from src.fit.lean import without_idle_hooks, without_profile
from src.fit.memory import freed_memory_kept
from src.fit.quick import EpochLoop
from src.model.supervised import GRAPHS

log = logging.getLogger(__name__)


class Trainer(lightning.Trainer):
    """A Trainer that can take `steps_per_call` optimizer steps, each on its own batch, in one call of `training_step`.

    Steps, logged points, schedules, weights and checkpoints are those of single steps, to the same bits; what falls
    away is Lightning's own work between two batches, which is most of the time where the net is tiny. Callbacks are
    called once per call, and Lightning stops and validates between calls: `limit_train_batches`, `overfit_batches` and
    `val_check_interval`, where they count batches, are rounded up to whole calls. `max_steps` is kept exactly.

    With `channels_last` the convolutions of any net work on (B, H, W, C) in memory, which is faster. `compile` is a
    mode of torch.compile for the net: default, reduce-overhead, which makes CUDA graphs of its calls, or max-autotune;
    the first steps take a minute longer. These, and a precision below 32 bits, change roundings: a line in the log
    says so where a fit starts.
    """

    def __init__(
        self, *, steps_per_call: int = 1, channels_last: bool = False, compile: str | None = None, **settings: Any
    ):
        if steps_per_call < 1:
            raise ValueError(f"trainer.steps_per_call={steps_per_call}: a call takes at least one step")
        if steps_per_call > 1:
            _refuse_what_needs_single_steps(settings)
        if compile is not None:
            check_compiler(compile)
            if compile in GRAPHS and settings.get("accumulate_grad_batches", 1) != 1:
                raise ValueError(
                    f"trainer.compile={compile} makes CUDA graphs, which write over gradients that are still added up: "
                    "set trainer.compile=default, or trainer.accumulate_grad_batches=1"
                )
        check_hardware(settings)
        for key in ("limit_train_batches", "overfit_batches", "val_check_interval"):
            if isinstance(batches := settings.get(key), int):
                settings[key] = -(-batches // steps_per_call)
        super().__init__(**settings)
        if steps_per_call > 1 and self.world_size > 1:
            raise ValueError(
                f"trainer.steps_per_call={steps_per_call} with {self.world_size} processes: their gradients meet after "
                "each step: set trainer.steps_per_call=1"
            )
        whole = self.fit_loop.epoch_loop
        self.fit_loop.epoch_loop = EpochLoop(self, min_steps=whole.min_steps, max_steps=whole.max_steps)
        self.steps_per_call = steps_per_call
        self.channels_last = channels_last
        self.compile = compile
        without_profile(self.profiler)  # type: ignore[attr-defined]  # Lightning's own, undeclared

    def _run_stage(self) -> Any:  # where all callbacks are there, and none has been called for a batch
        rounds = ["channels_last"] if self.channels_last else []
        rounds += [f"compile={self.compile}"] if self.compile else []
        rounds += [] if self.precision.startswith(("32", "64")) else [f"precision={self.precision}"]
        if rounds and self.state.fn == "fit" and self.is_global_zero:
            log.info("%s: faster, with other roundings than the plain net in 32 bits", ", ".join(rounds))
        idle = without_idle_hooks(self.callbacks, self.lightning_module)  # type: ignore[attr-defined]
        with idle, freed_memory_kept():
            return super()._run_stage()

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
        "steps_per_call": int,
        "channels_last": bool,
        "compile": str | None,
    }


def alone(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes one process with one device of a Trainer's settings: all that scoring and looking take."""
    devices = settings.get("devices", 1)
    return {"devices": devices[:1] if isinstance(devices, list) else 1, "num_nodes": 1, "strategy": "auto"}


def _refuse_what_needs_single_steps(settings: dict[str, Any]) -> None:
    wanted = {
        "gradient_clip_val": settings.get("gradient_clip_val") not in (None, 0),
        "accumulate_grad_batches": settings.get("accumulate_grad_batches", 1) != 1,
        "precision": str(settings.get("precision"))
        in ("16", "16-mixed"),  # its scaler skips steps that the schedule counts
    }
    for key, is_wanted in wanted.items():
        if is_wanted:
            raise ValueError(f"trainer.{key}={settings[key]} works on single steps: set trainer.steps_per_call=1")
