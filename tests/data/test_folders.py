"""Folders that are splits or classes by their names: taken where that is plain, refused where it is not, said else."""

import logging
import os
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from src.data.read.folders import say_once
from src.data.read.image_folder import image_folder
from tests.data.test_image_folder import folder_data

SHAPES = (str.lower, str.upper, str.title)


def write(*folders: Path | bytes, images: int = 2) -> None:
    """Write a few images into each folder."""
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
        for number in range(images):
            path = os.path.join(os.fsencode(folder), b"%d.png" % number)
            with open(path, "wb") as file:
                Image.new("RGB", (8, 8), (number, 100, 200)).save(file, "png")


def split(root: Path, **names: str) -> None:
    """Write two classes into each of some splits."""
    for count, name in enumerate(names.values(), start=2):
        write(root / name / "cat", root / name / "dog", images=count)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("training", "validation", "testing"),
        ("train", "valid", "test"),
        ("train", "dev", "test"),
        ("training_set", "validation set", "test-set"),
        ("trainset", "valset", "testset"),
        ("train_images", "val_images", "test_images"),
    ],
)
def test_splits_are_known_by_their_plain_names(tmp_path, shape, train, val, test):
    split(tmp_path, train=shape(train), val=shape(val), test=shape(test))
    told = image_folder.facts(root=str(tmp_path))
    assert (told["labels"], told["official"]) == (["cat", "dog"], ["train", "val", "test"])
    for name, folder, each in (("train", train, 2), ("val", val, 3), ("test", test, 4)):
        files, target_N = image_folder.read(str(tmp_path), labels=["cat", "dog"], split=name)
        assert {Path(path).parent.parent.name for path in files.paths} == {shape(folder)}
        assert target_N.tolist() == [0] * each + [1] * each


@pytest.mark.parametrize(("one", "other"), [("val", "valid"), ("train", "Training"), ("Test", "TESTING")])
def test_two_folders_of_one_split_are_refused_by_their_names(tmp_path, one, other):
    split(tmp_path, train="train", one=one, other=other)
    with pytest.raises(ValueError, match=rf"holds {min(one, other)} and {max(one, other)}, which are one split: "):
        image_folder.facts(root=str(tmp_path))


@pytest.mark.parametrize(
    "names",
    [
        *(["cat", "test"], ["cat", "Train"], ["cat", "valid"], ["cat", "dog", "Validation"], ["test", "val"]),
        *(["seg_train", "seg_test"], ["train1", "cat"], ["trainA", "trainB"], ["fold0", "fold1"], ["split_1", "x"]),
        *(["eval", "holdout"], ["my train", "my val", "x"], ["__MACOSX", "cat"], ["@eaDir", "cat", "dog"]),
        *(["lost+found", "cat"], ["$RECYCLE.BIN", "a", "b"]),
    ],
)
def test_a_class_that_is_hardly_one_by_its_name_is_refused_by_it_unless_it_is_said_to_be_one(tmp_path, names):
    write(*(tmp_path / name for name in names))
    named = "|".join(re.escape(name) for name in names if name not in ("cat", "dog", "a", "b", "x"))
    with pytest.raises(ValueError, match=rf"({named}).*(data\.labels=\[|put a folder per class)"):
        image_folder.facts(root=str(tmp_path))
    told = image_folder.facts(root=str(tmp_path), labels=sorted(names))
    assert told["labels"] == sorted(names)
    assert len(image_folder.read(str(tmp_path), labels=sorted(names), split="train")[0]) == 2 * len(names)


@pytest.mark.parametrize(
    "names", [["steam_train", "bus"], ["test_tube", "flask"], ["invalid", "latest"], ["device", "x"]]
)
def test_words_that_only_hold_the_name_of_a_split_are_classes(tmp_path, names):
    write(*(tmp_path / name for name in names))
    assert image_folder.facts(root=str(tmp_path))["labels"] == sorted(names)


def test_a_split_beside_the_classes_that_it_holds_is_refused(tmp_path):
    split(tmp_path, train="train")
    write(tmp_path / "cat", tmp_path / "dog")
    with pytest.raises(ValueError, match=r"holds train, a split by its name, beside cat, dog: .*/train, or where"):
        image_folder.facts(root=str(tmp_path))


def test_a_folder_beside_the_splits_is_named_as_left_out(tmp_path, caplog):
    split(tmp_path, train="train", test="test")
    write(tmp_path / "unlabelled", tmp_path / "test2")
    with caplog.at_level(logging.WARNING):
        assert image_folder.facts(root=str(tmp_path))["official"] == ["train", "test"]
    assert "the folders test2, unlabelled are no split and are left out" in caplog.text


