"""What trainer=fast changes is roundings: how large they are, that the log says so, and that nothing else differs."""

from pathlib import Path

import pytest
import torch

from src.run.record import read
from tests.conftest import Command

SHORT = ("model=fashion_cnn", "trainer.max_epochs=1", "data.batch_size=256", "callback=[checkpoint]", "logger=[]")


def state(run: Path) -> dict[str, torch.Tensor]:
    """The weights of a run's last checkpoint."""
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_channels_last_changes_the_weights_of_a_convolutional_net_by_roundings_alone(train: Command) -> None:
    # Adam makes a whole step of a rounding where a gradient is 0
    sgd = (*SHORT, "model.net.dropout=0", "optimizer=sgd", "optimizer.lr=0.01")
    first, last = (state(train(*sgd, *more).run) for more in ([], ["trainer.channels_last=true"]))
    assert last["net.features.4.weight"].is_contiguous(memory_format=torch.channels_last)
    assert not first["net.features.4.weight"].is_contiguous(memory_format=torch.channels_last)
    for name, value in first.items():
        torch.testing.assert_close(
            last[name], value, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_fast_scores_as_the_default_does_within_two_hundredths_and_says_that_it_rounds(train: Command) -> None:
    default, fast = train(*SHORT), train(*SHORT, "trainer=fast", "trainer.max_epochs=1")
    assert "channels_last, precision=bf16-mixed: faster, with other roundings" in (fast.run / "train.log").read_text()
    assert "roundings" not in (default.run / "train.log").read_text()
    scores = [read(ended.run)["metrics"] for ended in (default, fast)]
    assert scores[0]["test/loss"] == pytest.approx(scores[1]["test/loss"], rel=0.02)
    assert scores[0]["test/loss"] != scores[1]["test/loss"]  # it did something
