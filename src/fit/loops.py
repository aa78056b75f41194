"""Puts Lightning's loops, which count epochs and batches, where a checkpoint was written."""

import lightning
from lightning.pytorch.loops.loop import _Loop


def go_on(trainer: lightning.Trainer) -> None:
    """Let a resumed fit go on with the next batch of an epoch, or with the next epoch; a fresh one is left alone."""
    if trainer.fit_loop.restarted_mid_epoch:
        _go_on_mid_epoch(trainer)
    elif trainer.fit_loop.restarted_on_epoch_end:
        _go_on_with_next_epoch(trainer)


def _go_on_mid_epoch(trainer: lightning.Trainer) -> None:
    """Put the loader and Lightning's counts where a checkpoint between two batches was written.

    Lightning restarts from hooks within a batch: a batch that was about to start would be counted twice.
    """
    loop = trainer.fit_loop.epoch_loop
    batches = loop.batch_progress
    batches.total.ready, batches.current.ready = batches.total.completed, batches.current.completed
    loop._batches_that_stepped -= 1  # Lightning is about to add the last step again
    trainer.train_dataloader.start = batches.current.completed  # type: ignore[union-attr]


def _go_on_with_next_epoch(trainer: lightning.Trainer) -> None:
    """Let Lightning take the last epoch for finished: under trainer.max_steps it would end it once more."""
    loop = trainer.fit_loop
    loop.epoch_progress.increment_completed()
    _Loop.restarting.fset(loop, False)  # type: ignore[attr-defined]  # the fit loop's own setter makes True of it
    for restarted in (loop, loop.epoch_loop, loop.epoch_loop.val_loop):
        restarted.reset_restart_stage()