def test_splits_inside_classes_are_refused(tmp_path):
    write(*(tmp_path / name / part for name in ("cat", "dog") for part in ("train", "test")))
    with pytest.raises(ValueError, match=r"cat holds splits: put classes into splits, such as .*/train/cat"):
        image_folder.facts(root=str(tmp_path))


@pytest.mark.parametrize("names", [("01_train", "02_test"), ("Trainingsdaten", "Testdaten"), ("tr", "te", "va")])
def test_two_or_three_folders_of_the_same_folders_may_be_splits_and_are_refused_unless_named_or_in_one(tmp_path, names):
    write(*(tmp_path / "train" / name / part for name in names for part in ("cat", "dog")))
    with pytest.raises(ValueError, match=r"each with folders cat, dog, as splits hold classes: .*, data\.labels=\["):
        image_folder.facts(root=str((tmp_path / "train").rename(tmp_path / "photos")))
    assert image_folder.facts(root=str(tmp_path / "photos"), labels=names)["labels"] == sorted(names)
    (tmp_path / "photos").rename(tmp_path / "train")
    assert image_folder.facts(root=str(tmp_path))["labels"] == sorted(names)


def test_a_folder_around_the_classes_is_named_as_the_root_that_was_meant(tmp_path):
    split(tmp_path / "unpacked", train="train", test="test")
    with pytest.raises(ValueError, match=r"holds one class, unpacked: .* set data\.root=.*/unpacked$"):
        image_folder.facts(root=str(tmp_path))


def test_an_official_split_without_a_folder_is_refused_and_not_the_training_set_again(tmp_path):
    write(tmp_path / "cat", tmp_path / "dog")
    with pytest.raises(FileNotFoundError, match=r"no folder of the split test: .*data\.official"):
        image_folder.read(str(tmp_path), labels=["cat", "dog"], split="test")


def test_a_test_folder_without_classes_can_be_left_out_by_the_official_splits(tmp_path):
    split(tmp_path, train="train")
    write(tmp_path / "test", images=5)
    labels = ["cat", "dog"]
    with pytest.raises(ValueError, match="test holds no class"):
        image_folder.read(str(tmp_path), labels=labels, split="train")
    data = folder_data(tmp_path, image_size=8, official=["train"], test_fraction=0.5, val_fraction=0.0)
    data.setup("test")
    assert all("/train/" in path for path in data.paths("test"))


ODD = [
    *(b"${oc.env:SECRET}", b"${data.root}", rb"\${x}", b"$5", b"$a$", b"???", b"caf\xe9", b"a\nb", b"a\tb"),
    *(b"-rf", b"=1+1", b"[bold]red[/]", b"<script>alert(1)</script>", b"{a}", b"%s", b"a,b", b'"q"', b"'", b"null"),
    *(
        b"1e3",
        b"007",
        b"~",
        b"yes",
        b" x ",
        b"#1",
        b"a: b",
        b"\\input{x}",
        "사진".encode(),
        "\u202eexe".encode(),
        b"&amp;",
    ),
]


def test_a_class_of_any_name_keeps_its_images_and_is_called_by_a_text_that_nothing_resolves(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    root = os.fsencode(tmp_path)
    for count, name in enumerate(sorted(ODD, key=os.fsdecode), start=1):
        write(os.path.join(root, name), images=count)
    labels = image_folder.facts(root=str(tmp_path))["labels"]
    assert len(set(labels)) == len(ODD)
    for label in labels:
        label.encode()  # is text
        assert "${" not in label
        assert not set(label) & set("\n\t\r\u202e")
    assert [r"\x24{oc.env:SECRET}" in labels, r"\x3f??" in labels, r"caf\xe9" in labels, "$5" in labels] == [True] * 4
    _, target_N = image_folder.read(str(tmp_path), labels=labels, split="train")
    assert torch.bincount(target_N).tolist() == list(range(1, len(ODD) + 1))


def test_two_classes_that_read_the_same_are_refused(tmp_path):
    write(os.path.join(os.fsencode(tmp_path), b"caf\xe9"), tmp_path / r"caf\xe9", tmp_path / "dog")
    with pytest.raises(ValueError, match=r"holds two folders that read caf\\xe9: rename one"):
        image_folder.facts(root=str(tmp_path))


def test_a_line_is_said_once(caplog):
    say_once("this line of a test")
    say_once("this line of a test")
    assert caplog.text.count("this line of a test") == 1


def test_what_a_program_left_beside_classes_that_are_named_is_left_out_and_said(tmp_path, caplog):
    write(tmp_path / "cat", tmp_path / "dog", tmp_path / "__MACOSX")
    with caplog.at_level(logging.WARNING):
        files, _ = image_folder.read(str(tmp_path), labels=["cat", "dog"], split="train")
    assert len(files) == 4
    assert "__MACOSX, left by a program, is no class and left out" in caplog.text
