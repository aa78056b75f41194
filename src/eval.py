"""Scores the checkpoints of a finished run: `python -m src.eval run=last checkpoint=best split=test`."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from src.command.entry import command
from src.run.cell import cell, text
from src.run.write import check_writable, whole

if TYPE_CHECKING:
    import lightning

SPLITS = ("val", "test")


@command("eval", with_run="eval")
def main(cfg: DictConfig) -> None:
    """Score the chosen checkpoints of a run; print and store one row for each."""
    import lightning

    from src.config.build import build
    from src.config.plain import plain
    from src.fit.contract import follow
    from src.fit.replay import steady
    from src.fit.stage import lacking
    from src.fit.trainer import alone
    from src.run.folder import checkpoints
    from src.run.quiet import quiet
    from src.view.screen import table

    folder = Path(cfg.run)
    if cfg.split not in SPLITS:
        raise ValueError(f"split={cfg.split}: choose from {', '.join(SPLITS)}")
    config = plain(cfg)
    paths = checkpoints(folder, cfg.checkpoint)
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    with quiet():
        model, data = build(config["model"]), steady(build(config["data"]), seed=cfg.seed)
        follow(data, config)
        if reason := lacking(model, data, cfg.split):
            others = [f"give split={other}" for other in SPLITS if lacking(model, data, other) is None]
            raise ValueError(f"split={cfg.split}: {reason}: {' or '.join(others) or 'there is nothing to score'}")
        unrecorded = {"callbacks": [], "logger": False, "enable_checkpointing": False}
        trainer = build(config["trainer"], **alone(config["trainer"]), **unrecorded)
        rows = evaluate(model, data, trainer, paths, split=cfg.split, seed=cfg.seed)
    table(list(rows[0]), (list(row.values()) for row in rows))
    place = Path(cfg.out or folder)
    check_writable(place)
    place.mkdir(parents=True, exist_ok=True)
    store(place / "eval.csv", rows)


def evaluate(
    model: "lightning.LightningModule",
    data: "lightning.LightningDataModule",
    trainer: "lightning.Trainer",
    paths: Sequence[Path],
    *,
    split: str,
    seed: int,
) -> list[dict[str, Any]]:
    """Return a row for each checkpoint: its name, epoch and step, the split, and `split/metric` scores.

    What a split draws at random it draws as in the run of that `seed`, whatever was scored before.
    """
    from src.fit.generators import Streams
    from src.fit.recorder import scores
    from src.fit.replay import TEST, VALIDATION
    from src.run.checkpoint_io import load_weights

    run = {"val": trainer.validate, "test": trainer.test}[split]
    rows = []
    for path in paths:
        checkpoint = load_weights(model, path, data=data)
        with Streams(seed, 0, TEST if split == "test" else VALIDATION + checkpoint["epoch"]):
            run(model, data, verbose=False)
        where = {
            "checkpoint": path.name,
            "epoch": checkpoint["epoch"],
            "step": checkpoint["global_step"],
            "split": split,
        }
        found = scores(trainer)
        batches = trainer.num_test_batches if split == "test" else trainer.num_val_batches
        if not found and any(batches):
            raise ValueError(f"split={split}: {type(model).__name__} logs nothing of it: call self.log in its step")
        if not found:
            raise ValueError(f"split={split} has no samples (data.val_fraction=0 leaves none for val): choose another")
        rows.append(where | found)
    return rows


def store(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows to a CSV file, in place of earlier ones of the same checkpoint and split."""
    known = [dict(row) for row in _read(path)]
    new = {(row["checkpoint"], row["split"]) for row in rows}
    rows = [row for row in known if (row["checkpoint"], row["split"]) not in new] + list(rows)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with whole(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writerow({name: cell(name) for name in columns})
        writer.writerows({name: cell(value) for name, value in row.items()} for row in rows)


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{text(name): text(value) for name, value in row.items()} for row in csv.DictReader(file)]


if __name__ == "__main__":
    main()
