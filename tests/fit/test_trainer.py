"""Arguments of the Trainer: checked as Lightning's own, and its own way where the short one is not known to fit."""

import logging
from pathlib import Path

import pytest

from src.fit import verified
from src.fit.quick import EpochLoop
from tests import toy
from tests.conftest import Command


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("trainer.channel_last=true", "did you mean channels_last"),
        ("trainer.channels_last=many", "expects bool"),
        ("trainer.max_epoch=5", "did you mean max_epochs"),
        ("trainer.max_epochs=many", "expects int or null"),
    ],
)
def test_what_the_trainer_takes_is_checked_as_lightnings_own(argument: str, message: str, train: Command) -> None:
    assert message in train(argument).error


def test_under_a_lightning_that_nobody_has_verified_the_trainer_says_so_and_is_lightnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(verified, "VERIFIED", ("1.9.",))
    with caplog.at_level(logging.WARNING, logger="src.fit.verified"):
        trainer = toy.trainer(tmp_path)
    assert "training is slower and the same" in caplog.text
    assert not isinstance(trainer.fit_loop.epoch_loop, EpochLoop)
