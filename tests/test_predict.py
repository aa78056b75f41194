"""`src.predict`: what a run's net says of files, folders, patterns and splits."""

import csv
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from src.run import load
from src.run.record import read
from tests.conftest import ROOT, SHORT, Command

LAST = 360  # the test split: the last samples


def table(run: Path, name: str) -> list[dict[str, str]]:
    with (run / "predictions" / f"input_{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lines(run: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (run / "predictions" / f"input_{name}.jsonl").read_text("utf-8").splitlines()]


def digit(number: int) -> Image.Image:
    """A test image as scikit-learn has it, 0..16 stretched to bytes."""
    return Image.fromarray((load_digits().images[-LAST + number] * 255 / 16).round().astype(np.uint8))


def label(run: Path, image: Image.Image) -> str:
    """The label of one image as a notebook would get it."""
    trained = load(run)
    assert trained.classes is not None
    with torch.no_grad():
        return trained.classes[int(trained.net(trained.preprocess(image)).argmax())]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of many sizes and modes, with unusual names, among files that are none."""
    folder = tmp_path / "my, [photos] {x}"
    (folder / "below").mkdir(parents=True)
    for mode, size, name in [
        ("RGB", (300, 20), "wide.jpg"),
        ("L", (1, 1), "a=b, [1] é $x$.png"),
        ("RGBA", (40, 60), "below/opaque.PNG"),
        ("P", (33, 17), "palette.gif"),
        ("1", (9, 9), "bits.bmp"),
        ("CMYK", (20, 20), "print.jpg"),
        ("I;16", (20, 20), "deep.png"),
    ]:
        Image.new(mode, size).save(folder / name)
    digit(3).save(folder / "three.tiff")
    (folder / "torn.jpg").write_bytes((folder / "wide.jpg").read_bytes()[:100])
    (folder / "no.png").write_text("no image")
    (folder / "empty.png").touch()
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "notes.txt").write_text("no image, and not said to be one")
    return folder


def test_the_share_of_right_labels_is_the_accuracy_that_training_recorded(finished: Path, predict: Command) -> None:
    ended = predict("run=last", "input=test")
    assert (ended.code, ended.err) == (0, "")
    rows = table(finished, "test")
    assert len(rows) == LAST
    right = sum(row["label"] == row["target"] for row in rows) / LAST
    assert right == pytest.approx(read(finished)["metrics"]["test/accuracy"], abs=1e-7)
    assert [row["target"] for row in rows] == [str(label) for label in load_digits().target[-LAST:]]


def test_image_files_are_labelled_as_the_same_images_in_the_split_are(
    finished: Path, predict: Command, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    for number in range(40):
        digit(number).save(tmp_path / "files" / f"{number:03}.png")
    assert predict("run=last", "input=files", "data.batch_size=7").code == 0
    assert predict("run=last", "input=test").code == 0
    files, split = lines(finished, "files"), lines(finished, "test")[:40]
    assert [row["label"] for row in files] == [row["label"] for row in split]
    assert [row["probability"] for row in files] == pytest.approx([row["probability"] for row in split], abs=1e-6)


def test_every_size_and_mode_is_labelled_and_what_cannot_be_read_is_a_row(
    finished: Path, predict: Command, photos: Path
) -> None:
    ended = predict("run=last", f"input={photos}")
    assert (ended.code, ended.err) == (0, "")
    rows = {Path(row["path"]).name: row for row in lines(finished, "my_photos_x")}
    assert set(rows) == {path.name for path in photos.rglob("*.*")} - {"notes.txt"}
    bad = {name for name, row in rows.items() if row["error"]}
    assert bad == {"torn.jpg", "no.png", "empty.png", "gone.png"}
    for name, row in rows.items():
        assert ("label" in row) == (name not in bad)
        assert row["error"] is None or str(row["error"]) in ended.out
    assert rows["three.tiff"]["label"] == label(finished, digit(3))
    assert "12 samples, 4 that cannot be read" in ended.out


def test_a_csv_row_and_a_json_line_say_the_same_and_the_probabilities_are_ranked(
    finished: Path, predict: Command
) -> None:
    assert predict("run=last", "input=test", "top_k=10").code == 0
    for row, line in zip(table(finished, "test"), lines(finished, "test"), strict=True):
        values = [entry["probability"] for entry in line["top_k"]]
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-5)
        assert (row["path"], row["label"], row["label_2"]) == (line["path"], line["label"], line["top_k"][1]["label"])
        assert float(row["probability_10"]) == values[9]


def test_more_labels_than_classes_are_all_classes(finished: Path, predict: Command) -> None:
    assert predict("run=last", "input=test", "n=1", "top_k=100").code == 0
    assert len(lines(finished, "test_1")[0]["top_k"]) == 10


@pytest.mark.parametrize("name", ["a b, [1].png", "it's.png", 'say "hi".png', "{x}$y.png", "ü=1.png", "*.png"])
def test_a_file_of_any_name_is_found_by_its_name(name: str, finished: Path, predict: Command, tmp_path: Path) -> None:
    for file in (name, "1.png", "other.png"):
        digit(0).save(tmp_path / file)
    assert predict("run=last", f"input={name}", "out=there").code == 0
    (found,) = (tmp_path / "there" / "predictions").glob("*.jsonl")
    assert [json.loads(line)["path"] for line in found.read_text("utf-8").splitlines()] == [name]
    assert not list(finished.rglob("input_*"))


def test_a_name_that_is_no_text_is_escaped(finished: Path, predict: Command, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    name = b"files/\xff\x1b[31m\n.png"
    digit(0).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(tmp_path / os.fsdecode(name))
    ended = predict("run=last", "input=files")
    assert (ended.code, ended.err) == (0, "")
    (row,) = lines(finished, "files")
    assert row["path"] == r"files/\xff\x1b[31m\n.png"
    assert "\x1b" not in ended.out


def test_a_pattern_names_what_it_matches_and_no_more(finished: Path, predict: Command, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "of [a b]").mkdir()
    (tmp_path / "of a").mkdir()
    for file in (
        "b1.png",
        "b2.png",
        "c1.png",
        "deep/b3.png",
        "deep/er/b4.png",
        "of [a b]/a1.png",
        "of [a b]/a2.png",
        "of a/a3.png",
    ):
        digit(0).save(tmp_path / file)
    for pattern, names in {
        "b*.png": ["b1", "b2"],
        "**/b[0-9]*": ["b1", "b2", "b3", "b4"],
        "[bc]1.png": ["b1", "c1"],
        "of [a b]/*.png": ["a1", "a2"],
        "of [a b]/**/*.png": ["a1", "a2"],
    }.items():
        assert predict("run=last", f"input={pattern}", "out=there").code == 0
        (found,) = (tmp_path / "there" / "predictions").glob("*.jsonl")
        paths = [json.loads(line)["path"] for line in found.read_text().splitlines()]
        assert sorted(Path(path).stem for path in paths) == names
        for path in found.parent.iterdir():
            path.unlink()


def test_a_folder_a_pattern_a_file_and_a_split_have_files_of_their_own(
    finished: Path, predict: Command, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    for file in ("here/a.png", "here/b.bmp", "c.png"):
        digit(0).save(tmp_path / file)
    for source in ("here", "here/*.png", "here/*.bmp", "*.png", "c.png", "test"):
        assert predict("run=last", f"input={source}", "out=there").code == 0
    assert len(list((tmp_path / "there" / "predictions").glob("*.csv"))) == 6


def test_one_at_random_is_another_one_each_time_and_has_its_own_label(finished: Path, predict: Command) -> None:
    targets, seen = load_digits().target[-LAST:], set()
    for _ in range(6):
        assert predict("run=last", "input=test", "n=1").code == 0
        (row,) = table(finished, "test_1")
        number = int(row["path"].removeprefix("test/"))
        assert row["target"] == str(targets[number])
        assert row["label"] == label(finished, digit(number))
        seen.add(number)
    assert len(seen) > 1  # once in 6e12 it is not
    assert not (finished / "predictions" / "input_test.csv").exists()


def test_val_is_the_split_that_training_validated_on(finished: Path, predict: Command) -> None:
    assert predict("run=last", "input=val").code == 0
    rows = table(finished, "val")
    labels = load_digits().target[:-LAST]
    assert [row["target"] for row in rows] == [str(labels[int(row["path"].removeprefix("train/"))]) for row in rows]
    assert len({row["path"] for row in rows}) == len(rows) == round(0.1 * len(labels))


def test_a_binary_net_gives_the_probability_of_both_classes(train: Command, predict: Command) -> None:
    run = train("experiment=gate_or", "trainer.max_epochs=3", "data.passes=100").run
    assert predict(f"run={run}", "input=test").code == 0
    rows = lines(run, "test")
    assert [row["target"] for row in rows] == ["0", "1", "1", "1"]
    for row in rows:
        assert {entry["label"] for entry in row["top_k"]} == {"0", "1"}
        assert sum(entry["probability"] for entry in row["top_k"]) == pytest.approx(1)
        assert row["probability"] >= 0.5
    accuracy = read(run)["metrics"]["test/accuracy"]
    assert sum(row["label"] == row["target"] for row in rows) / 4 == pytest.approx(accuracy)
    assert not (run / "figures").exists() or not list((run / "figures").glob("input_*"))


def test_a_regression_net_gives_its_number(train: Command, predict: Command) -> None:
    run = train("experiment=temperature_linear", "trainer.max_epochs=1", "data.passes=1").run
    ended = predict(f"run={run}", "input=val")
    assert (ended.code, ended.err) == (0, "")
    rows = table(run, "val")
    assert list(rows[0]) == ["path", "target", "prediction", "error"]
    loss = sum((float(row["prediction"]) - float(row["target"])) ** 2 for row in rows) / len(rows)
    assert loss == pytest.approx(read(run)["metrics"]["val/loss"], rel=1e-4)


BAD = {
    "no input": (["run=last"], ["input is missing", "set input="]),
    "no such file": (["run=last", "input=nowhere"], ["input=nowhere", "no such file"]),
    "a folder without images": (["run=last", "input=empty"], ["input=empty", "no image in this folder"]),
    "no match": (["run=last", "input=*.xyz"], ["input=*.xyz", "matches"]),
    "no label": (["run=last", "input=test", "top_k=0"], ["top_k=0", "at least 1"]),
    "no sample": (["run=last", "input=test", "n=0"], ["n=0", "at least 1"]),
    "every checkpoint": (["run=last", "input=test", "checkpoint=all"], ["checkpoint=all", "best, last"]),
    "no such checkpoint": (["run=last", "input=test", "checkpoint=x.ckpt"], ["checkpoint=x.ckpt", "best, last"]),
    "a key at the top": (["run=last", "input=test", "topk=1"], ["topk", "top_k"]),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], named: list[str], finished: Path, predict: Command
) -> None:
    (finished.parents[2] / "empty").mkdir()
    before = sorted(finished.rglob("*"))
    error = predict(*arguments).error
    for word in named:
        assert word in error
    assert [path for path in sorted(finished.rglob("*")) if path.is_file()] == [p for p in before if p.is_file()]


def test_a_run_without_a_finished_checkpoint_says_how_to_go_on(finished: Path, predict: Command) -> None:
    for path in (finished / "checkpoints").iterdir():
        path.unlink()
    error = predict(f"run={finished}", "input=test").error
    assert "no checkpoint" in error
    assert f"python -m src.train run={finished}" in error


def test_a_table_takes_no_image_files(train: Command, predict: Command, photos: Path) -> None:
    run = train("experiment=gate_or", "trainer.max_epochs=1", "data.passes=1").run
    error = predict(f"run={run}", f"input={photos}").error
    assert "rows of a table" in error
    assert "input=test" in error


def test_data_without_a_test_split_say_what_to_give(train: Command, predict: Command) -> None:
    run = train("experiment=temperature_linear", "trainer.max_epochs=1", "data.passes=1").run
    assert "input=val" in predict(f"run={run}", "input=test").error


@pytest.mark.slow
def test_ten_times_as_many_files_take_no_more_memory(train: Command, tmp_path: Path) -> None:
    run = train(*SHORT, "data.image_size=64").run
    numbers = random.Random(0)
    (tmp_path / "many").mkdir()
    content = []
    for _ in range(50):
        digit(numbers.randrange(LAST)).resize((64, 64)).save(tmp_path / "one.png")
        content.append((tmp_path / "one.png").read_bytes())
    peaks = {}
    for count in (1_000, 10_000):
        for number in range(count):
            (tmp_path / "many" / f"{number:05}.png").write_bytes(content[number % 50])
        code = (
            "import resource, runpy, sys; sys.argv = ['src/predict.py', *sys.argv[1:]]\n"
            "runpy.run_module('src.predict', run_name='__main__')\n"
            "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, f"run={run}", f"input={tmp_path / 'many'}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"{count} samples, 0 that cannot be read" in done.stdout
        peaks[count] = int(done.stdout.split("peak ")[1])
        (path,) = (run / "predictions").glob("input_many*.csv")  # with a hash: the folder is not the current one
        assert len(path.read_text("utf-8").splitlines()) == count + 1
    assert peaks[10_000] - peaks[1_000] < 40 * 1024, peaks  # KiB; the net's inputs alone are 9,000 of 16 KiB
