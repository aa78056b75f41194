"""Every option of every group, found and not listed: it composes, passes the check and builds; cells are tried."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from src.command.check import check
from src.command.preflight import job
from src.config.build import build
from src.config.plain import fill, plain
from src.config.schema import CONF, register
from tests.conftest import Command, as_found
from tests.data.test_csv_table import animals, write
from tests.toy import accept_cifar10, cifar10_files, mnist_files, wordnet_files

TRACKERS = ("wandb", "mlflow")
ASKED = {
    "image_folder": ["data.root=photos"],
    "masks": ["data.root=photos"],
    "csv": ["data.file=animals.csv", "data.target=kind", "data.task=multiclass"],
    "text": ["data.file=reviews.csv", "data.task=multiclass"],
    "torchvision": ["data.name=KMNIST"],
    "image_csv": ["data.file=labels.csv", "data.task=multilabel"],
}  # what nobody but the user knows
CURE = re.compile(r"\bset ([\w.]+=(?!FOLDER)\S+?)(?=[,;)]|$| )", re.MULTILINE)  # the override that a message ends with


def options(group: str) -> list[str]:
    return sorted(
        path.stem
        for path in (CONF / group).glob("*.yaml")
        if group != "model" or "\nnet:" in path.read_text()  # what models share is no model
    )


def pairs(*groups: str) -> list[tuple[str, str]]:
    return [(group, option) for group in groups for option in options(group)]


def composed(folder: Path, *overrides: str) -> DictConfig:
    """The config that `src.train` would check for these overrides."""
    register()
    with as_found(), initialize_config_dir(str(CONF), version_base="1.3"):
        return job(compose("train", [*overrides, f"run={folder}"], return_hydra_config=True))


def cured(folder: Path, *overrides: str) -> list[str]:
    """The overrides, with those that the check's own messages ask for until it is content."""
    needed = list(overrides)
    for _ in range(4):
        try:
            check(composed(folder, *needed))
        except ValueError as error:
            cure = CURE.search(str(error))
            if not cure:
                raise
            needed.append(cure[1])
        else:
            return needed
    raise AssertionError(f"no end of cures: {needed}")


@pytest.mark.parametrize(
    ("group", "option"), pairs("optimizer", "scheduler", "trainer", "callback", "search", "experiment", "debug")
)
def test_an_option_of_a_group_passes_the_check_as_it_is(group: str, option: str, tmp_path: Path) -> None:
    override = f"+callback={option}" if group == "callback" and option not in ("checkpoint", "progress") else ""
    override = override or (f"callback=[{option}]" if group == "callback" else f"{group}={option}")
    check(composed(tmp_path, override), is_here=False)


@pytest.mark.parametrize("option", options("logger"))
def test_a_logger_passes_the_check_and_builds(option: str, tmp_path: Path) -> None:
    if option in TRACKERS and not find_spec(option):
        pytest.skip(f"{option} is not installed: pip install '.[trackers]'")
    config = composed(tmp_path, f"logger=[{option}]")
    check(config)
    (built,) = build(plain(config.logger)).values()
    assert hasattr(built, "log_metrics")


@pytest.mark.parametrize("option", options("data"))
def test_data_build_and_read_nothing_before_they_are_set_up(option: str, tmp_path: Path) -> None:
    config = composed(tmp_path, f"data={option}", f"data_dir={tmp_path / 'nothing'}")
    if option in ASKED or OmegaConf.missing_keys(config.data):  # which asks a folder or a file what it is
        pytest.skip("what nobody but the user knows is looked at before it is built")
    fill(config)  # what scikit-learn brings along is no file of theirs
    data = build(plain(config.data))
    assert list(data.shape) == list(config.data.shape)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("option", options("model"))
def test_a_model_builds_with_every_parameter_in_its_net(option: str, tmp_path: Path) -> None:
    data = {"gcn": "karate", "rnn": "wordnet", "transformer": "wordnet", "unet": "discs_squares"}.get(option, "cifar10")
    config = composed(tmp_path, *cured(tmp_path, f"model={option}", f"data={data}"))
    model = build(plain(config.model))
    assert {name.partition(".")[0] for name, _ in model.named_parameters()} == {"net"}


@pytest.mark.parametrize("option", ["auto", "cpu"])
def test_a_trainer_builds_with_the_callbacks_and_loggers_of_its_groups(option: str, tmp_path: Path) -> None:
    config = composed(tmp_path, f"trainer={option}", "+callback=early_stopping")
    trainer = build(plain(config.trainer))
    names = {type(callback).__name__ for callback in trainer.callbacks}
    assert {"Checkpoint", "ProgressBar", "EarlyStopping"} <= names
    assert [type(logger).__name__ for logger in trainer.loggers] == ["TensorBoardLogger", "CSV"]


@pytest.mark.parametrize(("option", "kind"), [("gpu", torch.cuda), ("mps", torch.mps)])
def test_hardware_that_is_not_here_ends_the_run_before_it_has_a_folder(
    option: str, kind: Any, tmp_path: Path, train: Command
) -> None:
    if kind.is_available():
        pytest.skip("it is here")
    assert f"trainer.accelerator={option}" in train(f"trainer={option}").error
    assert "job trainer=" in train("-m", f"trainer=cpu,{option}").error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", options("debug"))
def test_a_debug_overlay_runs_on_the_default_data_and_leaves_no_checkpoint(option: str, train: Command) -> None:
    ended = train("model=softmax_regression", f"debug={option}", "trainer.max_epochs=1")
    assert ended.code == 0, ended.err
    assert not list(ended.run.rglob("*.ckpt"))


