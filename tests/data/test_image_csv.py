"""A table of images is read as it is written, and what is wrong with it is one line before compute."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from src.config.build import build
from src.config.plain import fill, plain
from src.data.module import Data
from src.data.read.image_csv import facts
from tests.config.test_groups import composed

SIDE = 6


def photos(folder: Path, count: int) -> list[str]:
    """Write images, the pixels of each its number; return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels_HWC = np.full((SIDE, SIDE, 3), number, dtype=np.uint8)
        pixels_HWC[0, 0] = (255, 0, 0)
        Image.fromarray(pixels_HWC).save(folder / f"{number}.png")
    return [f"{number}.png" for number in range(count)]


def table(folder: Path, header: str, rows: Sequence[str], *, encoding: str = "utf-8") -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


def made(folder: Path, file: Path, *settings: str) -> Data:
    """The data as a command makes them."""
    config = composed(folder, "data=image_csv", f"data.file={file}", f"data.root={folder / 'photos'}", *settings)
    fill(config)
    assert OmegaConf.is_config(config)
    data: Data = build(plain(config)["data"])
    return data


def said(data: Data, split: str) -> dict[int, Any]:
    """The target of each image, by its number."""
    data.setup("test" if split == "test" else "fit")
    images_NCHW = data.samples(split, range(len(data.indices[split])))
    return dict(zip(images_NCHW[:, 1, -1, -1].tolist(), data.targets(split).tolist(), strict=True))


PLAIN = ("data.random_resized_crop=null", "data.crop_from=null", "data.test_fraction=0.25", "data.val_fraction=0.25")


def test_every_image_has_the_labels_of_its_line(tmp_path: Path) -> None:
    names = photos(tmp_path / "photos", 16)
    sets = [["cat"], ["dog"], ["cat", "dog"], []]
    file = table(tmp_path, "path,labels", [f"{name},{'|'.join(sets[row % 4])}" for row, name in enumerate(names)])
    data = made(tmp_path, file, *PLAIN)
    assert (data.task, data.classes, data.shape) == ("multilabel", ["cat", "dog"], (3, SIDE, SIDE))
    found = said(data, "train") | said(data, "val") | said(data, "test")
    assert found == {row: [int(name in sets[row % 4]) for name in ("cat", "dog")] for row in range(16)}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_and_encodings_are_found(encoding: str, delimiter: str, tmp_path: Path) -> None:
    names = photos(tmp_path / "photos", 12)
    rows = [delimiter.join((name, ["고양이", "개"][row % 2])) for row, name in enumerate(names)]
    data = made(tmp_path, table(tmp_path, delimiter.join(("path", "labels")), rows, encoding=encoding), *PLAIN)
    assert (data.task, data.classes) == ("multiclass", ["개", "고양이"])
    assert said(data, "test") == {row: 1 - row % 2 for row in said(data, "test")}


def test_other_columns_and_a_suffix_and_windows_names(tmp_path: Path) -> None:
    photos(tmp_path / "photos" / "deep", 12)
    rows = [f"deep\\{row},{row / 2}" for row in range(12)]
    data = made(
        tmp_path, table(tmp_path, "id,age", rows), *PLAIN, "data.path=id", "data.target=age", "data.suffix=.png"
    )
    assert (data.task, data.classes) == ("regression", None)
    assert said(data, "train") == {row: row / 2 for row in said(data, "train")}


def test_numbers_are_scaled_by_the_training_split_alone(tmp_path: Path) -> None:
    names = photos(tmp_path / "photos", 12)
    file = table(tmp_path, "path,age,size", [f"{name},{row**2},{-row}" for row, name in enumerate(names)])
    config = composed(tmp_path, "data=image_csv", f"data.file={file}", f"data.root={tmp_path / 'photos'}", *PLAIN)
    OmegaConf.update(config, "data.target", ["age", "size"])
    fill(config)
    data: Data = build(plain(config)["data"])
    data.setup("fit")
    torch.testing.assert_close(torch.tensor(config.data.target_mean), data.targets("train").mean(dim=0))
    deviation_K = data.targets("train").std(dim=0, correction=0)
    torch.testing.assert_close(torch.tensor(config.data.target_std), deviation_K)
    assert data.target_names == ["age", "size"]


