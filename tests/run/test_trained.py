"""`load`: a finished run in one line, from its folder alone."""

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from src.run import load
from src.run.record import read


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """The test set as scikit-learn has it, the last 360 samples, 0..16 stretched to bytes."""
    bunch = load_digits()
    pixels = (torch.tensor(bunch.images) * 255 / 16).round().to(torch.uint8)
    return pixels[-360:, None], torch.tensor(bunch.target[-360:])


def test_its_predictions_reproduce_the_score_that_the_run_recorded(original: Path) -> None:
    trained, (images, labels) = load(original), digits()
    with torch.no_grad():
        correct = trained.net(trained.preprocess(images)).argmax(1) == labels
    assert correct.float().mean().item() == read(original)["metrics"]["test/accuracy"]


def test_the_net_is_ready_to_use(original: Path) -> None:
    trained = load(original)
    assert not any(module.training for module in trained.net.modules())
    assert trained.classes == [str(digit) for digit in range(10)]
    assert not any(hasattr(module, "trainer") for module in trained.net.modules())


def test_an_image_of_any_size_and_mode_is_made_what_the_net_takes(original: Path) -> None:
    preprocess = load(original).preprocess
    for mode in ("L", "RGB"):
        assert preprocess(Image.new(mode, (30, 20))).shape == (1, 1, 16, 16)
    assert preprocess(torch.zeros(3, 9, 7, dtype=torch.uint8)).shape == (1, 1, 16, 16)


def test_one_image_and_the_same_image_in_a_batch_are_prepared_alike(original: Path) -> None:
    trained, (images, _) = load(original), digits()
    assert torch.equal(trained.preprocess(images[3]), trained.preprocess(images)[3:4])


def test_best_and_last_are_two_checkpoints(original: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(original, tmp_path / "run"))
    weights = {name: load(run, checkpoint=name).net.state_dict() for name in ("best", "last")}
    stored = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for key, value in weights["last"].items():
        assert torch.equal(value, stored[f"net.{key}"])


def test_a_run_that_was_moved_loads_the_same(original: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(original, tmp_path / "a b, [1] ü"))
    there, here = load(moved).net.state_dict(), load(original).net.state_dict()
    assert all(torch.equal(there[key], here[key]) for key in here)


def test_last_is_the_newest_run_here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load("last").classes == load(finished).classes


def test_a_strangers_folder_cannot_name_what_it_likes(finished: Path, tmp_path: Path) -> None:
    config, mark = finished / ".hydra" / "config.yaml", tmp_path / "mark"
    config.write_text(config.read_text().replace("src.net.one_layer.OneLayer", "os.system"))
    with pytest.raises(ValueError, match=r"_target_=os\.system is not on the allow-list"):
        load(finished)
    assert not mark.exists()


@pytest.mark.parametrize("content", ["", "- 1\n", "a: [", "model: {}\nextra: 1\n"])
def test_a_damaged_config_is_named(content: str, finished: Path) -> None:
    (finished / ".hydra" / "config.yaml").write_text(content)
    with pytest.raises(ValueError, match=r"config\.yaml"):
        load(finished)


def test_a_missing_checkpoint_is_named(finished: Path) -> None:
    (finished / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(ValueError, match=r"best\.ckpt does not exist: .*last\.ckpt"):
        load(finished)
