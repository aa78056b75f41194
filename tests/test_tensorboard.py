"""TensorBoard answers: its event files read back, and its pages as a browser shows them."""

import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import precision_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util.tensor_util import make_ndarray

from src.callback.draw import points
from src.run.prediction_table import read as read_predictions
from src.run.record import read
from tests.conftest import Command, Ended, call

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SWEEP = ("-m", "model=softmax_regression,fashion_dnn", "optimizer.lr=1e-3,1e-2", "trainer.max_epochs=2", "sweep=four")
EVERYTHING = ("model=fashion_dnn", "data.crop_padding=2", "trainer.max_epochs=2", "+callback=tensorboard")


def events(run: Path) -> EventAccumulator:
    """All that a run's event files hold, nothing sampled away."""
    kept = dict.fromkeys(("scalars", "images", "histograms", "tensors", "compressedHistograms"), 0)
    return EventAccumulator(str(run / "tensorboard"), size_guidance=kept).Reload()


def row(run: Path) -> tuple[dict[str, object], list[str]]:
    """The choices and the names of the scores that a run gives to the HPARAMS tab."""
    tags = events(run).summary_metadata
    start, experiment = (
        HParamsPluginData.FromString(tags[f"_hparams_/{tag}"].plugin_data.content)
        for tag in ("session_start_info", "experiment")
    )
    values = {name: getattr(v, v.WhichOneof("kind")) for name, v in start.session_start_info.hparams.items()}
    return values, [metric.name.tag for metric in experiment.experiment.metric_infos]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every callback for TensorBoard."""
    ended = call("train", tmp_path_factory.mktemp("everything"), *EVERYTHING)
    assert ended.code == 0, ended.err
    return ended.run


def test_scalars_are_the_points_of_metrics_csv_under_the_same_names(original: Path) -> None:
    found = events(original)
    csv = points(original)
    assert set(csv) < set(found.Tags()["scalars"])
    for name, (step_P, value_P) in csv.items():
        scalars = found.Scalars(name)
        assert [scalar.step for scalar in scalars] == step_P.tolist()
        np.testing.assert_allclose([scalar.value for scalar in scalars], value_P, rtol=1e-6)


def test_the_pictures_of_the_folder_are_there_byte_for_byte(original: Path) -> None:
    found = events(original)
    for path in (original / "figures").iterdir():
        (image,) = found.Images(f"figures/{path.stem}")
        assert image.encoded_image_string == path.read_bytes()
        assert image.step == read(original)["steps"]
        with Image.open(path) as picture:
            assert (image.width, image.height) == picture.size


def test_command_and_config_are_there_as_text(original: Path) -> None:
    def text(tag: str) -> str:
        (tensor,) = events(original).Tensors(f"{tag}/text_summary")
        return make_ndarray(tensor.tensor_proto).item().decode()

    assert text("command").strip() == read(original)["command"]
    config = (original / ".hydra" / "config.yaml").read_text()
    assert [line[4:] for line in text("config").splitlines()] == config.splitlines()


def test_the_row_names_model_data_rate_seed_and_what_was_set_and_every_score(original: Path) -> None:
    choices, scores = row(original)
    assert choices == {
        "model": "softmax_regression",
        "data": "digits",
        "seed": 0.0,
        "optimizer.lr": 1e-3,
        "trainer.max_epochs": 2.0,
    }
    assert scores[:2] == ["test/loss", "test/accuracy"]
    assert set(scores) == set(read(original)["metrics"])
    assert set(scores) <= set(events(original).Tags()["scalars"])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("optimizer=sgd", "optimizer.momentum=0.9"), {"optimizer": "sgd", "optimizer.momentum": 0.9}),
        (("+callback=early_stopping", "~callback.progress", "tags=[a]"), {}),
        (("seed=3", "data.normalize=false"), {"seed": 3.0, "data.normalize": False}),
        (("data.classes=['0','1']",), {"data.classes": "['0','1']"}),
    ],
)
def test_what_the_command_line_set_is_in_the_row(
    settings: tuple[str, ...], expected: dict[str, object], train: Command
) -> None:
    ended = train("model=softmax_regression", "trainer.max_epochs=1", *settings)
    choices, _ = row(ended.run)
    fixed = {"model", "data", "seed", "optimizer.lr", "trainer.max_epochs"}
    assert {name: value for name, value in choices.items() if name in expected or name not in fixed} == expected


@pytest.mark.parametrize("settings", [("test=false",), ("data=temperature", "model=perceptron")])
def test_a_run_without_a_test_has_a_row_too(settings: tuple[str, ...], train: Command) -> None:
    ended = train("model=softmax_regression", "trainer.max_epochs=1", "optimizer.lr=1e-3", *settings)
    assert ended.code == 0, ended.err
    _, scores = row(ended.run)
    assert {"val/loss", "train/loss"} <= set(scores)
    assert not any(name.startswith("test/") for name in scores)


def test_samples_are_training_images_and_the_augmented_ones_others(everything: Path) -> None:
    from sklearn.datasets import load_digits

    plain, augmented = (
        np.asarray(Image.open(BytesIO(events(everything).Images(f"train/{tag}")[0].encoded_image_string)).convert("L"))
        for tag in ("samples", "samples augmented")
    )
    assert plain.shape == augmented.shape == (2 + 4 * 18, 2 + 8 * 18)  # 32 images of 16 x 16 with frames of 2
    assert not np.array_equal(plain, augmented)
    digits_N1HW = torch.tensor(load_digits().images * 255 / 16, dtype=torch.float32)[:, None]
    enlarged_NHW = torch.nn.functional.interpolate(digits_N1HW, size=16, mode="bilinear").squeeze(1).numpy()
    for row in range(4):
        for column in range(8):
            tile = plain[2 + 18 * row : 18 + 18 * row, 2 + 18 * column : 18 + 18 * column]
            assert np.abs(enlarged_NHW - tile).max(axis=(1, 2)).min() < 2  # it is one of the digits


def test_histograms_are_of_each_parameter_and_its_gradient_once_an_epoch(everything: Path) -> None:
    found = events(everything)
    parameters = torch.load(everything / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for kind in ("weights", "gradients"):
        names = {tag.removeprefix(f"{kind}/") for tag in found.Tags()["histograms"] if tag.startswith(kind)}
        assert names == set(parameters)
    for name, values in parameters.items():
        histograms = found.Histograms(f"weights/{name}")
        assert [histogram.step for histogram in histograms] == [0, read(everything)["steps"] // 2]
        assert histograms[0].histogram_value.num == values.numel()
        assert found.Histograms(f"gradients/{name}")[0].histogram_value.num == values.numel()
    last_bias = list(parameters)[-1]  # what softmax and cross-entropy send back to it sums to zero over the classes
    sums = {kind: found.Histograms(f"{kind}/{last_bias}")[0].histogram_value.sum for kind in ("weights", "gradients")}
    assert abs(sums["gradients"]) < 1e-5 < abs(sums["weights"])


def test_the_graph_names_the_layers_of_the_net(everything: Path) -> None:
    text = str(events(everything).Graph())
    assert "FashionDNN" in text
    assert "Linear" in text


def test_pr_curves_are_those_of_the_test_predictions(everything: Path) -> None:
    said = read_predictions(everything / "predictions" / "test.csv")
    found = events(everything)
    assert {tag for tag in found.Tags()["tensors"] if tag.startswith("test/")} == {f"test/{n}" for n in said.classes}
    (curve,) = found.Tensors("test/8")
    precision_T = make_ndarray(curve.tensor_proto)[4]  # rows: tp, fp, tn, fn, precision, recall
    for place in range(0, 40, 5):  # 127 thresholds in [0, 1]
        taken = said.probability[:, 8] >= place / (len(precision_T) - 1)
        expected = precision_score(said.target == 8, taken, zero_division=0)
        assert precision_T[place] == pytest.approx(expected, abs=1e-6)


def test_embeddings_are_what_the_last_layer_gets_each_with_its_label(everything: Path) -> None:
    (folder,) = (everything / "tensorboard").glob("*/default")
    features_ND = torch.tensor(np.loadtxt(folder / "tensors.tsv"), dtype=torch.float32)
    said = read_predictions(everything / "predictions" / "test.csv")
    assert (folder / "metadata.tsv").read_text().split() == [said.classes[label] for label in said.target]
    state = torch.load(everything / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    weight, bias = list(state.values())[-2:]
    probability_NK = (features_ND @ weight.T + bias).softmax(dim=1)
    np.testing.assert_allclose(probability_NK, said.probability, atol=1e-4)


@pytest.mark.parametrize(
    "settings", [("logger=csv",), ("data=temperature",), ("data=karate", "model=gcn", "monitor=train/loss")]
)
def test_every_callback_does_with_any_logger_and_any_data(settings: tuple[str, ...], train: Command) -> None:
    ended = train("model=mlp", "trainer.max_epochs=1", "optimizer.lr=1e-3", "+callback=tensorboard", *settings)
    assert ended.code == 0, ended.err
    assert "is not drawn" not in (ended.run / "train.log").read_text()


def test_no_callback_changes_what_is_learnt(train: Command) -> None:
    """Nothing that looks at a run draws a random number of it."""
    settings = ("model=fashion_dnn", "trainer.max_epochs=1")  # dropout draws
    off = ("~callback.predictions", "~callback.figures", "~callback.hparams")
    runs = [train(*settings, *more).run for more in (off, (), ("+callback=tensorboard",))]
    states = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in runs]
    for state in states[1:]:
        assert all(torch.equal(state[name], states[0][name]) for name in state)
    assert len({read(run)["config_hash"] for run in runs}) == 1
    assert len({str(read(run)["metrics"]) for run in runs}) == 1


Pages = Callable[[str, Callable[[str], bool]], str]

TEXT = """
const text = node => {
  if (node.nodeType === Node.TEXT_NODE) return node.textContent + ' ';
  if (['STYLE', 'SCRIPT'].includes(node.tagName)) return '';
  const children = [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes];
  return children.map(text).join('');
};
return text(document.body);
"""
IMAGES = """
const images = node => [
  ...(node.tagName === 'IMG' && node.naturalWidth ? [[node.naturalWidth, node.naturalHeight]] : []),
  ...[...(node.shadowRoot ? node.shadowRoot.children : []), ...node.children].flatMap(images),
];
return images(document.body);
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Four runs: two nets by two learning rates."""
    return call("train", tmp_path_factory.mktemp("sweep"), *SWEEP)


@pytest.fixture(scope="module")
def address(sweep: Ended) -> Iterator[str]:
    """Where a TensorBoard on the sweep answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logs = sweep.runs[0].parents[1]
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logs}", f"--port={port}", "--load_fast=false"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            found = until(lambda: _runs(port), lambda runs: runs.count("tensorboard") == 4)
            assert found.count("tensorboard") == 4, found
            yield f"http://localhost:{port}/"
        finally:
            server.terminate()