@pytest.mark.parametrize("option", options("callback"))
def test_a_callback_runs_through_an_epoch(option: str, train: Command) -> None:
    net = "airbench" if option == "whiten" else "softmax_regression"
    ended = train(f"model={net}", f"callback=[{option}]", "trainer.max_epochs=1", "data.batch_size=200")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("option", options("scheduler"))
def test_a_schedule_runs_through_an_epoch(option: str, train: Command) -> None:
    ended = train("model=softmax_regression", f"scheduler={option}", "trainer.max_epochs=1", "data.batch_size=200")
    assert ended.code == 0, ended.err


def class_folders(config: DictConfig) -> None:
    """Write ten images of each class where the data of a config are image files in class folders."""
    if config.data.get("unit"):  # texts
        wordnet_files(Path(config.data_dir))
    if "root" not in config.data or {"file", "masks"} & {*config.data} or config.data.get("unit"):
        return
    assert Path(config.data.root).is_relative_to(config.data_dir)
    names = config.data.labels or ["cat", "dog"]
    for split, name, number in product(("train", "test"), names, range(10)):
        path = Path(config.data.root, split, name, f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (20 * number, 0, 0)).save(path)


def named_photos(folder: Path) -> list[str]:
    """Write images and a table of two labels; return the overrides that name them."""
    (folder / "photos").mkdir()
    for number in range(20):
        Image.new("RGB", (32, 32), (12 * number, 0, 0)).save(folder / "photos" / f"{number}.png")
    rows = [f"{number}.png,{('cat', 'dog', 'cat|dog', '')[number % 4]}" for number in range(20)]
    (folder / "labels.csv").write_text("\n".join(["path,labels", *rows]))
    return [f"data.file={folder / 'labels.csv'}", f"data.root={folder / 'photos'}"]


def reviews(folder: Path) -> str:
    """Write a table of texts; return the override that names it."""
    (folder / "texts.csv").write_text("text,label\n" + "a good film,pos\na bad film,neg\n" * 20)
    return f"data.file={folder / 'texts.csv'}"


def masked_photos(folder: Path) -> str:
    """Write images and a mask for each; return the override that names the folder of both."""
    for number, name in product(range(20), ("images", "masks")):
        (folder / "masked" / name).mkdir(parents=True, exist_ok=True)
        pixels = Image.new("L", (32, 32), 12 * number if name == "images" else 0)
        pixels.paste(255, (number % 9, 4, 20, 20))
        pixels.save(folder / "masked" / name / f"{number}.png")
    return f"data.root={folder / 'masked'}"


MADE = {"text": reviews, "masks": masked_photos}


TWINS = ("cifar10_folder", "cifar2_folder", "fashionmnist")  # of the shape and the classes of another dataset


def cells() -> Iterator[Any]:
    """Every model on every dataset; what is like another cell but for the reader is for the soak."""
    for model, data in product(options("model"), options("data")):
        mark = pytest.mark.soak if data in TWINS and model != "fashion_cnn" else pytest.mark.slow
        yield pytest.param(model, data, marks=mark, id=f"{model}-{data}")


def asked(data: str, folder: Path) -> list[str]:
    """Write what nobody but the user knows of data; return the overrides that name it."""
    if data == "image_csv":
        return named_photos(folder)
    if data == "csv":
        return [f"data.file={write(folder / 'animals.csv', animals())}", "data.target=kind"]
    if data in MADE:
        return [MADE[data](folder)]
    return [f"data.root={folder / 'photos'}"] if data == "image_folder" else ASKED.get(data, [])


@pytest.mark.parametrize(("model", "data"), list(cells()))
def test_a_model_trains_on_a_dataset_or_says_what_cures_it_and_then_does(
    model: str, data: str, tmp_path: Path, train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MNIST", "FashionMNIST", "KMNIST"):
        mnist_files(tmp_path / "toy", name=name)
    cifar10_files(tmp_path / "toy")
    accept_cifar10(monkeypatch, tmp_path / "toy")
    wanted = [f"model={model}", f"data={data}", f"data_dir={tmp_path / 'toy'}", "data.batch_size=4", "debug=fast"]
    wanted += asked(data, tmp_path / "toy")
    class_folders(composed(tmp_path, *wanted))
    ended = train(*wanted)
    for _ in range(3):
        if cure := CURE.search(ended.err):
            wanted.append(cure[1])
            ended = train(*wanted)
    assert ended.code == 0 or re.fullmatch(r"error: .* choose (a|another) .*(model|net)[^\n]*\n", ended.err), ended.err


@pytest.mark.parametrize("option", options("experiment"))
def test_an_experiment_trains_two_batches_of_its_own_data(option: str, tmp_path: Path, train: Command) -> None:
    few = [f"trainer.limit_{split}_batches=2" for split in ("train", "val", "test")]
    few += ["trainer.max_epochs=1", "trainer.val_check_interval=1.0"]
    ended = train(f"experiment={option}", *few)
    if "cannot be fetched" in ended.err:  # the weights that torchvision publishes
        ended = train(f"experiment={option}", *few, "model.weights=null")
    if "DATA_DIR" in ended.err:
        pytest.skip(f"DATA_DIR has no data for experiment={option}")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("option", options("experiment"))
def test_an_experiment_opens_with_its_command_and_states_a_figure(option: str, tmp_path: Path) -> None:
    lines = (CONF / "experiment" / f"{option}.yaml").read_text().splitlines()
    expect = plain(composed(tmp_path, f"experiment={option}"))["expect"]
    assert re.match(rf"# python -m src\.train (-m )?experiment={option}\b", lines[1])
    assert expect["metric"].count("/") == 1
    assert {"at_least", "at_most", "within"} & set(expect)
