"""What a run listed as test stays test, whatever is added to the data, renamed, removed or changed since."""

import json
import logging
import os
import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from src.data.dataset import dataset
from src.data.module import Data
from src.data.read.image_folder import image_folder
from src.data.split.sample_list import FILE

FLAT: dict[str, Any] = {"official": ("train",), "val_fraction": 0.2, "test_fraction": 0.3}
FOLD: dict[str, Any] = {"official": ("train",), "folds": 4, "fold": 2, "test_fraction": 0.3}
TREE: dict[str, Any] = {"official": ("train", "test"), "val_fraction": 0.25}
CUTS = {"flat": FLAT, "fold": FOLD, "tree": TREE}
SPLITS = ("train", "val", "test")


def photo(path: Path) -> None:
    """Write a picture whose pixels, and whose size in bytes, follow from its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = random.Random(os.fsencode(path.name))
    image = Image.new("L", (6, 6))
    image.putdata([seed.randrange(256) for _ in range(36)])
    image.save(path, "BMP")
    with path.open("ab") as file:
        file.write(bytes(seed.randrange(200)))


def photos(root: Path, *, tree: bool) -> Path:
    for split in ("train", "test") if tree else (".",):
        for number in range(20):
            photo(root / split / ("cat" if number % 2 else "dog") / f"{number:02d}.bmp")
    return root


def pictures(root: Path, run: Path, *, trains: bool = False, **cut: Any) -> Data:
    facts: dict[str, Any] = {"shape": (1, 6, 6), "labels": ["cat", "dog"], "classes": ["cat", "dog"], "channels": 1}
    data = image_folder(root=str(root), task="multiclass", batch_size=4, workers=0, **facts, **cut)
    data.recorded_split(run, trains=trains)
    return data


def read(data: Data, root: Path) -> dict[str, list[str]]:
    """Return the names of each split's samples, below `root`."""
    for stage in ("fit", "test"):
        data.setup(stage)
    return {split: [os.path.relpath(name, root) for name in data.names(split)] for split in SPLITS}


