"""A run that goes on without what a module kept in plain lists says so, once, and says nothing else of them."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from src.fit.checkpoint import Checkpoint
from src.fit.unsaved import Unsaved
from src.run.checkpoint_io import CheckpointIO
from tests import toy
from tests.fit.test_replay import Noisy, Stops


class Collects(lightning.LightningModule):
    """Collects the losses of an epoch; has a list that never changes."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 1)
        self.losses: list[Tensor] = []
        self.names = ["a", "b"]

    def training_step(self, batch: Tensor) -> Tensor:
        loss = self.net(batch).square().mean()
        self.losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        self.log("loss", torch.stack(self.losses).mean())
        self.losses.clear()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Keeps(Collects):
    """Puts them into the checkpoint itself."""

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["losses"] = list(self.losses)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.losses = checkpoint["losses"]


def fit(folder: Path, model: Collects, *, after: int = 0) -> None:
    callbacks: list[Any] = [Checkpoint(str(folder), monitor="loss", every_n_steps=1), Unsaved()]
    callbacks += [Stops(after)] if after else []
    trainer = toy.trainer(folder, callbacks=callbacks, max_epochs=2, plugins=[CheckpointIO()])
    last = folder / "last.ckpt"
    with suppress(KeyboardInterrupt, SystemExit):
        trainer.fit(model, DataLoader(Noisy(), batch_size=4), ckpt_path=last if last.exists() else None)


@pytest.mark.parametrize(("kind", "after", "said"), [(Collects, 4, 1), (Collects, 7, 0), (Keeps, 4, 0)])
def test_a_line_names_the_list_that_a_resumed_run_lacks(
    kind: type[Collects], after: int, said: int, tmp_path: Path, caplog: Any
) -> None:
    fit(tmp_path, kind(), after=after)
    with caplog.at_level("WARNING", logger="src.fit.unsaved"):
        fit(tmp_path, kind())
    lines = [record.getMessage() for record in caplog.records if record.name == "src.fit.unsaved"]
    assert len(lines) == said
    assert all("Collects: the 3 entries of losses are in no checkpoint" in line for line in lines)
