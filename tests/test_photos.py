"""A person's own photographs need no YAML: a folder per class is enough, in one tree or in train, val and test."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from src.run import load
from tests.conftest import UNDRAWN, Command

SMALL = ("model=shallow_cnn", "data=image_folder", "trainer.max_epochs=1", "data.batch_size=4", UNDRAWN)


def photos(root: Path, classes: tuple[str, ...] = ("cat", "dog"), *, each: int = 8, side: int = 24) -> Path:
    """Write noise of each class's own brightness, in several modes and formats."""
    random = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for k in range(each):
            pixels = random.integers(0, 60, (side, side, 3), dtype=np.uint8) + 90 * number
            mode, suffix = [("RGB", "jpg"), ("RGBA", "png"), ("L", "png"), ("CMYK", "jpg")][k % 4]
            Image.fromarray(pixels).convert(mode).save(root / name / f"{k}.{suffix}")
    return root


def test_a_folder_per_class_trains_and_the_record_says_what_the_folder_told(tmp_path: Path, train: Command) -> None:
    root = photos(tmp_path / "my photos")
    ended = train(*SMALL, f"data.root='{root}'")
    assert ended.code == 0, ended.err
    data = OmegaConf.load(ended.run / ".hydra" / "config.yaml").data
    assert list(data.labels) == ["cat", "dog"]
    assert (data.channels, data.image_size, list(data.official)) == (3, 24, ["train"])
    assert json.loads((ended.run / "run.json").read_text())["metrics"].keys() >= {"val/loss", "test/accuracy"}


def test_the_trained_run_is_used_resumed_and_scored_without_asking_the_folder_again(
    tmp_path: Path, train: Command, evaluate: Command
) -> None:
    root = photos(tmp_path / "photos")
    run = train(*SMALL, f"data.root={root}").run
    (root / "emu").mkdir()  # another class, later
    shutil.copy(root / "cat" / "0.jpg", root / "emu")
    assert load(run).classes == ["cat", "dog"]
    refused = evaluate(f"run={run}")
    assert "has a folder emu, but data.labels=['cat', 'dog']" in refused.error
    shutil.rmtree(root / "emu")
    assert evaluate(f"run={run}").code == 0
    assert train(f"run={run}", "trainer.max_epochs=2").code == 0


def test_every_job_of_a_sweep_records_the_folders_facts(tmp_path: Path, train: Command) -> None:
    root = photos(tmp_path / "photos")
    ended = train("-m", *SMALL, f"data.root={root}", "seed=0,1")
    assert ended.code == 0, ended.err
    assert len(ended.runs) == 2
    assert all(load(run).classes == ["cat", "dog"] for run in ended.runs)


def test_two_folders_are_two_results(tmp_path: Path, train: Command) -> None:
    for name in ("one", "two"):
        photos(tmp_path / name)
    runs = train("-m", *SMALL, f"data.root={tmp_path / 'one'},{tmp_path / 'two'}").runs
    hashes = {json.loads((run / "run.json").read_text())["config_hash"] for run in runs}
    assert len(runs) == len(hashes) == 2


def test_three_folders_of_splits_are_served_as_they_are(tmp_path: Path, train: Command) -> None:
    for split in ("train", "val", "test"):
        photos(tmp_path / "tree" / split, each=4)
    ended = train(*SMALL, f"data.root={tmp_path / 'tree'}")
    assert ended.code == 0, ended.err
    assert list(OmegaConf.load(ended.run / ".hydra" / "config.yaml").data.official) == ["train", "val", "test"]


def empty(root: Path) -> None:
    root.mkdir()


def one_class(root: Path) -> None:
    photos(root, ("cat",))


def no_test_dogs(root: Path) -> None:
    photos(root / "train")
    photos(root / "test", ("cat", "bird"))


def corrupt(root: Path) -> None:
    photos(root)
    content = (root / "dog" / "0.jpg").read_bytes()
    (root / "dog" / "0.jpg").write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
    ("make", "overrides", "words"),
    [
        (empty, (), "holds no class: put a folder of images per class there"),
        (one_class, (), "holds one class, cat: put a folder of images per class there"),
        (no_test_dogs, (), "has no folder of the class dog"),
        (corrupt, (), "dog/0.jpg is no image that can be read"),
        (photos, ("data.classes=[cat, dgo]",), "'dgo', which the dataset does not have: did you mean dog?"),
        (photos, ("data.on_bad_file=ignore",), "data.on_bad_file=ignore: choose from stop, skip"),
        (photos, ("model=xai_vgg",), "set data.image_size=48"),
        (photos, ("model.weights=nowhere.ckpt",), "checkpoint nowhere.ckpt does not exist"),
        (photos, ("model.trainable=last_stage",), "does not say which of its modules these are: choose all, head"),
        (photos, ("data.mixup=-1",), "data.mixup=-1"),
        (photos, ("data.random_resized_crop=[0.5]",), "two shares of the area"),
        (photos, ("data.crop_padding=2",), "one crop or the other"),
    ],
)
def test_what_cannot_be_learnt_from_is_one_line_that_cures_it(make, overrides, words, tmp_path, train):
    make(tmp_path / "photos")
    assert words in train(*SMALL, f"data.root={tmp_path / 'photos'}", *overrides).error


def test_a_corrupt_photograph_is_left_out_and_counted_where_that_is_asked(tmp_path, train, caplog):
    corrupt(tmp_path / "photos")
    with caplog.at_level(logging.WARNING):
        ended = train(*SMALL, f"data.root={tmp_path / 'photos'}", "data.on_bad_file=skip")
    assert ended.code == 0, ended.err
    assert "files cannot be read and are skipped" in caplog.text + (ended.run / "train.log").read_text()


def test_without_a_root_the_message_asks_for_it(train):
    assert "data.root is missing: set data.root=" in train(*SMALL).error


RECIPES = (
    "data.mixup=0.2", "data.cutmix=1.0", "model.loss.label_smoothing=0.1", "model.class_weights=balanced",
    "model.spare_norms_and_biases=true", "+callback=ema",
)  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_a_word_and_its_run_is_scored_again_to_the_same(recipe, train, evaluate):
    ended = train(
        "model=lenet5", UNDRAWN, "data.image_size=28", "trainer.max_epochs=1", "optimizer.weight_decay=0.1", recipe
    )
    assert ended.code == 0, ended.err
    metrics = json.loads((ended.run / "run.json").read_text())["metrics"]
    again = evaluate(f"run={ended.run}")
    assert again.code == 0, again.err
    assert f"{metrics['test/loss']:.4f}" in again.out


def test_one_checkpoint_per_epoch_is_kept_and_each_is_scored(train, evaluate):
    run = train("model=softmax_regression", UNDRAWN, "trainer.max_epochs=3", "+callback=checkpoint_every").run
    names = {path.name for path in (run / "checkpoints").glob("*.ckpt")}
    assert {"epoch=000.ckpt", "epoch=001.ckpt", "epoch=002.ckpt", "best.ckpt", "last.ckpt"} <= names
    ended = evaluate(f"run={run}", "checkpoint=all")
    assert all(name in ended.out for name in names)