def _runs(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/runs") as answer:
            return answer.read().decode()
    except OSError:  # not up yet
        return ""


def until(look: Callable[[], str], seen: Callable[[str], bool], *, timeout_s: float = 90) -> str:
    """Look until it is seen, or for the last time; return what there was."""
    end_s = time.monotonic() + timeout_s
    while not seen(found := look()) and time.monotonic() < end_s:
        time.sleep(0.5)
    return found


@pytest.fixture
def page(browser: "Chrome", address: str, request: pytest.FixtureRequest, tmp_path: Path) -> Pages:
    """Open a tab of TensorBoard anew, wait for something in its text, take a screenshot, return the text.

    Screenshots stay in the tests' folders, for eyes: pytest --basetemp=FOLDER says where.
    """

    def opened(tab: str, seen: Callable[[str], bool]) -> str:
        browser.get("about:blank")  # another fragment alone would leave the old tab's text in the page
        browser.get(f"{address}#{tab}")
        text = until(lambda: re.sub(r"\s+", " ", browser.execute_script(TEXT)), seen)
        browser.save_screenshot(str(tmp_path / f"{tab.partition('&')[0]}.png"))
        assert seen(text), text
        return text

    return opened


@pytest.mark.slow
def test_the_browser_shows_the_scalars_of_all_four_runs(page: Pages, sweep: Ended) -> None:
    text = page("scalars", lambda text: bool(re.search(r"tag: test/loss [\d.]+ [\d.]+", text)))  # an axis is drawn
    assert all(run.name in text for run in sweep.runs)
    for split in ("train", "val", "test"):
        assert re.search(rf"{split} 2 ", text), text  # two tags each


@pytest.mark.slow
def test_the_browser_shows_the_confusion_matrix_of_each_run(page: Pages, browser: "Chrome", sweep: Ended) -> None:
    page("images", lambda text: text.count("figures/confusion") == 4)
    with Image.open(sweep.runs[0] / "figures" / "confusion.png") as picture:
        expected = picture.size

    def shows_four(found: str) -> bool:  # told by their size, which is no other picture's
        return found.count(str(list(expected))) >= 4  # a filtered page may show each twice

    assert shows_four(until(lambda: str(browser.execute_script(IMAGES)), shows_four))


@pytest.mark.slow
def test_the_browser_shows_four_rows_with_the_scores_of_run_json(page: Pages, sweep: Ended) -> None:
    def cells(run: Path) -> list[str]:
        return [f"{read(run)['metrics'][name]:.5g}" for name in ("test/loss", "test/accuracy", "val/loss")]

    text = page("hparams", lambda text: all(f"{run.name}/tensorboard digits" in text for run in sweep.runs))
    assert "Number of matching session groups: 4" in text
    for run in sweep.runs:
        (found,) = re.findall(rf"{run.name}/tensorboard digits (\w+) ([\d.]+) ([\d.]+) ([\d.]+) ([\d. ]+)", text)
        net, rate = (override.partition("=")[2] for override in read(run)["overrides"][:2])
        assert found[0] == net
        assert float(found[1]) == float(rate)
        numbers = [float(number) for number in " ".join(found[2:]).split()]
        for score in ("test/loss", "test/accuracy", "val/loss"):
            value = read(run)["metrics"][score]
            assert any(number == pytest.approx(value, rel=1e-4) for number in numbers), (score, value, found)