def test_a_column_says_the_splits(tmp_path: Path) -> None:
    names = photos(tmp_path / "photos", 9)
    splits = ["train", "valid", "Test"] * 3
    rows = [f"{name},{'ab'[row % 2]},{split}" for (row, name), split in zip(enumerate(names), splits, strict=True)]
    data = made(tmp_path, table(tmp_path, "path,labels,part", rows), *PLAIN, "data.split_column=part")
    assert sorted(said(data, "train")) == [0, 3, 6]
    assert sorted(said(data, "val")) == [1, 4, 7]
    assert sorted(said(data, "test")) == [2, 5, 8]


def test_a_label_that_was_corrected_is_a_changed_sample(tmp_path: Path) -> None:
    names = photos(tmp_path / "photos", 12)
    rows = [f"{name},{'ab'[row % 2]}" for row, name in enumerate(names)]
    run = tmp_path / "run"
    run.mkdir()
    first = made(tmp_path, table(tmp_path, "path,labels", rows), *PLAIN)
    first.recorded_split(run, trains=True)
    first.setup("fit")
    changed = first.indices["train"][0]
    rows[changed] = f"{names[changed]},{'ba'[changed % 2]}"
    again = made(tmp_path, table(tmp_path, "path,labels", rows), *PLAIN)
    again.recorded_split(run, trains=True)
    with pytest.raises(ValueError, match=f"1 changed .1 of train: {changed}.png"):
        again.setup("fit")


@pytest.mark.parametrize(
    ("header", "rows", "settings", "words"),
    [
        ("file,labels", ["0.png,a"], {}, "data.path=path: .*labels.csv has no such column"),
        ("path,label", ["0.png,a"], {}, "data.target=labels: .*labels.csv has no such column: did you mean label"),
        ("path,labels", ["0.png,a", "1.png,b", "0.png,b"], {}, "lines 2 and 4 name the same image"),
        ("path,labels", ["0.png,a", "9.png,b"], {}, "1 of 2 images are not in .*photos: 9.png: set data.root=FOLDER"),
        ("path,labels", ["0,a", "1,b"], {}, "2 of 2 images are not in .*: 0, 1: set data.suffix=.png"),
        ("path,labels", [",a"], {}, "line 2: no image is named"),
        ("path,labels", ["0.png,a", "1.png,a", "2.png,a"], {}, "all samples are a: name another column"),
        (
            "path,labels,part",
            ["0.png,a,train", "1.png,b,later"],
            {"split_column": "part"},
            "line 3: 'later' is no split",
        ),
        (
            "path,labels,part",
            ["0.png,a,train", "1.png,b,test"],
            {"split_column": "part"},
            "no training sample is b, of 1",
        ),
        ("path,labels,part", ["0.png,a,test"], {"split_column": "part"}, "no row of .* is train"),
        ("path,labels", [], {}, "names of columns and no rows"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line(
    header: str, rows: list[str], settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    photos(tmp_path / "photos", 3)
    file = table(tmp_path, header, rows)
    with pytest.raises(ValueError, match=words):
        facts(file=str(file), root=str(tmp_path / "photos"), cache=False, test_fraction=0, val_fraction=0, **settings)


def test_a_zip_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"PK\x03\x04and more")
    with pytest.raises(ValueError, match=r"is a zip archive or a spreadsheet"):
        facts(file=str(tmp_path / "labels.csv"), cache=False)


@pytest.mark.parametrize("values", ["ab", ("1.5", "2")])
def test_a_recorded_run_is_not_told_again_and_needs_no_table(values: Sequence[str], tmp_path: Path) -> None:
    names = photos(tmp_path / "photos", 12)
    file = table(tmp_path, "path,labels", [f"{name},{values[row % 2]}" for row, name in enumerate(names)])
    config = composed(tmp_path, "data=image_csv", f"data.file={file}", f"data.root={tmp_path / 'photos'}", *PLAIN)
    assert fill(config)
    assert (config.data.labels is None) == (config.data.target_mean is not None) == (config.data.task == "regression")
    file.unlink()
    assert not fill(config)  # a net of it labels other images
