"""Keeps what the best weights say of every sample, so that no picture needs the net again.

Shapes: N samples, B batch, K classes, G points of a curve.
"""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor

from src.callback.said_masks import SaidMasks
from src.callback.said_sets import SaidSets, keep_images
from src.data.read.readable import readable
from src.fit.checkpoint import Checkpoint
from src.fit.contract import Batched, Formed, Numbered, Predicting, Readable, offers
from src.run.checkpoint_io import load_weights
from src.run.prediction_table import Table
from src.strategy.exchange import gathered_rows

log = logging.getLogger(__name__)

CURVE_POINTS = 281  # of the net's output over its one input


class Predictions(lightning.Callback):
    """Writes `folder/test.csv` while the test goes on, and the images of its worst `mistakes` to mistakes.npz.

    Where there are two classes or a number to predict, also train.csv and val.csv, of as many batches as the trainer is
    limited to. For a number that follows from one number also curve.csv, the net's output over the range of the data.
    Where several processes share the work, the first one writes what all of them say.
    """

    changes_no_result = True

    def __init__(self, folder: str, *, mistakes: int = 25):
        self.folder = Path(folder)
        self.mistakes = mistakes
        self._test: Any = None  # a Said, or the one of the form of these outputs
        self._is_ours = False

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Say where nothing will be written, and why."""
        if stage == "fit" and trainer.is_global_zero and _data(trainer, pl_module) is None:
            log.info(
                "predictions/*.csv and their pictures are left out: %s with %s does not say what its outputs mean; "
                "src.predict run=... writes what its predict_step gives",
                type(pl_module).__qualname__,
                type(trainer.datamodule).__qualname__,  # type: ignore[attr-defined]
            )

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write what the best weights say of training and validation samples, where that is not many numbers."""
        data = _data(trainer, pl_module)
        if data is None or len(data.classes or ()) > 2 or _form(pl_module) in SAID:
            return
        with _best_weights(trainer, pl_module), torch.inference_mode():
            for split in ("train", "val"):
                if len(data.indices[split]):
                    self._write_split(trainer, pl_module, data, split)
            if _is_curve(data):
                self._write_curve(trainer, pl_module, data)

    def on_test_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open test.csv."""
        data = _data(trainer, pl_module)
        self._test = None
        self._is_ours = data is not None
        if data and trainer.is_global_zero:
            made = SAID.get(_form(pl_module), Said)
            self._test = made(self.folder, data, "test", model=pl_module, mistakes=self.mistakes)

    def on_test_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        *args: Any,
    ) -> None:
        """Write a row per sample."""
        said = _whole(outputs, batch[1], trainer.test_dataloaders, batch_idx) if self._is_ours else ()
        if self._test:
            self._test.add(*said)

    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Close test.csv; keep the images of the worst mistakes."""
        said, self._test = self._test, None
        if trainer.is_global_zero:
            for name in ("mistakes.npz", "masks.npz"):  # of a test before this one
                (self.folder / name).unlink(missing_ok=True)
        if said is not None:
            said.table.close()
            said.keep()

    def on_exception(self, *args: object) -> None:
        """Leave no half of a file behind."""
        if self._test:
            self._test.table.discard()

    def _write_split(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, data: Any, split: str
    ) -> None:
        batches = data.in_order(split)
        said = Said(self.folder, data, split, model=module) if trainer.is_global_zero else None
        with said.table if said else nullcontext():
            for number, (x_B, target_B) in enumerate(islice(batches, _most(trainer, split))):
                rows = _whole(_predict(trainer, module, x_B), target_B, batches, number)
                if said:
                    said.add(*rows)

    def _write_curve(self, trainer: lightning.Trainer, module: lightning.LightningModule, data: Any) -> None:
        parts = [data.samples(split, range(len(data.indices[split]))) for split in ("train", "val")]
        low, high = around(torch.cat([part_N1 for part_N1 in parts if len(part_N1)]))
        input_G1 = torch.linspace(low, high, CURVE_POINTS).unsqueeze(1)
        prediction_G = _predict(trainer, module, data.normalize(input_G1))
        if not trainer.is_global_zero:
            return
        with Table(self.folder / "curve.csv", data.axes) as table:
            table.add(zip(input_G1.flatten().tolist(), prediction_G.tolist(), strict=True))


def _most(trainer: lightning.Trainer, split: str) -> int | None:
    """Return how many batches the trainer is limited to; None where that is all, one that training drops too."""
    limit: int | float = getattr(trainer, f"limit_{split}_batches")
    if isinstance(limit, float) and limit == 1:
        return None
    if split == "val":
        return int(sum(trainer.num_val_batches))
    return int(trainer.num_training_batches)


