"""`src.explore`: what it says of the data is true of them, and what it draws of a run is what the run does."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from src.callback.rates import Rates
from src.config.build import build
from src.data.dataset import dataset
from src.data.look import batch, one_per_class
from src.data.module import Data
from src.data.read.digits import digits
from src.data.read.image_folder import image_folder
from src.data.read.temperature import READINGS, temperature
from src.explore import implied, look, plan
from src.model.supervised import Supervised
from src.run.record import read
from tests import toy
from tests.conftest import Command

DATA_DIR = Path(os.environ.get("DATA_DIR", "data"))


def pictures(folder: Path) -> set[str]:
    """The names of the pictures in a folder, each opened, that hold more than one colour."""
    for path in folder.rglob("*.png"):
        with Image.open(path) as image:
            assert len(image.convert("L").getcolors()) > 1
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def statistics(out: str) -> tuple[list[float], list[float]]:
    """The mean and the std that were printed."""
    found = [re.search(rf"^{word}: \[(.*?)\]", out, re.MULTILINE) for word in ("mean", "std")]
    mean, std = ([float(number) for number in match[1].split(",")] for match in found if match)
    return mean, std


def test_the_data_are_counted_measured_and_drawn(explore: Command, tmp_path: Path) -> None:
    ended = explore("data=digits")
    assert ended.code == 0, ended.err
    images_NCHW, target_N = digits.read(split="train")
    _, test_N = digits.read(split="test")
    rows = {line.split()[0]: line.split()[1:] for line in ended.out.splitlines()[1:12]}
    for number in range(10):
        train, val, test = map(int, rows[str(number)])
        assert train + val == (target_N == number).sum()
        assert test == (test_N == number).sum()
    assert rows["samples"] == ["1,293", "144", "360"]
    pixels = images_NCHW.numpy() / 255
    assert statistics(ended.out) == ([round(pixels.mean(), 4)], [round(pixels.std(), 4)])
    assert "of the 1,437 training samples (train and val), divided by 255" in ended.out
    folder = tmp_path / "outputs" / "explore" / "digits"
    assert pictures(tmp_path) == {
        str((folder / f"{n}.png").relative_to(tmp_path)) for n in ("balance", "gallery", "batch")
    }
    assert [line for line in ended.err.splitlines() if line.endswith("gallery.png")] == [
        "outputs/explore/digits/gallery.png"
    ]


def image_files(root: Path, *, size: tuple[int, int] = (10, 8)) -> np.ndarray:
    """Two classes of four lossless images, and their pixels (N, H, W, C), sorted by class."""
    random = np.random.default_rng(0)
    pixels_NHWC = random.integers(0, 256, (8, *size, 3), dtype=np.uint8)
    for number, pixels_HWC in enumerate(pixels_NHWC):
        path = root / ("one [a]" if number < 4 else "two") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels_HWC).save(path)
    return pixels_NHWC


@pytest.mark.parametrize("in_memory", ["true", "false", "auto"])
def test_a_folder_of_images_has_the_statistics_of_its_files_streamed_or_not(
    in_memory: str, explore: Command, tmp_path: Path
) -> None:
    pixels_NHWC = image_files(tmp_path / "photos") / 255
    ended = explore(
        "data=image_folder", f"data.root={tmp_path}/photos", "data.image_size=16", "data.crop_from=20",
        f"data.in_memory={in_memory}", "data.val_fraction=0.25", "data.test_fraction=0", f"out={tmp_path}/a [b], c",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    mean, std = statistics(ended.out)
    np.testing.assert_allclose(mean, pixels_NHWC.mean((0, 1, 2)), atol=5.1e-5)
    np.testing.assert_allclose(std, pixels_NHWC.std((0, 1, 2)), atol=5.1e-5)
    assert "of the 8 training samples (train and val)" in ended.out
    assert "one [a]" in ended.out
    assert pictures(tmp_path / "a [b], c") == {"balance.png", "gallery.png", "batch.png"}


def test_a_file_that_is_no_image_is_named_or_left_out(explore: Command, tmp_path: Path) -> None:
    pixels_NHWC = image_files(tmp_path / "photos")
    (tmp_path / "photos" / "one [a]" / "0.png").write_bytes(b"no image")
    arguments = ("data=image_folder", f"data.root={tmp_path}/photos", "data.labels=['one [a]',two]")
    assert "0.png is no image" in explore(*arguments).error
    ended = explore(*arguments, "data.on_bad_file=skip", "data.test_fraction=0")
    assert ended.code == 0, ended.err
    mean, _ = statistics(ended.out)
    np.testing.assert_allclose(mean, pixels_NHWC[1:].mean((0, 1, 2)) / 255, atol=5.1e-5)


@pytest.mark.parametrize("tree", [(), ("train", "val")])
@pytest.mark.parametrize("classes", [["one [a]", "two"], ["two", "one [a]"]])
def test_what_is_cut_off_for_the_test_is_neither_measured_nor_shown(
    tree: tuple[str, ...], classes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in tree or ("",):
        image_files(tmp_path / folder)
    data = image_folder(
        root=str(tmp_path), labels=["one [a]", "two"], classes=classes, shape=[3, 10, 8], task="multiclass",
        official=list(tree) or ["train"], val_fraction=0.25, test_fraction=0.25, split_seed=7,
        in_memory=False, workers=0,
    )  # fmt: skip
    figures = look(data)
    tests = set(data.names("test"))
    may_train = {str(path) for path in (tmp_path / "train" if tree else tmp_path).rglob("*.png")} - tests
    assert (len(tests), len(may_train)) == (2, 6)
    assert any(Path(name).name in ("0.png", "4.png") for name in tests)  # the first images of the classes
    pixels_NHWC = np.stack([np.asarray(Image.open(path)) for path in sorted(may_train)])
    out = capsys.readouterr().out
    np.testing.assert_allclose(statistics(out)[0], pixels_NHWC.mean((0, 1, 2)) / 255, atol=5.1e-5)
    assert f"of the 6 training samples ({'train' if tree else 'train and val'}), divided by 255" in out
    shown = [axis.images[0].get_array() for axis in figures["gallery"].axes]
    assert len(shown) == 2
    assert all((pixels_NHWC == image_HWC).all((1, 2, 3)).any() for image_HWC in shown)


def test_a_gallery_of_some_classes_says_of_how_many() -> None:
    assert look(noise(classes=120))["gallery"].get_suptitle() == "one training image for 100 of 120 classes"
    assert look(noise(classes=2))["gallery"].get_suptitle() == "one training image per class"


def noise(*, classes: int) -> Data:
    """Two grey images of each class."""

    def read(*, split: str) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.randint(256, (2 * classes, 1, 2, 2), dtype=torch.uint8), torch.arange(2 * classes) % classes

    return dataset()(read)(shape=[1, 2, 2], classes=[str(n) for n in range(classes)], task="multiclass", val_fraction=0)


def test_the_numbers_of_nodes_have_no_statistics(explore: Command) -> None:
    ended = explore("data=karate")
    assert ended.code == 0, ended.err
    assert "Mr. Hi" in ended.out
    assert "mean:" not in ended.out
    assert "std:" not in ended.out


def test_a_histogram_of_targets_says_what_they_are() -> None:
    figures = look(temperature(shape=[1], classes=None, task="regression", axes=["V", "°C"], splits=["train", "val"]))
    assert figures["balance"].axes[0].get_xlabel() == "°C"


def test_a_class_name_in_any_script_is_drawn_without_a_word(explore: Command, tmp_path: Path) -> None:
    image_files(tmp_path / "photos")
    (tmp_path / "photos" / "two").rename(tmp_path / "photos" / "猫")
    ended = explore("data=image_folder", f"data.root={tmp_path}/photos")
    assert ended.code == 0, ended.err
    assert "Warning" not in ended.err
    assert "猫" in ended.out


def test_numbers_to_predict_have_a_range_and_a_histogram(explore: Command, tmp_path: Path) -> None:
    ended = explore("data=temperature", "data.val_fraction=0")
    assert ended.code == 0, ended.err
    readings = np.array(READINGS) / 10
    assert statistics(ended.out) == ([round(readings.mean(), 4)], [round(readings.std(), 4)])
    assert re.search(r"^min +-4 *$", ended.out, re.MULTILINE)
    assert re.search(r"^max +28 *$", ended.out, re.MULTILINE)
    assert pictures(tmp_path) == {"outputs/explore/temperature/balance.png"}


def test_the_features_of_a_table_are_measured_each_alone(explore: Command) -> None:
    ended = explore("data=logic_gate")
    assert statistics(ended.out) == ([0.5, 0.5], [0.5, 0.5])


def test_a_batch_without_augmentation_is_the_stored_pixels_and_labels(explore: Command) -> None:
    data = digits(
        shape=[1, 8, 8],
        classes=list("0123456789"),
        task="multiclass",
        mean=[0.3],
        std=[0.4],
        shuffle=False,
        batch_size=32,
    )
    data.setup("fit")
    images_NCHW, target_N = digits.read(split="train")
    rows_B = data.indices["train"][:20]
    x_BCHW, names = batch(data, 20)
    np.testing.assert_allclose(x_BCHW, images_NCHW[rows_B] / 255, atol=1e-6)
    assert names == [str(number) for number in target_N[rows_B].tolist()]


def test_a_mixed_image_is_named_after_its_larger_part() -> None:
    data = toy.tabular(mixup=0.4, batch_size=36)
    data.setup("fit")
    _, names = batch(data, 36)
    _, share_BK = next(iter(data.train_dataloader()))
    assert share_BK.shape == (36, 3)
    assert names == [str(number) for number in share_BK.argmax(1).tolist()]


def test_the_gallery_has_the_first_image_of_each_class_that_has_one() -> None:
    target_N = torch.tensor([2, 0, 2, 0])
    images_NCHW = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1)
    found = one_per_class(images_NCHW, target_N, ["a", "b", "c"], skips=False)
    assert {name: image.item() for name, image in found.items()} == {"a": 1, "c": 0}


@pytest.mark.parametrize("figure", ["activations", "neurons", "convolution"])
def test_an_idea_is_drawn_and_needs_no_data(figure: str, explore: Command, tmp_path: Path) -> None:
    ended = explore(f"figure={figure}", "data=mnist", f"data_dir={tmp_path}/nothing")
    assert ended.code == 0, ended.err
    assert pictures(tmp_path) == {f"outputs/explore/{figure}.png"}


@pytest.mark.parametrize(
    ("words", "figure"),
    [
        (["data=mnist"], "data"),
        (["scheduler=onecycle"], "schedule"),
        (["scheduler.warmup=0.1", "data=mnist"], "schedule"),
        (["+scheduler.warmup=0.1"], "schedule"),
        (["data.labels=[scheduler]"], "data"),
        ([], "data"),
    ],
)
def test_a_command_line_that_names_a_scheduler_means_the_schedule(words: list[str], figure: str) -> None:
    assert implied(words) == figure


def drawn(figure: Figure) -> list[list[float]]:
    """The values of each line of the first panel."""
    return [list(line.get_ydata()) for line in figure.axes[0].lines]


@pytest.mark.parametrize("name", ["cosine", "onecycle", "step", "constant"])
@pytest.mark.parametrize(
    "settings",
    [
        {"max_epochs": 2},
        {"max_epochs": 3, "accumulate_grad_batches": 2},
        {"max_epochs": -1, "max_steps": 7},
        {"max_epochs": 2, "limit_train_batches": 3},
    ],
)
def test_the_schedule_in_the_picture_is_the_one_that_a_run_uses(name: str, settings: dict, tmp_path: Path) -> None:
    def model() -> Supervised:
        node = {"_target_": f"src.model.schedule.{name}", "_partial_": True}
        optimizer = {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5, "momentum": 0.9}
        return toy.multiclass(
            torch.nn.Linear(4, 3),
            outputs=3,
            loss=torch.nn.CrossEntropyLoss(),
            optimizer=build(optimizer),
            scheduler=build(node),
        )

    used: dict[int, float] = {}
    before_step = Before(
        lambda trainer: used.setdefault(trainer.global_step, trainer.optimizers[0].param_groups[0]["lr"])
    )
    toy.trainer(tmp_path, callbacks=[before_step], **settings).fit(model(), toy.tabular(batch_size=8))
    figure = plan(model(), toy.tabular(batch_size=8), toy.trainer(tmp_path, limit_val_batches=0, **settings))[
        "schedule"
    ]
    (line,) = drawn(figure)
    assert line == list(used.values())


class Before(toy.Each):
    """A callback that calls `look(trainer)` before every training batch."""

    def __init__(self, look):
        super().__init__(lambda trainer, batch: None)
        self.before = look

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        """Look."""
        self.before(trainer)


def test_drawing_a_schedule_trains_nothing(tmp_path: Path) -> None:
    net = torch.nn.Linear(4, 3)
    before = net.weight.clone()
    optimizer = build({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5, "weight_decay": 0.1})
    model = toy.multiclass(net, outputs=3, loss=torch.nn.CrossEntropyLoss(), optimizer=optimizer)
    rates = Rates()
    trainer = toy.trainer(tmp_path, callbacks=[rates], max_epochs=4)
    trainer.fit(model, toy.tabular(batch_size=8))
    assert trainer.global_step == 0
    assert torch.equal(net.weight, before)
    assert rates.rates == [[0.5]] * 20


def test_the_plain_word_draws_the_schedule(explore: Command, tmp_path: Path) -> None:
    ended = explore("scheduler=onecycle", "trainer.max_epochs=2", "optimizer.lr=0.01")
    assert ended.code == 0, ended.err
    assert ended.out == "82 steps: from 0.0004 up to 0.01, at the end 4e-08\n"
    assert pictures(tmp_path) == {"outputs/explore/digits/schedule.png"}


def test_find_lr_suggests_a_rate_that_learns_and_leaves_one_picture(
    explore: Command, train: Command, tmp_path: Path
) -> None:
    model = ("model=softmax_regression", "optimizer=sgd")
    ended = explore("find_lr=true", *model)
    assert ended.code == 0, ended.err
    assert pictures(tmp_path) == {"outputs/explore/digits/find_lr.png"}
    (override,) = re.findall(r"^(optimizer\.lr=\S+)", ended.out, re.MULTILINE)
    scores = {}
    for lr in (override, "optimizer.lr=1e-6", "optimizer.lr=1e3"):
        scores[lr] = read(train(*model, lr, "trainer.max_epochs=1").run)["metrics"]["val/loss"]
    assert scores[override] == min(scores.values())


def test_the_suggestion_does_not_depend_on_the_schedule_that_it_is_for(explore: Command) -> None:
    words = ("find_lr=true", "model=softmax_regression", "optimizer=sgd", "optimizer.momentum=0.9")
    onecycle, none = (explore(*words, f"scheduler={name}") for name in ("onecycle", "none"))
    assert onecycle.out.startswith("optimizer.lr=")
    assert onecycle.out == none.out


def test_find_lr_starts_from_the_weights_that_the_run_would(explore: Command, finished: Path, tmp_path: Path) -> None:
    words = ("find_lr=true", "model=softmax_regression", "optimizer=sgd")
    curves = []
    for weights in ("null", str(finished), str(finished)):
        assert explore(*words, f"model.weights={weights}").code == 0
        curves.append((tmp_path / "outputs" / "explore" / "digits" / "find_lr.png").read_bytes())
    anew, learned, again = curves
    assert anew != learned == again


def test_a_runs_data_and_schedule_are_looked_at_in_its_folder(explore: Command, finished: Path) -> None:
    ended = explore("run=last")
    assert ended.code == 0, ended.err
    assert "samples" in ended.out
    ended = explore("run=last", "figure=schedule")
    assert ended.out.startswith("82 steps: from 0.001 up to 0.001")
    assert pictures(finished / "explore") == {"balance.png", "gallery.png", "batch.png", "schedule.png"}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["figure=nerons"], "figure=nerons: choose from data, schedule, activations"),
        (["data=digit"], "did you mean digits"),
        (["find_lr=true", "data=logic_gate"], "model=fashion_dnn or model=softmax_regression"),
        (["scheduler=cosine", "scheduler.warmup=2"], "scheduler.warmup=2"),
        (["scheduler=cosine", "trainer.max_epochs=-1"], "trainer.max_epochs"),
        (["scheduler=none", "trainer.max_epochs=-1"], "trainer.max_epochs"),
        (["data.image_sise=3"], "image_size"),
        (["figur=data"], "figure"),
        (["+figur=data"], "figure"),
        (["data=mnist", "data_dir=nothing"], "nothing/MNIST/raw"),
    ],
)
def test_what_cannot_work_is_one_line_and_leaves_nothing(
    words: list[str], error: str, explore: Command, tmp_path: Path
) -> None:
    assert error in explore(*words).error
    assert list(tmp_path.rglob("*.png")) == []


@pytest.mark.slow
def test_the_real_cifar10_files_have_the_published_statistics_but_for_the_jpeg(explore: Command) -> None:
    if not (DATA_DIR / "cifar10" / "train").is_dir():
        pytest.skip(f"cifar10/train is not in DATA_DIR={DATA_DIR}")
    mean, std = statistics(explore("data=cifar10_folder", f"data_dir={DATA_DIR.absolute()}").out)
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=0.0005)
    np.testing.assert_allclose(std, [0.2470, 0.2435, 0.2616], atol=0.003)
