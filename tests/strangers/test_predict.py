"""`src.predict` for strangers: what their predict_step gives, as rows where there is one per sample, or one line."""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from src import predict as predicting
from src.fit.output import plain_output, rows_of
from src.fit.predicting import image_batch
from tests import toy
from tests.strangers.plain import PAIRS, load

KINDS = {  # of the files of each pair with a predict_step, and rows or batches in them
    "autoencoder": ("jsonl", 250),
    "classifier": ("jsonl", 250),
    "text": ("csv", 200),
    "unet": ("pt", 3),
    "multilabel": ("jsonl", None),
    "multi_target": ("csv", None),
    "many_val": ("csv", None),
    "parts": ("jsonl", None),
    "tutorial": ("jsonl", None),
    "boring": ("jsonl", None),
    "boring_no_len": ("jsonl", None),
}


def written(name: str, folder: Path, source: str | None = None, *, n: int | None = None) -> dict[str, Path]:
    """Write what an untrained model of a pair says; return the files by their ending."""
    torch.manual_seed(0)
    return wrote(*load(*PAIRS[name][:2]), folder, source, n=n)


def wrote(model: Any, data: Any, folder: Path, source: str | None = None, *, n: int | None = None) -> dict[str, Path]:
    predicting.write(model, data, toy.trainer(folder), source or predicting.declared(data), path=folder / "said", n=n)
    return {path.suffix[1:]: path for path in folder.glob("said.*")}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some write their data to the working folder


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.filterwarnings("ignore")  # theirs, of Lightning about their loaders
def test_what_a_predict_step_gives_is_rows_where_there_is_one_per_sample_and_else_one_file(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, count = KINDS[name]
    files = written(name, tmp_path)
    assert set(files) == {"csv": {"csv", "jsonl"}, "jsonl": {"jsonl"}, "pt": {"pt"}}[kind]
    said = torch.load(files["pt"], weights_only=True) if kind == "pt" else lines(files["jsonl"])
    assert len(said) == (count or len(said)) > 0
    assert str(tmp_path / "said") in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore")
def test_the_rows_are_what_the_module_says_of_each_sample_in_order(tmp_path: Path) -> None:
    rows = lines(written("classifier", tmp_path)["jsonl"])
    torch.manual_seed(0)
    model, data = load(*PAIRS["classifier"][:2])
    data.setup("predict")
    with torch.no_grad():
        expected = torch.cat([model.eval()(x).softmax(dim=1) for x, _ in data.predict_dataloader()])
    torch.testing.assert_close(torch.tensor([row["prediction"] for row in rows]), expected)
    assert [row["index"] for row in rows] == list(range(len(expected)))


@pytest.mark.filterwarnings("ignore")
def test_a_batch_goes_through_the_datas_own_transfer_hooks(tmp_path: Path) -> None:
    said = torch.load(written("unet", tmp_path)["pt"], weights_only=True)
    torch.manual_seed(0)
    model, data = load(*PAIRS["unet"][:2])
    data.setup("predict")
    batch = next(iter(data.predict_dataloader()))
    scaled = (batch["image"].float() / 255 - 0.3) / 0.25  # what its on_after_batch_transfer does
    with torch.no_grad():
        assert torch.equal(said[0]["mask"], model.eval()(scaled).argmax(1).byte())
    assert said[0]["filename"] == batch["filename"]


@pytest.mark.filterwarnings("ignore")
def test_n_is_the_first_so_many_rows_and_a_csv_says_what_the_lines_say(tmp_path: Path) -> None:
    files = written("text", tmp_path, "val", n=40)
    with files["csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{key: str(value) for key, value in line.items()} for line in lines(files["jsonl"])] == rows
    assert len(rows) == 40


@pytest.mark.parametrize("name", ["gan", "contrastive", "stream", "raw", "two_tasks", "silent", "train_only", "wiki"])
@pytest.mark.filterwarnings("ignore")
def test_a_module_that_cannot_predict_is_one_line_that_says_what_to_add(name: str, tmp_path: Path) -> None:
    model, _ = load(*PAIRS[name][:2])
    with pytest.raises(
        ValueError, match=rf"{type(model).__name__} has no predict_step, .* add predict_step\("
    ) as error:
        written(name, tmp_path, "train")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("said*"))


def test_no_split_to_predict_is_one_line_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"input is missing: set input=.*input=val"):
        predicting.declared(load(*PAIRS["lm"][:2])[1])


def test_an_error_of_their_own_predict_step_is_theirs(tmp_path: Path) -> None:
    class Broken(Sums):
        def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            raise KeyError("labels")

    with pytest.raises(KeyError, match="labels"):
        wrote(Broken(), Positional(), tmp_path)


