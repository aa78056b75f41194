"""Which of Lightning's stages a run has, and which is its last."""

from typing import Any

import lightning

from src.fit.contract import Splits, offers, overrides

HOOKS = {"val": ("validation_step", "val_dataloader"), "test": ("test_step", "test_dataloader")}


def lacking(model: lightning.LightningModule, data: lightning.LightningDataModule | None, split: str) -> str | None:
    """Return why a model on these data has no scores of a split (val, test), in words; None where it has some."""
    step, loader = HOOKS[split]
    if not overrides(model, lightning.LightningModule, step):
        return f"{type(model).__name__} has no {step}"
    if offers(data, Splits):
        return None if split in data.splits else f"the data have no {split} split"
    has_loader = overrides(model, lightning.LightningModule, loader)
    has_loader = has_loader or (data is not None and overrides(data, lightning.LightningDataModule, loader))
    return None if has_loader else f"{type(data).__name__} has no {loader}"


def is_last(trainer: lightning.Trainer, *, test: bool) -> bool:
    """Whether the run ends with the stage that `trainer` is in.

    That is the test where there is one and `test` says that it is scored, else the fit.
    """
    data: Any = trainer.datamodule  # type: ignore[attr-defined]  # Lightning's own, undeclared
    tests = test and lacking(trainer.lightning_module, data, "test") is None
    return trainer.state.fn == ("test" if tests else "fit")