class Said:
    """One split's file, to which batches come in the order of its samples.

    `surest` are the (probability, row) of the `mistakes` that the net was most sure of, the surest first.
    """

    def __init__(self, folder: Path, data: Any, split: str, *, model: Any, mistakes: int = 0):
        self.folder, self.data = folder, data
        self.index_N = data.indices[split].tolist()
        paths = data.paths(split)
        self.extra_N: list[Any] | None = None if paths is None else [readable(path) for path in paths]
        names = ["target", "label", *(f"P({name})" for name in data.classes or ())]
        if not data.classes:
            names = number_columns(data)
        if _is_curve(data):
            self.extra_N = data.samples(split, range(len(self.index_N))).flatten().tolist()
        extra = [] if self.extra_N is None else ["input" if _is_curve(data) else "path"]
        self.table = Table(folder / f"{split}.csv", ["index", *extra, *names])
        self.seen = 0
        self.mistakes = mistakes
        self.surest: list[tuple[float, int]] = []

    def add(self, scored_B: Tensor, target_B: Tensor) -> None:
        """Write a batch: what the metrics score, probabilities or numbers, and what is true."""
        rows = range(self.seen, self.seen + len(target_B))
        self.seen = rows.stop
        before = [
            (self.index_N[row],) if self.extra_N is None else (self.index_N[row], self.extra_N[row]) for row in rows
        ]
        scored_B, target_B = scored_B.double().cpu(), target_B.cpu()
        classes = self.data.classes
        if not classes:
            both = (x_B.reshape(len(x_B), -1).tolist() for x_B in (target_B, scored_B))
            self.table.add((*b, *t, *s) for b, t, s in zip(before, *both, strict=True))
            return
        binary = scored_B.ndim == 1
        probability_BK = torch.stack([1 - scored_B, scored_B], dim=1) if binary else scored_B
        prediction_B = (scored_B > 0.5).long() if binary else scored_B.argmax(dim=1)  # as torchmetrics decides
        self._remember(rows, probability_BK, prediction_B, target_B)
        self.table.add(
            (*b, classes[target], classes[label], *probabilities)
            for b, target, label, probabilities in zip(
                before, target_B.tolist(), prediction_B.tolist(), probability_BK.tolist(), strict=True
            )
        )

    def keep(self) -> None:
        """Keep the images of the worst mistakes."""
        keep_images(self.folder / "mistakes.npz", self.data, [row for _, row in self.surest])

    def _remember(self, rows: range, probability_BK: Tensor, prediction_B: Tensor, target_B: Tensor) -> None:
        wrong_M = (prediction_B != target_B).nonzero().squeeze(1)
        sure_M = probability_BK[wrong_M, prediction_B[wrong_M]]
        found = ((sure, rows[row]) for sure, row in zip(sure_M.tolist(), wrong_M.tolist(), strict=True))
        self.surest = nlargest(self.mistakes, [*self.surest, *found])


def number_columns(data: Any) -> list[str]:
    """Return the columns of the numbers to predict: target and prediction, of several those of each by its name."""
    names = data.target_names if offers(data, Numbered) else []
    if len(names) < 2:
        return ["target", "prediction"]
    return [f"{kind}({name})" for kind in ("target", "prediction") for name in names]


SAID: dict[str, Any] = {
    "labels": SaidSets,
    "masks": SaidMasks,
}  # by the form of what is said; Said where there is no other


def _form(model: object) -> str:
    return model.form if offers(model, Formed) else ""


def around(values: Tensor) -> tuple[float, float]:
    """Return the range of `values`, rounded outwards to its own power of ten: 20, 90 for 21.8 to 81.9."""
    low, high = values.min().item(), values.max().item()
    unit = 10 ** math.floor(math.log10(high - low)) if high > low else 1.0
    return math.floor(low / unit) * unit, math.ceil(high / unit) * unit


def _data(trainer: lightning.Trainer, model: lightning.LightningModule) -> Any:
    """The data, where they give their samples in order and the model says what its outputs mean; None elsewhere."""
    data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning's own, undeclared
    return data if offers(data, Readable) and offers(model, Predicting) else None


def _whole(scored_B: Tensor, target_B: Tensor, loader: Any, number: int) -> Sequence[Tensor]:
    """Return what all processes say of batch `number` of `loader`, and what is true, in the order of its samples."""
    if not offers(loader, Batched) or loader.ranks == 1:
        return scored_B, target_B
    count = loader.count(number)
    return gathered_rows(scored_B[:count], target_B[:count])


def _is_curve(data: Any) -> bool:
    return data.task == "regression" and data.shape == (1,)


def _predict(trainer: lightning.Trainer, module: Any, x_B: Tensor) -> Tensor:
    with trainer.precision_plugin.forward_context():
        return module.predict(module(x_B.to(module.device)))


@contextmanager
def _best_weights(trainer: lightning.Trainer, module: lightning.LightningModule) -> Iterator[None]:
    """Put the best checkpoint's weights into `module`, in evaluation mode, for the block."""
    kept, training = trainer.checkpoint_callback, module.training
    best = kept.best_path if isinstance(kept, Checkpoint) and kept.best_value is not None else None
    state = {name: value.clone() for name, value in module.state_dict().items()} if best else {}
    if best:
        load_weights(module, best)
    module.eval()
    try:
        yield
    finally:
        module.load_state_dict(state or module.state_dict())
        module.train(training)