def a_file_of(split: str, listed: dict[str, list[str]], root: Path) -> Path:
    return root / listed[split][len(listed[split]) // 2]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("place", ["train", "val", "test"])
@pytest.mark.parametrize("change", ["added", "renamed", "removed"])
def test_a_file_that_is_added_renamed_or_removed_moves_no_other_one(tmp_path, caplog, cut, place, change):
    root, run = photos(tmp_path / "photos", tree=cut == "tree"), tmp_path
    before = read(pictures(root, run, trains=True, **CUTS[cut]), root)
    path = a_file_of(place, before, root)
    gone = {os.path.relpath(path, root)} if change != "added" else set()
    if change == "removed":
        path.unlink()
    elif change == "renamed":
        path.rename(path.with_name("!.bmp"))
    else:
        photo(path.with_name("!.bmp"))
    found = read(pictures(root, run, **CUTS[cut]), root)
    assert found == {split: [name for name in names if name not in gone] for split, names in before.items()}
    (said,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert ("1 added, which are left out (" in said) == (change != "removed")
    assert (f"1 gone (1 of {place}: " in said) == (change != "added")


@pytest.mark.parametrize("cut", CUTS)
def test_without_a_list_the_samples_are_cut_as_they_were_before_there_were_lists(tmp_path, cut):
    root = photos(tmp_path / "photos", tree=cut == "tree")
    listed = read(pictures(root, tmp_path, trains=True, **CUTS[cut]), root)
    (tmp_path / FILE).unlink()
    assert read(pictures(root, tmp_path, **CUTS[cut]), root) == listed
    assert not (tmp_path / FILE).exists()  # whoever scores a run writes nothing


def test_a_changed_file_keeps_its_split_and_is_named(tmp_path, caplog):
    root = photos(tmp_path / "photos", tree=False)
    before = read(pictures(root, tmp_path, trains=True, **FLAT), root)
    path = a_file_of("test", before, root)
    path.write_bytes(path.read_bytes() + b" ")
    assert read(pictures(root, tmp_path, **FLAT), root) == before
    assert f"1 changed (1 of test: {os.path.relpath(path, root)})" in caplog.text


@pytest.mark.parametrize("change", ["gone", "changed"])
@pytest.mark.parametrize(("place", "refused"), [("train", True), ("val", False), ("test", False)])
def test_a_run_does_not_go_on_without_a_sample_that_it_trained_on(tmp_path, change, place, refused):
    root = photos(tmp_path / "photos", tree=False)
    path = a_file_of(place, read(pictures(root, tmp_path, trains=True, **FLAT), root), root)
    path.unlink() if change == "gone" else path.write_bytes(path.read_bytes() + b" ")
    said = rf"1 {change} \(1 of train: .*put the training samples back as they were"
    with pytest.raises(ValueError, match=said) if refused else nullcontext():
        pictures(root, tmp_path, trains=True, **FLAT).setup("fit")


@pytest.mark.parametrize("settings", [{}, {"horizontal_flip": "alternating", "crop_padding": 1}])
def test_a_run_goes_on_with_the_same_batches_after_a_file_is_added(tmp_path, settings):
    root, epochs = photos(tmp_path / "photos", tree=False), []
    for _ in range(2):
        data = pictures(root, tmp_path, trains=True, **FLAT, **settings)
        data.setup("fit")
        epochs.append(list(data.train_dataloader()))
        photo(root / "cat" / "!.bmp")
    for one, other in zip(*epochs, strict=True):
        assert all(torch.equal(*both) for both in zip(one, other, strict=True))


def test_a_copy_of_the_folder_elsewhere_is_the_same_data(tmp_path, caplog):
    root = photos(tmp_path / "photos", tree=True)
    before = read(pictures(root, tmp_path, trains=True, **TREE), root)
    moved = Path(shutil.move(root, tmp_path / "archive"))
    photo(moved / "train" / "cat" / "!.bmp")
    assert read(pictures(moved, tmp_path, **TREE), moved) == before
    assert "1 added" in caplog.text
    assert "gone" not in caplog.text


def test_a_run_is_scored_on_others_photographs_as_a_whole(tmp_path, caplog):
    root, others = photos(tmp_path / "photos", tree=True), tmp_path / "others"
    read(pictures(root, tmp_path, trains=True, **TREE), root)
    for split in ("train", "test"):
        for number in range(100, 112):
            photo(others / split / ("cat" if number % 2 else "dog") / f"{number}.bmp")
    assert len(read(pictures(others, tmp_path, **TREE), others)["test"]) == 12
    assert f"12 samples in {others / 'test'} are none of run={tmp_path}" in caplog.text


def test_a_folder_whose_files_have_all_been_renamed_is_not_taken_for_another(tmp_path):
    root = photos(tmp_path / "photos", tree=False)
    read(pictures(root, tmp_path, trains=True, **FLAT), root)
    for path in list(root.rglob("*.bmp")):
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(ValueError, match=r"none of the 6 test samples .* is there"):
        pictures(root, tmp_path, **FLAT).setup("test")


def test_names_of_any_bytes_are_listed_and_found_again(tmp_path):
    root = photos(tmp_path / "photos", tree=False)
    for name in (b"caf\xe9.bmp", b"${run}\n.bmp", "사진.bmp".encode()):
        photo(root / "cat" / os.fsdecode(name))
    before = read(pictures(root, tmp_path, trains=True, **FLAT), root)
    assert read(pictures(root, tmp_path, **FLAT), root) == before
    listed = json.loads((tmp_path / FILE).read_text())["splits"]
    assert {split: list(entry["samples"]) for split, entry in listed.items()} == before


@pytest.mark.parametrize(
    ("key", "value"), [("val_fraction", 0.4), ("test_fraction", 0.2), ("split_seed", 1), ("folds", 2)]
)
def test_other_settings_than_those_that_the_run_was_divided_with_are_refused(tmp_path, key, value):
    root = photos(tmp_path / "photos", tree=False)
    read(pictures(root, tmp_path, trains=True, **FLAT), root)
    settings = FLAT | {key: value} | ({"fold": 0} if key == "folds" else {})
    with pytest.raises(ValueError, match=rf"data\.{key}={value}: .* leave data\.{key} out"):
        pictures(root, tmp_path, **settings)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 1, "settings": {}, "splits": {"train": {"of": 1}}}', "\0"]
)
def test_a_damaged_list_is_refused_by_name(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ValueError, match=rf"{FILE} is damaged"):
        pictures(tmp_path, tmp_path, **FLAT)


