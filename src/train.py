"""Trains a model and records the run: `python -m src.train model=fashion_cnn data=fashionmnist`."""

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from src.command.entry import command
from src.config.schema import Train
from src.sweep.job import pruners

if TYPE_CHECKING:  # torch and lightning take seconds to import, and --help needs neither
    import lightning

    from src.run.record import Record

log = logging.getLogger(__name__)


@command("train", with_run="resume", trains=True)
def main(cfg: DictConfig) -> float | None:
    """Build what the config describes, train it, and return the monitored score of the best checkpoint."""
    import lightning
    from hydra.core.hydra_config import HydraConfig

    from src.config.arguments import with_defaults
    from src.config.hash import config_hash
    from src.config.plain import plain, taken
    from src.config.recorded import recorded
    from src.fit.contract import Imaginable, offers
    from src.fit.life import accompany, built
    from src.run.continuation import taken_up
    from src.run.environment import environment_kept
    from src.run.folder import shown
    from src.run.interrupt import interruptible, slurm_job
    from src.run.pretrained import start_from
    from src.run.quiet import quiet, warnings_logged
    from src.run.record import keep, read, recording
    from src.run.rerun import ARGUMENTS, prepare
    from src.run.resume import is_finished, lengthened
    from src.run.write import write
    from src.strategy.launcher import together
    from src.view.summary import show

    hydra = HydraConfig.get()
    folder = shown(Path(hydra.runtime.output_dir))
    cfg.run = str(folder)
    config = plain(cfg)
    facts = {"config_hash": config_hash(config), "seed": cfg.seed, "tags": config["tags"]}
    original = prepare(Path(cfg.rerun)) if cfg.rerun else None
    if job := slurm_job():
        facts["slurm_job"] = job
    is_resumed = (folder / "run.json").exists()  # of an earlier start
    if is_resumed:
        run = read(folder)
        before = recorded(folder, overrides=hydra.overrides.task, trains=True)["trainer"]
        if is_finished(run, config["trainer"], before):
            log.info("run=%s is done: a longer trainer.max_epochs continues it", folder)
            return run["best"]["value"]
        facts |= lengthened(run, config["trainer"], before)
    else:
        choices = original or {**hydra.runtime.choices, "overrides": []}
        overrides = [*choices["overrides"], *hydra.overrides.task]
        facts |= {"overrides": overrides, "model": choices["model"], "data": choices["data"]}
    begun = taken_up if is_resumed else recording
    with environment_kept(), interruptible(), quiet(), warnings_logged(), begun(folder, facts) as record:
        checkpoint = resume(folder, config) if is_resumed else None
        if is_resumed:
            keep(folder, "config", taken(cfg))
        lightning.seed_everything(cfg.seed, workers=True, verbose=False)
        write(folder / ARGUMENTS, json.dumps(with_defaults(config), indent=2))
        model, data, trainer = built(config)
        trainer.callbacks += pruners(record, monitor=cfg.monitor)
        weights = config["model"].get("weights")
        if weights and checkpoint is None and offers(model, Imaginable):  # else it is an argument of somebody's own
            start_from(model.net, weights)
        tests = cfg.test and has_test(model, data)
        start = None if checkpoint is None else str(checkpoint)
        judged = {"monitor": cfg.monitor, "is_required": is_required(cfg), "is_resumed": is_resumed}
        accompany(trainer, seed=cfg.seed, record=record, **judged)
        with together(trainer, {"config": config, "checkpoint": start, "test": tests, "judged": judged}):
            train(model, data, trainer, record=record, monitor=cfg.monitor, mode=config["mode"], checkpoint=checkpoint)
            if tests and "pruned" not in record.fields:
                test(model, data, trainer, record=record, seed=cfg.seed)
    show(folder)
    if original:
        others = any(not word.startswith(("rerun=", "data_dir=", "tags=")) for word in hydra.overrides.task)
        say_whether_equal(Path(cfg.rerun), folder, record, is_other=others)
    return record.fields["best"]["value"]


def has_test(model: "lightning.LightningModule", data: "lightning.LightningDataModule") -> bool:
    """Whether the run can end with a test; say where it cannot."""
    from src.fit.stage import lacking

    reason = lacking(model, data, "test")
    if reason:
        log.info("no test: %s", reason)
    return reason is None