class Sums(lightning.LightningModule):
    """Says the sum of each sample, of an image its mean."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).mean(1)

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return batch.sum(1)


class Positional(lightning.LightningDataModule):
    """Data whose loader is a class of its own with a positional batch size, which Lightning cannot build anew."""

    class Loader(DataLoader):
        def __init__(self, samples: Any, size: int, **more: Any):
            super().__init__(samples, size, **more)

    def predict_dataloader(self) -> DataLoader:
        return self.Loader(torch.arange(20.0).view(10, 2), 4)


class Pictures(Positional):
    """The same with a way from a file to a batch."""

    def preprocess(self, image: Image.Image) -> Tensor:
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1) / 255


@pytest.mark.filterwarnings("ignore")
def test_a_loader_that_lightning_cannot_build_anew_is_predicted_as_it_is(tmp_path: Path) -> None:
    rows = lines(wrote(Sums(), Positional(), tmp_path)["jsonl"])
    assert [row["prediction"] for row in rows] == [4.0 * k + 1 for k in range(10)]


def test_image_files_go_through_preprocess_and_forward_and_without_it_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (5, 4), (51, 51, 51)).save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "b.png").write_text("no image")
    rows = lines(wrote(Sums(), Pictures(), tmp_path, "photos")["jsonl"])
    assert [(Path(row["path"]).name, row.get("prediction")) for row in rows] == [
        ("a.png", pytest.approx(0.2)),
        ("b.png", None),
    ]
    assert rows[0]["error"] is None
    assert "cannot identify" in rows[1]["error"]
    with pytest.raises(ValueError, match="Positional has no preprocess: .*: add preprocess"):
        wrote(Sums(), Positional(), tmp_path, "photos")


def test_a_file_of_16_bits_or_on_its_side_reaches_their_preprocess_as_a_person_sees_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.full((4, 5), 51 * 256, np.uint16)).save(tmp_path / "photos" / "a.png")
    turned = Image.Exif()
    turned[0x112] = 6
    Image.new("RGB", (5, 4), (51, 51, 51)).save(tmp_path / "photos" / "b.webp", exif=turned, lossless=True)
    rows = lines(wrote(Sums(), Pictures(), tmp_path, "photos")["jsonl"])
    assert [row["prediction"] for row in rows] == [pytest.approx(0.2)] * 2
    assert image_batch(Pictures(), tmp_path / "photos" / "b.webp").shape == (1, 3, 5, 4)


class Pair(NamedTuple):
    """A named tuple of columns."""

    score: Tensor
    name: list[str]


X = torch.zeros(3, 2)


@pytest.mark.parametrize(
    ("output", "batch", "rows"),
    [
        (torch.tensor([1, 2, 3]), [X], [{"prediction": 1}, {"prediction": 2}, {"prediction": 3}]),
        (torch.eye(3)[:, :1], X, [{"prediction": [1.0]}, {"prediction": [0.0]}, {"prediction": [0.0]}]),
        (
            Pair(torch.tensor([1, 2, 3]), ["a", "b", "c"]),
            X,
            [{"score": k, "name": "abc"[k - 1]} for k in (1, 2, 3)],
        ),
        ((torch.tensor([1, 2, 3]), torch.tensor([4, 5, 6])), X, [{"0": 1, "1": 4}, {"0": 2, "1": 5}, {"0": 3, "1": 6}]),
        ([{"a": 1}, {"a": 2}, {"a": 3}], X, [{"a": 1}, {"a": 2}, {"a": 3}]),
        (["x", "y", "z"], X, [{"prediction": "x"}, {"prediction": "y"}, {"prediction": "z"}]),
        ([torch.zeros(2), torch.ones(2), torch.ones(2)], X, [{"prediction": [v, v]} for v in (0.0, 1.0, 1.0)]),
        (np.array([1.5, 2.5, 3.5]), X, [{"prediction": v} for v in (1.5, 2.5, 3.5)]),
        (torch.tensor(1.0), X, None),  # one number for a batch
        (torch.zeros(2), X, None),  # of three samples
        (torch.zeros(3, 300), X, None),
        ({"a": torch.zeros(3), "b": torch.zeros(2)}, X, None),
        (None, X, None),
        (object(), X, None),
    ],
)
def test_rows_are_one_per_sample_or_none(output: Any, batch: Any, rows: list[dict[str, Any]] | None) -> None:
    assert rows_of(plain_output(output), batch) == rows


@pytest.mark.filterwarnings("ignore")
def test_our_net_says_of_anybodys_batches_what_its_metrics_score(tmp_path: Path) -> None:
    net = torch.nn.Linear(10, 1)
    model = toy.regression(net, outputs=1, loss=torch.nn.MSELoss(), optimizer=torch.optim.Adam)
    data = load("raw", "raw")[1]
    rows = lines(wrote(model, data, tmp_path, "val")["jsonl"])
    data.setup("fit")
    with torch.no_grad():
        expected = torch.cat([net(x) for x, _ in data.val_dataloader()]).squeeze(1)
    torch.testing.assert_close(torch.tensor([row["prediction"] for row in rows]), expected)
