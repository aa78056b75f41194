"""Labels images with the net of a finished run: `python -m src.predict run=last input=photos`.

Shapes: B batch, K classes, C channels, H height, W width.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from omegaconf import DictConfig

from src.command.entry import command
from src.run.label_sets import joined
from src.run.write import whole

if TYPE_CHECKING:
    import lightning
    import numpy as np
    import torch
    from torch import Tensor

    from src.data.inputs import Samples
    from src.data.module import Data
    from src.fit.forms import Form
    from src.model.supervised import Supervised

Row = dict[str, Any]
Labelled = tuple[Row, "Tensor | None"]  # a row, and the sample that the net saw
SETS = ("target", "labels")  # columns of sets of labels, where a sample may have several
SHOWN = 20  # rows on screen; the files have all
LETTERS = 60  # of a list on screen
PICTURED = 36  # samples in the picture


class Stored(NamedTuple):
    """What is kept of all rows: the first ones, how many there are, and how many of them could not be read."""

    first: list[Labelled]
    samples: int
    bad: int


@command("predict", with_run="predict")
def main(cfg: DictConfig) -> None:
    """Label what `input` names; store, print and picture what the net says."""
    from src.config.build import build
    from src.config.plain import plain
    from src.data.inputs import SPLITS, samples
    from src.fit.contract import Formed, Numbered, Predicting, Readable, Tabular, follow, offers
    from src.fit.forms import Numbers, Ranked, Sets
    from src.fit.segments import Segments
    from src.fit.trainer import alone
    from src.run.folder import checkpoint
    from src.run.quiet import quiet
    from src.run.trained import restore
    from src.run.write import check_writable

    config = plain(cfg)
    if cfg.top_k < 1:
        raise ValueError(f"top_k={cfg.top_k}: how many classes to list, at least 1")
    folder = Path(cfg.out or cfg.run)
    check_writable(folder / "predictions")
    model: Any
    data: Any
    with quiet():
        model, data = restore(config, checkpoint(Path(cfg.run), cfg.checkpoint))
        follow(data, config)
        unrecorded = {"callbacks": [], "logger": False, "enable_checkpointing": False}
        trainer = build(config["trainer"], **alone(config["trainer"]), **unrecorded)
        source = cfg.input or declared(data)
        path = folder / "predictions" / file_name(source, n=cfg.n)
        labels = offers(model, Predicting) and offers(data, Readable)
        if not labels:
            write(model, data, trainer, source, path=path, n=cfg.n)
            return
        device = trainer.strategy.root_device
        if source not in SPLITS and offers(data, Tabular) and data.takes_table(source):
            add_columns(model, data, source, path=path, n=cfg.n, device=device)
            return
        batches = samples(data, source, n=cfg.n)
        form = model.form if offers(model, Formed) else ""
        said: Any = Numbers(data.target_names if offers(data, Numbered) else [])
        if data.classes is not None:
            made = {
                "labels": lambda: Sets(model, data.classes),
                "masks": lambda: Segments(masks_in(path), data.classes),
            }
            said = made[form]() if form in made else Ranked(data.classes, top_k=cfg.top_k)
        header = said.columns(has_target=source in SPLITS)
        stored = store(path, predict(model, batches, said=said, device=device), header)
    show([flat(row) for row, _ in stored.first[:SHOWN]], [name for name in header if not name.startswith("P(")])
    print(f"{stored.samples} samples, {stored.bad} that cannot be read: {path}.csv, .jsonl")
    picture(folder / "figures" / f"{path.name}.png", stored.first, data=data, title=f"{cfg.run}: {source}")


def add_columns(model: Any, data: Any, source: str, *, path: Path, n: int | None, device: "torch.device") -> None:
    """Write a CSV file with what the model says of each row behind its columns, and print where."""
    from src.data.read.readable import readable
    from src.fit.annotated import annotate

    if n is not None:
        raise ValueError(f"n={n}: a table keeps all its rows: leave it out")
    written = path.with_name(f"{path.name}.csv")
    said = annotate(model, data, source, written, device=device)
    for note in said.notes:
        print(f"{readable(source)}, column {note}")
    print(f"{said.rows} rows: {written}")


def declared(data: "lightning.LightningDataModule") -> str:
    """Return predict, where the data say what to predict; raises ValueError where they do not."""
    from src.fit.first_batch import splits_of

    if "predict" in splits_of(data):
        return "predict"
    choices = ", ".join(f"input={split}" for split in splits_of(data) if split != "train") or "image files"
    raise ValueError(f"input is missing: set input=..., a file, a folder, a pattern or a split ({choices})")


def write(
    model: "lightning.LightningModule",
    data: "lightning.LightningDataModule",
    trainer: "lightning.Trainer",
    source: str,
    *,
    path: Path,
    n: int | None,
) -> None:
    """Store and print what anybody's model says of a split, by its predict_step, or of image files, by its forward.

    Raises ValueError in one line that says what to add where it cannot.
    """
    from src.data.inputs import image_files, readable
    from src.fit.contract import Described, Preprocessing, needs, offers
    from src.fit.first_batch import STAGES
    from src.fit.predicting import predict_files, predict_split
    from src.fit.said import Said

    if n is not None and n < 1:
        raise ValueError(f"n={n}: how many, at least 1, or null for all")
    classes = data.classes if offers(data, Described) and data.task == "multiclass" else None
    if source in STAGES:
        with Said(path, names=names_of(data, source), classes=classes, most=n) as said:
            predict_split(model, data, trainer, split=source, say=said.add, enough=said.is_enough)
    else:
        files = image_files(source)[:n]
        readers = needs(data, Preprocessing, for_=f"input={source}")
        with Said(path, names=[readable(str(file)) for file in files], classes=classes) as said:
            for output, error in predict_files(model, readers, files, device=trainer.strategy.root_device):
                said.add_one(output, error)
    if said.first:
        show(said.first, list(said.first[0]))
    print(said.summary() + (f"; the first {n}" if n else ""))


def names_of(data: "lightning.LightningDataModule", split: str) -> list[str] | None:
    """Return what to call each sample of a split; None where nobody knows."""
    from src.data.inputs import SPLITS, readable
    from src.fit.contract import Readable, offers
    from src.fit.first_batch import STAGES

    if split not in SPLITS or not offers(data, Readable):
        return None
    named: Any = data
    named.setup(STAGES[split])
    return [readable(name) for name in named.names(split)]


def predict(
    model: "Supervised",
    batches: "Iterable[Samples]",
    *,
    said: "Form",
    device: "torch.device",
) -> Iterator[Labelled]:
    """Yield a row for each sample and what the net saw; None where the sample could not be read.

    A row has `path`, where it is known `target`, then what is `said`, and `error`, null or why it could not be read.
    """
    import torch

    model.to(device).eval()
    for batch in batches:
        with torch.inference_mode():
            score_B = model.predict(model(batch.x_B.to(device))).float().cpu()
        read = [name for name, error in zip(batch.names, batch.errors, strict=True) if error is None]
        pairs = zip(said.rows(score_B, read), batch.x_B, strict=True)
        for index, (path, error) in enumerate(zip(batch.names, batch.errors, strict=True)):
            row: Row = {"path": path}
            if batch.target_B is not None:
                row |= said.target(batch.target_B[index])
            words, x = next(pairs) if error is None else ({}, None)
            yield row | words | {"error": error}, x


def store(path: Path, rows: Iterable[Labelled], header: Sequence[str]) -> Stored:
    """Write the rows as they come to `path`.csv and `path`.jsonl; the files are there when all rows are."""
    from src.run.row_files import RowFiles

    first: list[Labelled] = []
    bad = 0
    with RowFiles(path, header) as files:
        for row, x in rows:
            files.add(row, flat(row))
            bad += row["error"] is not None
            first += [(row, x)] if files.rows <= PICTURED else []
    return Stored(first, files.rows, bad)


def flat(row: Row) -> Row:
    """Return a row with `top_k` and `probabilities` spread over columns, and a set of labels as one text."""
    ranks = enumerate(row.get("top_k", [])[1:], start=2)
    spread = {f"{name}_{rank}": value for rank, entry in ranks for name, value in entry.items()}
    names = row.get("probabilities", {})
    spread |= {f"P({name})": value for name, value in names.items()}
    spread |= {name: joined(value, names) for name, value in row.items() if name in SETS and isinstance(value, list)}
    return {name: value for name, value in (row | spread).items() if name not in ("top_k", "probabilities")}


def show(rows: Sequence[Row], header: Sequence[str]) -> None:
    """Print rows as a table; columns that none of them fills are left out."""
    from src.view.screen import table

    used = [column for column in header if any(row.get(column) is not None for row in rows)]
    table(used, ([_short(row.get(column)) for column in used] for row in rows))


def picture(path: Path, shown: Sequence[Labelled], *, data: "Data", title: str) -> None:
    """Store a picture of what the net saw, with what it says; none where there is no image."""
    from src.data.read.readable import readable
    from src.plot.tiles import Tile, grid
    from src.run.quiet import quiet

    tiles = [
        Tile(_pixels(row, data.normalize.invert(x).permute(1, 2, 0).numpy(), data.classes), *_caption(row))
        for row, x in shown
        if x is not None and x.ndim == 3
    ]
    if tiles:
        path.parent.mkdir(parents=True, exist_ok=True)
        with quiet(), whole(path, synced=False) as part:
            grid(tiles, title=readable(title)).savefig(part, format="png")
        print(f"picture: {path}")


def file_name(source: str, *, n: int | None) -> str:
    """Return the name of the files for an input, without unusual characters: that of a split, a file or a pattern.

    What lies elsewhere than in the current folder, or has an ending, is told from others by a hash of its path.
    """
    path = Path(source).resolve()
    words = [re.sub(r"\W+", "_", text).strip("_") for text in (path.stem, source)]
    name = next(filter(None, words), "files")
    if path.parent != Path.cwd() or path.suffix:
        name += f"_{hashlib.sha256(os.fsencode(path)).hexdigest()[:6]}"
    return f"input_{name}" if n is None else f"input_{name}_{n}"


def _short(value: Any) -> Any:
    text = "" if value is None else json.dumps(value, default=str) if isinstance(value, list | dict) else value
    return f"{text[:LETTERS]}…" if isinstance(value, list | dict) and len(text) > LETTERS else text


def _numbers_said(row: Row) -> str:
    return ", ".join(f"{value:.4g}" for name, value in row.items() if name.startswith("prediction"))


def masks_in(path: Path) -> Path:
    """Return the folder of the masks beside the table of that path."""
    return path.with_name(f"{path.name}_masks")


def _pixels(row: Row, image_HWC: "np.ndarray", classes: Sequence[str] | None) -> "np.ndarray":
    """Return an image as it is shown: under its mask where it has one."""
    if "mask" not in row:
        return image_HWC
    import numpy as np
    from PIL import Image

    from src.plot.mask_rows import over

    with Image.open(row["mask"]) as mask:
        return over(image_HWC, np.asarray(mask), len(classes or ()))


def _caption(row: Row) -> tuple[str, bool | None]:
    if "labels" in row:
        row = flat(row)
        says = row["labels"] or "no label"
        return f"{_name(row)}\n{says}", row["labels"] == row["target"] if "target" in row else None
    if "mask" in row:
        right = f"{row['accuracy']:.1%} right" if "accuracy" in row else ""
        return f"{_name(row)}\n{right}", None
    says = f"{row['label']} {row['probability']:.0%}" if "label" in row else _numbers_said(row)
    return f"{_name(row)}\n{says}", row["label"] == row["target"] if "target" in row and "label" in row else None


def _name(row: Row) -> str:
    return Path(row["path"]).name if "target" not in row else f"is {row['target']}"


if __name__ == "__main__":
    main()