def test_a_list_is_written_whole_or_not_at_all_and_gets_the_test_set_when_it_is_read(tmp_path):
    root = photos(tmp_path / "photos", tree=True)
    data = pictures(root, tmp_path, trains=True, **TREE)
    data.setup("fit")
    assert set(json.loads((tmp_path / FILE).read_text())["splits"]) == {"train", "val"}
    data.setup("test")
    assert set(json.loads((tmp_path / FILE).read_text())["splits"]) == set(SPLITS)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [FILE]


Table = tuple[Tensor, Tensor]


def table(rows: Sequence[int]) -> Table:
    """Return rows that differ in what their number says; the rows 0 and 7 are equal."""
    number_N = torch.tensor([0 if row == 7 else row for row in rows])
    return torch.stack([number_N / 10, number_N**2 / 100], dim=1), number_N % 2


def tabular(rows: Callable[[], Table], run: Path, *, trains: bool = False) -> Data:
    def read(*, split: str) -> Table:
        return rows()

    settings: dict[str, Any] = {"shape": (2,), "classes": ["a", "b"], "task": "binary", "scale": 1.0, "batch_size": 3}
    data = dataset()(read)(**settings, **FLAT)
    data.recorded_split(run, trains=trains)
    return data


def served(data: Data) -> dict[str, list[int]]:
    """Return which rows of the table each split has, by what is in them."""
    for stage in ("fit", "test"):
        data.setup(stage)
    rows = {}
    for split in SPLITS:
        x_ND = data.samples(split, range(len(data.indices[split])))
        rows[split] = (x_ND[:, 0] * 10).round().int().tolist()
    return rows


@pytest.mark.parametrize(
    "now",
    [
        [*range(20), 99],
        [99, *range(20)],
        [*range(5), 99, 98, *range(5, 20)],
        list(range(20)),
        [row for row in range(20) if row != 12],
        [row if row != 12 else 99 for row in range(20)],
        [*range(5), 99, *range(5, 12), *range(13, 20)],
    ],
)
def test_rows_of_a_table_stay_in_their_split_wherever_others_are_put_in_or_taken_out(tmp_path, now):
    before = served(tabular(lambda: table(range(20)), tmp_path, trains=True))
    found = served(tabular(lambda: table(now), tmp_path))
    for split in SPLITS:
        there = [row for row in before[split] if row in now]
        if now == [row if row != 12 else 99 for row in range(20)]:  # as many as before: its place says which it was
            there = [99 if row == 12 else row for row in before[split]]
        assert found[split] == there


def test_a_row_whose_target_has_changed_has_changed(tmp_path, caplog):
    x_ND, target_N = table(range(20))
    before = served(tabular(lambda: (x_ND, target_N), tmp_path, trains=True))
    other_N = target_N.clone()
    other_N[before["test"][0]] ^= 1
    assert served(tabular(lambda: (x_ND, other_N), tmp_path)) == before
    assert "1 changed (1 of test: " in caplog.text


class Made:
    """Samples that are made on demand, and so have no bytes to compare."""

    def __init__(self, samples: int):
        self.samples = samples

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> Tensor:
        return torch.full((2,), index / 10)


def test_samples_made_on_demand_are_refused_when_there_are_more_of_them(tmp_path):
    def made(samples: int) -> Any:
        return lambda: (Made(samples), torch.arange(samples) % 2)

    before = served(tabular(made(20), tmp_path, trains=True))
    assert served(tabular(made(20), tmp_path)) == before
    with pytest.raises(ValueError, match=r"the data have 21 samples, and had 20"):
        tabular(made(21), tmp_path).setup("test")