def is_required(cfg: DictConfig) -> bool:
    """Whether the run is to be judged by its monitor: somebody named it, or a search goes by it."""
    from hydra.core.hydra_config import HydraConfig

    words = HydraConfig.get().overrides.task
    is_typed = any(word.lstrip("+").startswith("monitor=") for word in words)
    return is_typed or bool(cfg.get("search")) or cfg.monitor != Train.monitor


def say_whether_equal(original: Path, folder: Path, record: "Record", *, is_other: bool) -> None:
    """Print and record in what a run and its repetition differ; raise ValueError where they do.

    `is_other` says that overrides asked for another run than the original.
    """
    from src.run.rerun import compare, lengths, results

    found = [*lengths(original), *compare(original, folder)]
    record.update(rerun={"of": str(original), "equal": not results(original, folder), "differences": found})
    if record.fields["rerun"]["equal"]:
        log.info("rerun=%s: %s", original, "\n  ".join(["bit for bit equal: scores, curves and weights", *found]))
        return
    log.info("rerun=%s: %s", original, "\n  ".join(["not equal", *found]))
    if not is_other:
        raise ValueError(f"rerun={original}: {folder} is not equal: {found[0]}")


def resume(folder: Path, config: dict[str, Any]) -> Path | None:
    """Return the checkpoint to go on from, or None to start anew; cut the curves back to it."""
    from src.run.resume import cut_back, newest_checkpoint, refuse_other_formats

    refuse_other_formats(folder)
    checkpoint, step, rows = newest_checkpoint(folder)
    cut_back(folder, rows)
    for node in config["trainer"]["logger"]:
        if "purge_step" in node:  # TensorBoard's word for the same
            node["purge_step"] = step + 1
    log.info("run=%s goes on from step %d", folder, step)
    return checkpoint


def train(
    model: "lightning.LightningModule",
    data: "lightning.LightningDataModule",
    trainer: "lightning.Trainer",
    *,
    record: "Record",
    monitor: str,
    mode: str,
    checkpoint: Path | None = None,
) -> None:
    """Fit the model, from `checkpoint` on where there is one; keep its scores and its best checkpoint in `record`."""
    import torch

    from src.fit.checkpoint import Checkpoint
    from src.fit.recorder import Recorder

    trainer.callbacks.append(Recorder(record))  # type: ignore[attr-defined]  # Lightning sets it without declaring it
    if not torch.cuda.is_available():  # Lightning's setting makes each optimizer step look for NVIDIA's library, 0.1 ms
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    trainer.fit(model, data, ckpt_path=checkpoint, weights_only=True)
    best: dict[str, Any] = {"metric": monitor, "mode": mode, "value": None, "epoch": None, "checkpoint": None}
    kept = trainer.checkpoint_callback
    if isinstance(kept, Checkpoint) and kept.best_path.exists():
        where = kept.best_path.resolve().relative_to(record.path.parent.resolve())
        best |= {"value": kept.best_value, "epoch": kept.best_epoch, "checkpoint": str(where)}
    elif monitor in trainer.callback_metrics:  # none kept: the weights as they are
        best |= {"value": trainer.callback_metrics[monitor].item(), "epoch": trainer.current_epoch - 1}
    record.update(best=best)


def test(
    model: "lightning.LightningModule",
    data: "lightning.LightningDataModule",
    trainer: "lightning.Trainer",
    *,
    record: "Record",
    seed: int,
) -> None:
    """Score the best checkpoint, or the weights as they are where none is kept, on the test split."""
    from src.fit.generators import Streams
    from src.fit.recorder import scores
    from src.fit.replay import TEST
    from src.run.checkpoint_io import load_weights

    checkpoint = record.fields["best"]["checkpoint"]
    if checkpoint:
        load_weights(model, record.path.parent / checkpoint, data=data)
    with Streams(seed, 0, TEST):
        trainer.test(model, data, verbose=False)
    record.update(metrics=record.fields["metrics"] | scores(trainer))


if __name__ == "__main__":
    main()
