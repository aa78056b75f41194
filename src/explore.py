"""Looks at data, schedules and ideas before training: `python -m src.explore data=fashionmnist`.

Shapes: C channels, B batch, H height, W width, N samples.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from src.command.entry import command
from src.run.write import check_writable, whole

if TYPE_CHECKING:
    import lightning
    from matplotlib.figure import Figure
    from torch import Tensor

    from src.data.module import Data
    from src.data.read.rows import Images

log = logging.getLogger(__name__)

IDEAS = ("activations", "neurons", "convolution")
FIGURES = ("data", "schedule", *IDEAS)
SHOWN = 100  # classes in the gallery
BATCH = 32  # images of the batch
LR_STEPS = 200  # of the range test
UNRECORDED = {  # a fit by one process that leaves nothing
    "callbacks": [],
    "logger": False,
    "enable_checkpointing": False,
    "limit_val_batches": 0,
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
}


@command("explore", with_run="explore_run")
def main(cfg: DictConfig) -> None:
    """Draw what the command line asks for, print its numbers, and say where the pictures are."""
    from hydra.core.hydra_config import HydraConfig

    from src.run.quiet import quiet

    hydra = HydraConfig.get()
    figure = "find_lr" if cfg.find_lr else cfg.figure or implied(hydra.overrides.task)
    if figure not in (*IDEAS, *FIGURES, "find_lr"):
        raise ValueError(f"figure={figure}: choose from {', '.join(FIGURES)}")
    place = "" if figure in IDEAS else hydra.runtime.choices.get("data", "")
    folder = Path(cfg.out or (Path(cfg.run) / "explore" if cfg.run else Path("outputs", "explore", place)))
    check_writable(folder)
    with quiet():
        store(folder, {figure: idea(figure)} if figure in IDEAS else of_config(cfg, figure))


def implied(overrides: Iterable[str]) -> str:
    """Return the figure that a command line without `figure=` means: schedule where it names a scheduler, else data."""
    return "schedule" if any(word.lstrip("+~").startswith("scheduler") for word in overrides) else "data"


def idea(figure: str) -> "Figure":
    """Draw what needs no data."""
    from src.plot.activations import activations
    from src.plot.convolution import convolution
    from src.plot.neurons import neurons

    return {"activations": activations, "neurons": neurons, "convolution": convolution}[figure]()


def of_config(cfg: DictConfig, figure: str) -> "dict[str, Figure]":
    """Check and build what the figure needs of a run's config, and draw it."""
    import lightning

    from src.command.check import check, without_model
    from src.config.build import build
    from src.config.plain import fill, plain
    from src.fit.contract import Predicting, Readable, Streamed, follow, offers
    from src.run.pretrained import start_from
    from src.view.survey import survey

    fill(cfg)
    if figure != "data":
        check(cfg)
    config = plain(without_model(cfg) if figure == "data" else cfg)
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    data = build(config["data"])
    follow(data, config)
    if figure == "data" and not offers(data, Readable):
        return survey(data)
    if figure != "find_lr" and offers(data, Streamed):  # samples are counted, and a batch of them looked at
        data.stream()
    if figure == "data":
        return look(data)
    if figure == "schedule":
        return plan(build(config["model"]), data, build(config["trainer"], **UNRECORDED))
    unscheduled = {"scheduler": None} if "scheduler" in config["model"] else {}
    model = build(config["model"], **unscheduled)
    weights = config["model"].get("weights") if offers(model, Predicting) else None  # another's is their own affair
    if weights:
        start_from(model.net, weights)
    return find_lr(model, data, build(config["trainer"], **UNRECORDED, max_epochs=-1, max_steps=LR_STEPS))


def look(data: "Data") -> "dict[str, Figure]":
    """Print the samples per split and the statistics of the channels; draw balance, gallery and a batch.

    The statistics are those of the official training samples as they are stored: of the chosen classes, not resized,
    with those that are cut off for validation, without those cut off for the test. Each pixel counts the same. Numbers
    of nodes and of tokens have none, nor have the columns of a table.
    """
    from src.data.look import batch, is_of, one_per_class
    from src.plot.balance import balance, histogram
    from src.plot.gallery import gallery
    from src.view.screen import table

    for split in data.splits:
        data.setup("test" if split == "test" else "fit")
    images, target_N, trained = data.originals()
    skips = data.keeping.on_bad_file == "skip"
    is_counted = data.graph is None and data.vocabulary is None  # numbers of nodes and tokens have no mean
    is_channels = is_counted and not data.header.inputs  # nor have those of categories
    lines = to_paste(images, trained, scale=data.normalize.scale, skips=skips) if is_channels else []
    targets = {split: data.targets(split) for split in data.splits}
    names = data.classes or []
    if data.collection.masks:
        return _look_at_masks(data, lines)
    table(["class" if names else "", *targets], samples(targets, names, data.target_names))
    for line in lines:
        print(line)
    if names:
        counts = {
            split: [int(is_of(target_N, k).sum()) for k in range(len(names))] for split, target_N in targets.items()
        }
        figures = {"balance": balance(counts, names)}
    else:
        several = data.target_names if len(data.target_names) > 1 else []
        figures = {
            f"balance_{number}": histogram(
                {split: t_NK[:, number].numpy() for split, t_NK in targets.items()}, target=name
            )
            for number, name in enumerate(several)
        } or {"balance": histogram({split: t_N.numpy() for split, t_N in targets.items()}, target=data.axes[1])}
    if len(data.shape) != 3:
        return figures
    if names:
        chosen = one_per_class(images, target_N, names[:SHOWN], skips=skips)
        which = "per class" if len(chosen) == len(names) else f"for {len(chosen)} of {len(names)} classes"
        figures["gallery"] = gallery(list(chosen.values()), list(chosen), heading=f"one training image {which}")
    x_BCHW, titles = batch(data, BATCH)
    return figures | {"batch": gallery(list(x_BCHW), titles, heading="a training batch, normalisation undone")}


