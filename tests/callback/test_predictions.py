"""What is kept of a test is what the net says, row by row, and no more is kept than that."""

import csv
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import BCEWithLogitsLoss
from torch.optim import SGD

from src.callback.predictions import Predictions, around
from src.data.read.temperature import CELSIUS, READINGS
from src.fit.checkpoint import Checkpoint
from src.net.mlp import MLP
from src.run import load
from src.run.prediction_table import Table, read
from src.run.record import read as read_record
from tests import toy
from tests.conftest import Command, call

FIT = ("experiment=temperature_linear", "data.passes=300")


@pytest.fixture(scope="module")
def temperature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line fitted to the eleven temperatures."""
    ended = call("train", tmp_path_factory.mktemp("temperature"), *FIT)
    assert ended.code == 0, ended.err
    return ended.run


def net_on_test(run: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """What the stored net says of the digits' test images, and their labels, without the project's data module."""
    from sklearn.datasets import load_digits

    trained, digits = load(run), load_digits()
    images_NCHW = torch.tensor(digits.images * 255 / 16).round().to(torch.uint8)[:, None]
    with torch.no_grad():
        probability_NK = trained.net(trained.preprocess(images_NCHW[-360:])).softmax(dim=1)
    return probability_NK, torch.tensor(digits.target)[-360:]


def test_each_row_is_what_the_best_checkpoint_says_of_its_image(original: Path) -> None:
    said = read(original / "predictions" / "test.csv")
    probability_NK, label_N = net_on_test(original)
    np.testing.assert_array_equal(said.target, label_N)
    np.testing.assert_allclose(said.probability, probability_NK, atol=0.02)  # rounding on the way to 16 pixels
    np.testing.assert_array_equal(said.prediction, said.probability.argmax(axis=1))
    np.testing.assert_array_equal(said.index, np.arange(360))


def test_accuracy_and_loss_of_the_file_are_those_of_run_json(original: Path) -> None:
    said, metrics = read(original / "predictions" / "test.csv"), read_record(original)["metrics"]
    assert (said.prediction == said.target).mean() == pytest.approx(metrics["test/accuracy"], abs=1e-7)
    loss = -np.log(said.probability[np.arange(len(said.target)), said.target]).mean()
    assert loss == pytest.approx(metrics["test/loss"], rel=1e-5)


def test_a_file_says_the_same_words_as_src_predict(finished: Path, predict: Command) -> None:
    assert predict(f"run={finished}", "input=test").code == 0
    tables = []
    for name in ("test.csv", "input_test.csv"):
        with (finished / "predictions" / name).open(newline="") as file:
            tables.append([(row["target"], row["label"]) for row in csv.DictReader(file)])
    assert tables[0] == tables[1]


def test_probabilities_are_exact_floats(original: Path) -> None:
    values = read(original / "predictions" / "test.csv").probability
    np.testing.assert_array_equal(values, values.astype(np.float32))


def test_the_mistakes_kept_are_the_surest_and_their_images_are_the_datasets(original: Path) -> None:
    said = read(original / "predictions" / "test.csv")
    wrong = np.flatnonzero(said.prediction != said.target)
    surest = sorted(wrong, key=lambda row: -said.probability[row].max())[:25]
    with np.load(original / "predictions" / "mistakes.npz") as kept:
        assert kept["rows"].tolist() == [int(row) for row in surest]
        assert kept["images"].shape == (len(surest), 16, 16, 1)
        assert kept["images"].dtype == np.uint8


@pytest.mark.parametrize("size", [7, 360])
def test_the_batch_size_changes_no_row(size: int, original: Path, train: Command) -> None:
    run = train("model=softmax_regression", "trainer.max_epochs=1", f"data.batch_size={size}", "optimizer.lr=0").run
    said = read(run / "predictions" / "test.csv")
    assert len(said.index) == 360
    np.testing.assert_array_equal(said.target, read(original / "predictions" / "test.csv").target)


def test_two_classes_keep_train_and_val_too_each_sample_once(train: Command) -> None:
    run = train("model=perceptron", "data=logic_gate", "data.gate=and", "trainer.max_epochs=1", "data.passes=200").run
    for split in ("train", "val", "test"):
        said = read(run / "predictions" / f"{split}.csv")
        np.testing.assert_array_equal(said.target, [0, 0, 0, 1])
        np.testing.assert_allclose(said.probability.sum(axis=1), 1)
        trained = load(run)
        with torch.no_grad():
            expected = trained.net(torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])).sigmoid().squeeze(1)
        np.testing.assert_allclose(said.probability[:, 1], expected, rtol=1e-6)


def test_every_sample_of_a_large_training_set_is_kept(tmp_path: Path) -> None:
    model = toy.binary(MLP([4], 1, widths=[3]), outputs=1, loss=BCEWithLogitsLoss(), optimizer=partial(SGD, lr=0.5))
    trainer = toy.trainer(tmp_path, callbacks=[Predictions(str(tmp_path))])
    trainer.fit(model, toy.tabular(task="binary", outputs=2, train=50_000, val_fraction=0.5, batch_size=1000))
    said = [read(tmp_path / f"{split}.csv") for split in ("train", "val")]
    assert sorted([*said[0].index, *said[1].index]) == list(range(50_000))


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({"limit_train_batches": 2, "limit_val_batches": 1}, (16, 8)),
        ({"limit_train_batches": 0.5, "limit_val_batches": 0.5}, (24, 16)),
        ({}, (54, 36)),
    ],
    ids=["a number", "a share", "all, with the one that training drops"],
)
def test_no_more_of_train_and_val_is_kept_than_the_trainer_may_use(
    settings: dict[str, Any], rows: tuple[int, int], tmp_path: Path
) -> None:
    model = toy.binary(MLP([4], 1, widths=[3]), outputs=1, loss=BCEWithLogitsLoss(), optimizer=partial(SGD, lr=0.5))
    trainer = toy.trainer(tmp_path, callbacks=[Predictions(str(tmp_path))], **settings)
    data = toy.tabular(task="binary", outputs=2, train=90, val_fraction=0.4, batch_size=8, drop_last=True)
    trainer.fit(model, data)
    assert tuple(len(read(tmp_path / f"{split}.csv").target) for split in ("train", "val")) == rows


def test_train_and_val_are_judged_by_the_best_weights_and_the_fit_is_left_as_it_was(train: Command) -> None:
    wild = ("optimizer=sgd", "optimizer.lr=2", "scheduler=none", "data.mean=[0]", "data.std=[1]", "data.batch_size=8")
    settings = ("model=softmax_regression", "data.classes=['3','8']", "trainer.max_epochs=3", *wild)
    run, without = train(*settings), train(*settings, "~callback.predictions", "~callback.figures")
    record = read_record(run.run)
    assert record["best"]["epoch"] < 2  # so that the best weights are not the last ones
    said = read(run.run / "predictions" / "val.csv")
    loss = -np.log(said.probability[np.arange(len(said.target)), said.target]).mean()
    assert loss == pytest.approx(record["best"]["value"], rel=1e-4)
    last, other = (torch.load(r / "checkpoints" / "last.ckpt", weights_only=True) for r in (run.run, without.run))
    assert all(torch.equal(last["state_dict"][name], other["state_dict"][name]) for name in last["state_dict"])
    assert record["metrics"] == read_record(without.run)["metrics"]
    assert record["config_hash"] == read_record(without.run)["config_hash"]
    assert not (without.run / "predictions").exists()


def test_the_fit_ends_with_the_last_weights_though_the_best_were_asked(tmp_path: Path) -> None:
    model = toy.binary(MLP([4], 1, widths=[3]), outputs=1, loss=BCEWithLogitsLoss(), optimizer=partial(SGD, lr=0.5))
    kept = Checkpoint(str(tmp_path), monitor="val/loss", mode="max")  # the first epoch's
    callbacks = [kept, Predictions(str(tmp_path / "predictions"))]
    trainer = toy.trainer(tmp_path, callbacks=callbacks, max_epochs=3)
    trainer.fit(model, toy.tabular(task="binary", outputs=2, val_fraction=0.3))
    best, last = (torch.load(tmp_path / f"{name}.ckpt", weights_only=True)["state_dict"] for name in ("best", "last"))
    assert kept.best_epoch == 0
    assert not torch.equal(best["net.output_linear.weight"], last["net.output_linear.weight"])
    assert all(torch.equal(value, last[name]) for name, value in model.state_dict().items())


def test_the_curve_is_the_nets_own_line_over_20_to_90(temperature: Path) -> None:
    with (temperature / "predictions" / "curve.csv").open(newline="") as file:
        axes, *rows = csv.reader(file)
    reading_G, celsius_G = np.array(rows, dtype=float).T
    weights = torch.load(temperature / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    w, b = (value.item() for name, value in weights.items() if name.startswith("net."))
    np.testing.assert_allclose(celsius_G, w * reading_G * 0.1 + b, atol=1e-5)
    assert (reading_G[0], reading_G[-1]) == (20, 90)
    assert axes == ["reading (unknown unit)", "temperature (°C)"]


def test_readings_are_in_their_own_unit_and_targets_in_theirs(temperature: Path) -> None:
    pairs = set()
    for split in ("train", "val"):
        said = read(temperature / "predictions" / f"{split}.csv")
        pairs |= {(round(float(x), 4), round(t, 4)) for x, t in zip(said.extra["input"], said.target, strict=True)}
        loss = ((said.prediction - said.target) ** 2).mean()
        assert split == "train" or loss == pytest.approx(read_record(temperature)["metrics"]["val/loss"], rel=1e-5)
    assert pairs == set(zip(READINGS, CELSIUS, strict=True))
    assert not (temperature / "predictions" / "test.csv").exists()


def test_an_image_file_is_named_by_its_path(train: Command, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(12):
            pixels = random.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    ended = train("data=image_folder", "data.root=pictures", "model=softmax_regression", "trainer.max_epochs=1")
    assert ended.code == 0, ended.err
    said = read(ended.run / "predictions" / "test.csv")
    assert len(set(said.extra["path"])) == len(said.target) > 0
    for path, label in zip(said.extra["path"], said.target, strict=True):
        assert (tmp_path / path).is_file()
        assert Path(path).parent.name == said.classes[label]
    with np.load(ended.run / "predictions" / "mistakes.npz") as kept:
        for image_HWC, row in zip(kept["images"], kept["rows"], strict=True):
            np.testing.assert_array_equal(image_HWC[..., 0], np.asarray(Image.open(tmp_path / said.extra["path"][row])))


@pytest.mark.parametrize(
    ("values", "ends"), [((21.8, 81.9), (20, 90)), ((-3.0, 4.0), (-3, 4)), ((0.02, 0.31), (0.0, 0.4)), ((5, 5), (5, 5))]
)
def test_a_range_is_rounded_outwards(values: tuple[float, float], ends: tuple[float, float]) -> None:
    assert around(torch.tensor(values)) == pytest.approx(ends)


def test_a_file_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with Table(path, ["x"]) as table:
        table.add([[1.5]])
        assert not path.exists()
    assert path.read_text().split() == ["x", "1.5"]

    def torn() -> None:
        with Table(path, ["y"]) as table:
            table.add([[2]])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        torn()
    assert path.read_text().split() == ["x", "1.5"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    for content in ("index,target,label,P(a)\n0,a\n", "a,b\n1,2\n"):
        (tmp_path / "test.csv").write_text(content)
        with pytest.raises(ValueError, match="is damaged"):
            read(tmp_path / "test.csv")
