"""Lightning's loops without their detours: all that this project uses of Lightning and does not find promised there.

Import it through `src.fit.verified`, which has it only for the versions of Lightning that it was verified for.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import lightning
from lightning.pytorch.core.hooks import DataHooks
from lightning.pytorch.loops.fetchers import _DataFetcher
from lightning.pytorch.loops.loop import _Loop
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins import MixedPrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler, Profiler
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.trainer.connectors.logger_connector import result as results
from lightning.pytorch.trainer.connectors.logger_connector.result import _Metadata, _ResultMetric, _Sync
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor
from torch.optim import LBFGS

from src.data.load.batches import Batches
from src.fit.contract import Batched, offers, overrides
from src.fit.memory import freed_memory_kept
from src.model.supervised import Supervised
from src.strategy.launcher import Launcher

HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
NOTHING = nullcontext()
Wrap = Callable[[Any, Any], Any]
# What Lightning lets a module replace of a step, and a plain step does itself.
OPTIMIZATION = ("optimizer_step", "optimizer_zero_grad", "backward", "configure_gradient_clipping", "lr_scheduler_step")
# What `log` keeps beside a sum.
META = ("fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "add_dataloader_idx", "dataloader_idx")
AROUND_TRANSFER = ("on_before_batch_transfer", "on_after_batch_transfer")


def install(trainer: lightning.Trainer) -> None:
    """Let a new Trainer's fits take the short way where they can."""
    whole, start, end = trainer.fit_loop.epoch_loop, trainer.fit_loop.on_run_start, trainer._teardown
    trainer.fit_loop.epoch_loop = EpochLoop(trainer, min_steps=whole.min_steps, max_steps=whole.max_steps)
    without_profile(trainer.profiler)  # type: ignore[attr-defined]  # Lightning's own, undeclared
    during = ExitStack()

    def on_run_start() -> None:  # where all callbacks are there, and none has been called for a batch
        callbacks: list[lightning.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        during.enter_context(without_idle_hooks(callbacks, trainer.lightning_module))
        during.enter_context(freed_memory_kept())
        start()

    def teardown() -> None:  # however the fit ends
        during.close()
        end()

    trainer.fit_loop.on_run_start, trainer._teardown = on_run_start, teardown  # type: ignore[method-assign]
    if isinstance(trainer.strategy.launcher, Launcher):  # Lightning's handler of SIGTERM broadcasts amid all else
        trainer._signal_connector.register_signal_handlers = lambda: None


class EpochLoop(_TrainingEpochLoop):
    """The loop of an epoch: a plain step goes the shortest way through the same hooks, in the same order.

    Weights, counts, logged points and checkpoints are those of Lightning's way, to the same bits. What falls away is
    what Lightning does between the hooks for cases that a plain step is none of, which takes as long as a small net.
    """

    is_plain = False
    _validates_every = 1

    def on_run_start(self, data_fetcher: _DataFetcher) -> None:
        """Decide for the epoch; callbacks may have changed the trainer at its start."""
        super().on_run_start(data_fetcher)
        trainer: Any = self.trainer  # whose attributes Lightning does not all declare
        self.is_plain = is_plain(trainer)
        counts = trainer.check_val_every_n_epoch is not None and trainer._val_check_time_interval is None
        self._validates_every = (trainer.val_check_batch or 1) if counts else 1
        module, datamodule = trainer.lightning_module, trainer.datamodule
        has_own = datamodule is not None and overrides(datamodule, DataHooks, "transfer_batch_to_device")
        self._transfers: DataHooks = datamodule if has_own else module

    def advance(self, data_fetcher: _DataFetcher) -> None:
        """Train on a batch."""
        if self.restarting or self.val_loop.restarting or not self.is_plain:
            super().advance(data_fetcher)
            return
        batch, batch_idx = self._begin(data_fetcher)
        with within(self.trainer, "training_step"):
            loss: Any = self.trainer.strategy.training_step(batch, batch_idx)
        self._end({"loss": self._update(loss)}, batch, batch_idx)

    def _begin(self, data_fetcher: _DataFetcher) -> tuple[Any, int]:
        """Return the next batch, where the model is, and its number."""
        trainer: Any = self.trainer
        progress = self.batch_progress
        batch, _, _ = next(data_fetcher)
        batch_idx = progress.current.ready
        progress.is_last_batch = data_fetcher.done
        batch = self._transfers.transfer_batch_to_device(batch, trainer.strategy.root_device, 0)
        progress.increment_ready()
        trainer._logger_connector.on_batch_start(batch)
        call(trainer, "on_train_batch_start", batch, batch_idx)
        progress.increment_started()
        self.automatic_optimization.optim_progress.optimizer.step.increment_ready()
        return batch, batch_idx

    def _update(self, loss: Tensor) -> Tensor:
        """Take the step of the optimizer and of its schedule; return the loss alone."""
        trainer: Any = self.trainer
        (optimizer,) = trainer.optimizers
        progress = self.automatic_optimization.optim_progress.optimizer
        progress.zero_grad.increment_ready()
        call(trainer, "on_before_zero_grad", optimizer)
        progress.zero_grad.increment_started()
        optimizer.zero_grad()
        progress.zero_grad.increment_completed()
        call(trainer, "on_before_backward", loss)
        with within(trainer, "backward"):
            loss.backward()
        call(trainer, "on_after_backward")
        alone = loss.detach().clone()
        call(trainer, "on_before_optimizer_step", optimizer)
        with within(trainer, "optimizer_step"):
            optimizer.step()
        progress.step.increment_completed()
        for config in trainer.lr_scheduler_configs:
            self.scheduler_progress.increment_ready()
            config.scheduler.step()
            self.scheduler_progress.increment_completed()
        return alone

    def _end(self, outputs: dict[str, Tensor], batch: Any, batch_idx: int) -> None:
        """Tell everybody, and log what is logged at steps."""
        trainer: Any = self.trainer
        progress, results, connector = self.batch_progress, self._results, trainer._logger_connector
        progress.increment_processed()
        call(trainer, "on_train_batch_end", outputs, batch, batch_idx)
        logs = any(item.meta.on_step for item in results.values())
        if logs:
            connector.on_batch_end()
        results.batch = results.batch_size = None
        progress.increment_completed()
        if logs:
            connector.update_train_step_metrics()

    def on_advance_end(self, data_fetcher: _DataFetcher) -> None:
        """Validate where that is due; count the step."""
        is_due = self.batch_progress.current.ready % self._validates_every == 0
        if is_due or self.restarting or not self.is_plain or self.trainer.should_stop or self.trainer.received_sigterm:
            super().on_advance_end(data_fetcher)
        else:
            self._batches_that_stepped += 1


def is_plain(trainer: Any) -> bool:
    """Whether each step is our training step, backward and update of one optimizer, on one device, on our batches."""
    module, datamodule, precision = trainer.lightning_module, trainer.datamodule, trainer.precision_plugin
    skips = (*OPTIMIZATION, *AROUND_TRANSFER, "on_train_batch_start")  # the last may end the epoch
    skipped: list[tuple[object, type, str]] = [(module, Supervised, "training_step")]
    skipped += [(module, lightning.LightningModule, hook) for hook in skips]
    skipped += [(datamodule, DataHooks, hook) for hook in AROUND_TRANSFER] if datamodule else []
    return (
        type(trainer.strategy) is SingleDeviceStrategy
        and (type(precision) is Precision or (type(precision) is MixedPrecision and precision.scaler is None))
        and type(trainer.profiler) is PassThroughProfiler
        and isinstance(trainer.train_dataloader, Batches)
        and trainer.accumulate_grad_batches == 1
        and not trainer.gradient_clip_val
        and not trainer.fit_loop._skip_backward
        and len(trainer.optimizers) == 1
        and _is_of_torch(trainer.optimizers[0])
        and all(_steps_with_it(config) for config in trainer.lr_scheduler_configs)
        and not any(overrides(owner, base, hook) for owner, base, hook in skipped)
    )


def _is_of_torch(optimizer: Any) -> bool:
    """Whether an optimizer steps once for each gradient; one from elsewhere may want the closure that gives it more."""
    return type(optimizer).__module__.startswith("torch.optim.") and not isinstance(optimizer, LBFGS)


def _steps_with_it(config: Any) -> bool:
    return config.interval == "step" and config.frequency == 1 and not config.reduce_on_plateau


@contextmanager
def without_idle_hooks(callbacks: Iterable[lightning.Callback], module: lightning.LightningModule) -> Iterator[None]:
    """Take away the hooks of a step that nobody has overridden: Lightning passes over what cannot be called."""
    bases: list[tuple[object, type]] = [(module, lightning.LightningModule)]
    bases += [(callback, lightning.Callback) for callback in callbacks]
    idle = [(owner, hook) for owner, base in bases for hook in HOOKS if _is_idle(owner, base, hook)]
    for owner, hook in idle:
        setattr(owner, hook, None)
    try:
        yield
    finally:
        for owner, hook in idle:
            if vars(owner).get(hook, owner) is None:  # else somebody has set one in the meantime
                delattr(owner, hook)


def without_profile(profiler: Profiler) -> None:
    """Let a profiler that does nothing do it without a generator for each of the dozens of calls of a step."""
    if type(profiler) is PassThroughProfiler:
        profiler.profile = _nothing  # type: ignore[method-assign]


def call(trainer: lightning.Trainer, hook: str, *arguments: Any) -> None:
    """Call a hook of a step where it is one, in the order Lightning has: the callbacks', then the module's."""
    with within(trainer, hook):
        for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning's own, undeclared
            if (called := getattr(callback, hook)) is not None:
                called(trainer, trainer.lightning_module, *arguments)
        if (called := getattr(trainer.lightning_module, hook)) is not None:
            called(*arguments)


class within:  # noqa: N801  # a context manager, as a class a third of the time of a generator
    """Says for the time of a block which hook is running: `log` looks there for what it may do."""

    def __init__(self, trainer: lightning.Trainer, hook: str):
        self.attributes, self.hook = vars(trainer.lightning_module), hook  # past nn.Module's search

    def __enter__(self) -> None:
        self.before = self.attributes["_current_fx_name"]
        self.attributes["_current_fx_name"] = self.hook

    def __exit__(self, *error: object) -> None:
        self.attributes["_current_fx_name"] = self.before


def _nothing(action_name: str) -> Any:
    return NOTHING


def _is_idle(owner: object, base: type, hook: str) -> bool:
    return hook not in vars(owner) and getattr(type(owner), hook) is getattr(base, hook)


@contextmanager
def unsaid() -> Iterator[None]:
    """Let Lightning warn of nothing in the block, and of the same things afterwards, which it says once a process."""
    said = set(results.warning_cache)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    results.warning_cache.intersection_update(said)


def after_each_epoch(trainer: lightning.Trainer, act: Callable[[], None]) -> None:
    """Call `act` when all of an epoch is over: its schedules stepped, its scores logged, its sums forgotten.

    No hook of Lightning's comes so late: those at an epoch's end come before the last three.
    """
    loop, whole = trainer.fit_loop, trainer.fit_loop.on_advance_end

    def on_advance_end() -> None:
        whole()
        act()

    loop.on_advance_end = on_advance_end  # type: ignore[method-assign]


def wrap_loaders(trainer: lightning.Trainer, *, train: Wrap, val: Wrap) -> None:
    """Let a fit iterate `train(loaders, mode)` and `val(loaders, mode)` of what it is given.

    The hooks of the data and the module stay theirs.
    """
    training, validation = trainer.fit_loop, trainer.fit_loop.epoch_loop.val_loop
    for loop, wrap, mode in ((training, train, "max_size_cycle"), (validation, val, "sequential")):
        source: Any = loop._data_source
        source.dataloader = partial(_wrapped, source.dataloader, wrap, mode)


def _wrapped(given: Callable[[], Any], wrap: Wrap, mode: str) -> Any:
    """Return the wrapped loaders; `mode` is Lightning's own choice where they have none."""
    loaders = given()
    if isinstance(loaders, CombinedLoader):
        return wrap(loaders.iterables, loaders._mode)
    return wrap(loaders, mode)


def go_on(trainer: lightning.Trainer, *, is_between_epochs: bool) -> None:
    """Let a resumed fit go on with the next batch of an epoch, or with the next epoch; a fresh one is left alone."""
    loop = trainer.fit_loop
    if is_between_epochs:
        _go_on_with_next_epoch(loop)
    elif loop.restarted_mid_epoch:
        _go_on_mid_epoch(trainer)
    elif loop.restarted_on_epoch_end:  # of a checkpoint that was written in a hook at an epoch's end
        loop.epoch_progress.increment_completed()
        _go_on_with_next_epoch(loop)


def _go_on_mid_epoch(trainer: lightning.Trainer) -> None:
    """Put the loader and Lightning's counts where a checkpoint between two batches was written.

    Lightning restarts from hooks within a batch: a batch that was about to start would be counted twice.
    """
    loop = trainer.fit_loop.epoch_loop
    batches = loop.batch_progress
    batches.total.ready, batches.current.ready = batches.total.completed, batches.current.completed
    loop._batches_that_stepped -= 1  # Lightning is about to add the last step again
    if offers(trainer.train_dataloader, Batched):
        trainer.train_dataloader.start = batches.current.completed


def _go_on_with_next_epoch(loop: Any) -> None:
    """Let Lightning take the last epoch for finished: under trainer.max_steps it would end it once more."""
    _Loop.restarting.fset(loop, False)  # type: ignore[attr-defined]  # the fit loop's own setter makes True of it
    for restarted in (loop, loop.epoch_loop, loop.epoch_loop.val_loop):
        restarted.reset_restart_stage()


def logged_so_far(trainer: lightning.Trainer) -> list[dict[str, Any]]:
    """Return what the modules' `log` has summed in this epoch of training, as plain data."""
    found = []
    for key, result in trainer.fit_loop.epoch_loop._results.items():
        if result.is_tensor and not result.has_reset:
            meta = {name: getattr(result.meta, name) for name in META} | {"reduce_fx": result.meta.reduce_fx.__name__}
            sync = {"_should": result.meta.sync.should, "rank_zero_only": result.meta.sync.rank_zero_only}
            found.append({"key": key, "meta": meta, "sync": sync, "sums": dict(result.metric_state)})
    return found


def log_on(trainer: lightning.Trainer, logged: Sequence[dict[str, Any]]) -> None:
    """Let a resumed epoch go on with the sums that `logged_so_far` returned.

    Metrics that were logged come again by themselves: they are the module's, with states of their own.
    """
    results, connector = trainer.fit_loop.epoch_loop._results, trainer._logger_connector
    for entry in logged:
        meta = _Metadata(**entry["meta"])
        meta.sync = _Sync(fn=trainer.strategy.reduce, **entry["sync"])
        result = _ResultMetric(meta, is_tensor=True)
        for name, value in entry["sums"].items():
            setattr(result, name, value)
        result._update_count = 1  # there is something to compute
        results[entry["key"]] = result.to(trainer.strategy.root_device)
    if logged:
        connector._first_loop_iter = True  # the next batch is not the first: nothing is to be forgotten
