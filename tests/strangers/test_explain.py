"""`src.explain` for strangers: what their nets see of images of a split or of files, or one line."""

from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from matplotlib.text import Text
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from src.explain import View, chosen_layer, explain, named
from src.fit.subject import Subject
from src.net.layers import map_of
from tests.strangers.plain import PAIRS, load

SEEN = {"classifier_conv": "features.4", "unet": "outc", "plateau": None, "contrastive": None}  # the last maps' layer


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def subject(name: str) -> Subject:
    torch.manual_seed(0)
    model, data = load(*PAIRS[name][:2])
    return Subject(model.eval(), data)


def pictured(of: Subject, method: str, source: Any, **settings: Any) -> Any:
    view = View(method, None, source)
    return explain(of, view._replace(layer=chosen_layer(of.net, view, of.shape)), **settings)


@pytest.mark.filterwarnings("ignore")  # theirs, of Lightning about their loaders
@pytest.mark.parametrize("name", SEEN)
def test_maps_and_grad_cam_of_images_of_a_split_need_no_preprocess(name: str) -> None:
    of = subject(name)
    for method in ("feature_maps", "grad_cam"):
        figure = pictured(of, method, ("val", 1))
        assert any("val/1" in text.get_text() for text in figure.findobj(Text))
    if SEEN[name]:
        assert chosen_layer(of.net, View("grad_cam", None, None), of.shape) == SEEN[name]


@pytest.mark.filterwarnings("ignore")
def test_an_image_of_a_split_is_what_the_net_gets_of_it() -> None:
    of = subject("unet")
    of.data.setup("test")
    batches = list(of.data.test_dataloader())
    x = batches[1]["image"][2][None].float().div(255).sub(0.3).div(0.25)  # as its on_after_batch_transfer does
    assert torch.equal(of.from_split("test", len(batches[0]["image"]) + 2), x)
    assert of.shape == (3, 24, 24)
    with torch.no_grad():
        assert torch.equal(map_of(of.net, "inc.0", x), of.model.net.inc[0](x))


@pytest.mark.filterwarnings("ignore")
def test_classes_without_names_are_numbers_and_one_that_is_none_is_refused() -> None:
    of = subject("classifier_conv")
    assert "for output 3, " in pictured(of, "grad_cam", ("val", 0), target="3")._suptitle.get_text()
    best = int(of.net(of.from_split("val", 0)).argmax())
    assert f"for output {best} (predicted)" in pictured(of, "grad_cam", ("val", 0))._suptitle.get_text()
    with pytest.raises(ValueError, match=r"target=10: no such class.*0, 1, 2"):
        pictured(of, "grad_cam", ("val", 0), target="10")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["multi_target", "text", "two_tasks", "lm"])
def test_a_net_of_no_images_is_one_line(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"its net takes tensors of shape .*only what takes one batch of images"
    ) as error:
        pictured(subject(name), "feature_maps", ("val", 0))
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore")
def test_beyond_the_end_of_a_split_or_a_split_that_is_none_is_one_line() -> None:
    of = subject("classifier")
    with pytest.raises(ValueError, match="input=val/250: the split has 250 images"):
        of.from_split("val", 250)
    with pytest.raises(ValueError, match="split test: .*has no test_dataloader: choose from val"):
        subject("contrastive").from_split("test", 0)


class Layers(lightning.LightningModule):
    """A module whose layers are its own, called by a name, with two outputs in an object."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 5)

    def forward(self, *, picture: Tensor) -> dict[str, Tensor]:
        maps = self.conv(picture).relu()
        return {"logits": self.head(maps.mean((2, 3))), "maps": maps}

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self(picture=batch)["logits"]


class Pictures(lightning.LightningDataModule):
    """Pictures, and a way from a file to a batch."""

    def val_dataloader(self) -> DataLoader:
        return DataLoader(torch.rand(6, 3, 8, 9, generator=torch.Generator().manual_seed(0)), batch_size=4)

    def preprocess(self, image: Image.Image) -> Tensor:
        return torch.from_numpy(np.asarray(image.resize((9, 8))).copy()).permute(2, 0, 1) / 255


@pytest.mark.filterwarnings("ignore")
def test_a_module_without_a_net_shows_its_own_layers_of_splits_and_of_files(tmp_path: Path) -> None:
    of = Subject(Layers().eval(), Pictures())
    x = of.from_split("val", 5)
    with torch.no_grad():
        assert torch.equal(map_of(of.net, "conv", x), of.model.conv(x))
    Image.new("RGB", (20, 20), (255, 0, 0)).save(tmp_path / "red.png")
    (path,) = named("red.png")
    assert of.from_file(path)[0, :, 0, 0].tolist() == [1.0, 0.0, 0.0]
    for method in ("feature_maps", "grad_cam", "filters"):
        assert pictured(of, method, None if method == "filters" else path)


@pytest.mark.filterwarnings("ignore")
def test_a_file_for_data_without_preprocess_says_what_to_add() -> None:
    with pytest.raises(ValueError, match=r"input=cat\.png: .*DigitsDataModule has no preprocess: .*add preprocess"):
        subject("classifier").from_file(Path("cat.png"))


def test_a_file_called_like_a_split_is_the_file(tmp_path: Path) -> None:
    assert named("test/17") == {("test", 17): "test_17"}
    assert named("val") == {("val", 0): "val_0"}
    (tmp_path / "test").mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "test" / "17.png")
    assert named("test/17.png") == {Path("test/17.png"): "17"}
    assert named("test") == {Path("test/17.png"): "17"}
