"""What any model says of a split, by Lightning's Trainer, and of image files, by its forward."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.model_helpers import is_overridden
from PIL.Image import fromarray
from torch import Tensor

from src.data.read.files import decoded
from src.fit.contract import Described, Preprocessing, offers
from src.fit.first_batch import each_loader, loaders

Say = Callable[[Any, Any, str], None]  # what is said, the batch that it is said of, and the name of its loader


def predict_split(
    model: lightning.LightningModule,
    data: lightning.LightningDataModule,
    trainer: lightning.Trainer,
    *,
    split: str,
    say: Say,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Call `say` with what the model's predict_step gives for each batch of a split, until that is `enough`.

    Raises ValueError, in one line that says what to add, where it has none and its forward takes no batch.
    """
    names: list[str] = []

    def predict_dataloader() -> list[_AsItIs]:
        del own.predict_dataloader  # theirs is below it
        found = dict(each_loader(loaders(data, split)))
        names[:] = found
        return [_AsItIs(loader, enough) for loader in found.values()]

    def said(trainer: Any, module: Any, output: Any, batch: Any, number: int, loader: int = 0) -> None:
        say(output, batch, names[loader])

    own: Any = data
    own.predict_dataloader = predict_dataloader
    trainer.callbacks.append(_Each(said))  # type: ignore[attr-defined]  # Lightning's own, undeclared
    has_step = is_overridden("predict_step", model)
    if not has_step and not is_overridden("forward", model):
        raise ValueError(_cure(model, "and no forward"))
    try:
        trainer.predict(model, datamodule=data, return_predictions=False)
    except Exception as error:
        if has_step or not names:
            raise
        raise ValueError(_cure(model, f"and its forward(batch) fails ({type(error).__name__})")) from error


def predict_files(
    model: lightning.LightningModule, data: Preprocessing, files: Iterable[Path], *, device: torch.device
) -> Iterator[tuple[Any, str | None]]:
    """Yield what the model's forward gives for each image file, and None, or None and why it cannot be read."""
    if not is_overridden("forward", model):
        raise ValueError(
            f"{type(model).__module__}.{type(model).__qualname__} has no forward: add it, or give a split as input"
        )
    model.to(device).eval()
    for file in files:
        try:
            x_B = image_batch(data, file)
        except (ValueError, OSError) as error:
            yield None, str(error.__cause__ or error)
            continue
        with torch.inference_mode():
            yield model(x_B.to(device)), None


def image_batch(data: Preprocessing, file: Path) -> Tensor:
    """Return an image file as the batch of one that the data's `preprocess` makes of it.

    Data whose shape is known get it as uint8 (C, H, W), others as a Pillow image.
    """
    is_known = offers(data, Described) and len(data.shape) == 3
    image_CHW = decoded(file, channels=data.shape[0] if is_known else 3)  # type: ignore[attr-defined]
    x_B = data.preprocess(image_CHW if is_known else fromarray(image_CHW.permute(1, 2, 0).numpy()))
    return x_B[None] if x_B.ndim == 3 else x_B


def _cure(model: lightning.LightningModule, reason: str) -> str:
    whose = f"{type(model).__module__}.{type(model).__qualname__}"
    return f"{whose} has no predict_step, {reason}: add predict_step(self, batch, batch_idx), which returns what to say"


class _AsItIs:
    """A loader that Lightning iterates as it is: it builds a DataLoader anew to predict, and cannot build every one."""

    def __init__(self, loader: Iterable[Any], enough: Callable[[], bool]):
        self.loader = loader
        self.enough = enough

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            if self.enough():
                return
            yield batch

    def __len__(self) -> int:
        return len(self.loader)  # type: ignore[arg-type]  # TypeError where it has none, as of the loader


class _Each(lightning.Callback):
    """Calls a function with what is predicted of each batch."""

    def __init__(self, said: Callable[..., None]):
        self.on_predict_batch_end = said  # type: ignore[method-assign]