def _look_at_masks(data: "Data", lines: Sequence[str]) -> "dict[str, Figure]":
    """Print the samples and the share of each class in the pixels of each split; draw balance and a batch."""
    from src.data.look import masked_batch
    from src.plot.balance import balance
    from src.plot.gallery import gallery
    from src.view.screen import table

    counts = {split: data.counts(split) for split in data.splits}
    shares = {split: count_K / count_K.sum().clamp(min=1) for split, count_K in counts.items()}
    rows = [[name, *(f"{share_K[k]:.2%}" for share_K in shares.values())] for k, name in enumerate(data.classes or ())]
    table(["pixels", *counts], [*rows, ["samples", *(f"{len(data.indices[split]):,}" for split in counts)]])
    for line in lines:
        print(line)
    pixels = {split: count_K.tolist() for split, count_K in counts.items()}
    images_BCHW, titles = masked_batch(data, BATCH // 2)
    heading = "a training batch, normalisation undone, beside its masks"
    return {
        "balance": balance(pixels, data.classes or [], counted="pixels"),
        "batch": gallery(images_BCHW, titles, heading=heading),
    }


def samples(
    targets: "Mapping[str, Tensor]", classes: Sequence[str], numbers: Sequence[str] = ("target",)
) -> Iterator[list[str]]:
    """Yield rows with a cell per split: samples of each class and in all; of numbers to predict, also their range."""
    from src.data.look import is_of

    for number, name in enumerate(classes):
        yield [name, *(f"{is_of(target_N, number).sum():,}" for target_N in targets.values())]
    yield ["samples", *(f"{len(target_N):,}" for target_N in targets.values())]
    for place, called in () if classes else enumerate(numbers):
        column = {
            split: target_N.reshape(len(target_N), -1)[:, place] for split, target_N in targets.items() if len(target_N)
        }
        for name in ("min", "mean", "max"):
            values = [f"{getattr(column[split], name)():.4g}" if split in column else "" for split in targets]
            yield [f"{called} {name}" if len(numbers) > 1 else name, *values]


def to_paste(images: "Images", splits: Sequence[str], *, scale: float, skips: bool) -> list[str]:
    """Return mean and std as a data config has them, and of which samples they are."""
    from src.data.statistics import statistics

    mean_C, std_C = statistics(images, scale=scale, skips=skips)
    those = f"{len(images):,} training samples ({' and '.join(splits)})"
    return [f"mean: {pasted(mean_C)}  # of the {those}, divided by {scale:g}", f"std: {pasted(std_C)}"]


def pasted(values_C: "Tensor") -> str:
    """Return numbers as a data config has them, to four digits after the point."""
    return f"[{', '.join(f'{value:.4f}' for value in values_C.tolist())}]"


def plan(
    model: "lightning.LightningModule", data: "lightning.LightningDataModule", trainer: "lightning.Trainer"
) -> "dict[str, Figure]":
    """Draw the learning rate at each optimizer step that `trainer` would take."""
    from src.callback.rates import Rates
    from src.plot.learning_rate import schedule

    rates = Rates()
    trainer.callbacks = [rates]  # type: ignore[attr-defined]  # Lightning sets it without declaring it
    trainer.fit(model, data)
    batches = trainer.num_training_batches
    figure = schedule(rates.rates, steps_per_epoch=-(-int(batches) // trainer.accumulate_grad_batches))
    line = [max(groups) for groups in rates.rates]
    print(f"{len(line):,} steps: from {line[0]:.3g} up to {max(line):.3g}, at the end {line[-1]:.3g}")
    return {"schedule": figure}


def find_lr(
    model: "lightning.LightningModule", data: "lightning.LightningDataModule", trainer: "lightning.Trainer"
) -> "dict[str, Figure]":
    """Train while the learning rate rises; print the rate to start from, and draw the loss over the rate."""
    from src.callback.range_test import RangeTest, smooth, suggest
    from src.fit.contract import Predicting, offers
    from src.plot.lr_range import range_test

    test = RangeTest(steps=trainer.max_steps)
    trainer.callbacks = [test]  # type: ignore[attr-defined]
    trainer.fit(model, data)
    suggestion = suggest(test.rates, test.losses)
    key = "optimizer.lr" if offers(model, Predicting) else "learning rate"
    print(f"{key}={suggestion:.2g}  # where the smoothed loss falls fastest")
    return {"find_lr": range_test(test.rates, test.losses, smooth(test.losses).tolist(), suggestion=suggestion)}


def store(folder: Path, figures: "Mapping[str, Figure]") -> None:
    """Write each picture to `folder`, and say so."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        with whole(path, synced=False) as part:
            figure.savefig(part, format="png", dpi=150)
        log.info("%s", path)


if __name__ == "__main__":
    main()
