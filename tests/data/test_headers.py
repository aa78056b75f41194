"""Grey or colour, and one size or several, by the headers of all files, which are read once."""

import logging
import os
from pathlib import Path

import pytest
from PIL import Image

from src.data.keep import content
from src.data.read import headers as module
from src.data.read.headers import headers
from src.data.read.image_folder import image_folder

MANY = 110  # more than were looked at when some had to do


def grey(folder: Path, images: int = MANY, size: tuple[int, int] = (8, 8)) -> list[Path]:
    folder.mkdir(parents=True)
    paths = [folder / f"{number:03}.png" for number in range(images)]
    Image.new("L", size).save(paths[0])
    for path in paths[1:]:
        path.write_bytes(paths[0].read_bytes())
    return paths


@pytest.mark.parametrize("place", [1, MANY - 1])
def test_one_image_in_colour_among_many_grey_ones_is_seen_and_named(tmp_path, caplog, place):
    paths = [*grey(tmp_path / "a"), *grey(tmp_path / "b")]
    assert image_folder.facts(root=str(tmp_path), cache=False)["channels"] == 1
    os.replace(tmp_path, moved := tmp_path.with_name(f"{tmp_path.name}-{place}"))
    path = moved / paths[place].relative_to(tmp_path)
    Image.new("RGB", (8, 8), "red").save(path)
    with caplog.at_level(logging.WARNING):
        told = image_folder.facts(root=str(moved), cache=False)
    assert (told["channels"], len(told["mean"])) == (3, 3)
    assert f"1 of {2 * MANY} images are in colour, so that all are read in colour (" in caplog.text
    assert f": a/{path.name}" in caplog.text
    assert image_folder.facts(root=str(moved), channels=1, cache=False)["channels"] == 1


def test_one_image_of_another_size_is_seen(tmp_path):
    paths = [*grey(tmp_path / "a"), *grey(tmp_path / "b")]
    assert headers([str(path) for path in paths], keeps=False).side == 8
    Image.new("L", (8, 9)).save(paths[3])
    assert headers([str(path) for path in paths], keeps=False).side == 0


def test_headers_are_read_once_and_again_where_a_file_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "RECENT_S", -60)  # files of this moment are old
    paths = grey(tmp_path / "a", 20)
    names = [str(path) for path in paths]
    first = headers(names, keeps=True)
    assert (first.side, first.grey, first.colour, first.coloured) == (8, 20, 0, [])
    with monkeypatch.context() as patched:
        patched.setattr(module, "_header", lambda path: pytest.fail("read again"))
        assert headers(names, keeps=True) == first
    Image.new("RGB", (8, 8)).save(paths[5])
    again = headers(names, keeps=True)
    assert (again.grey, again.colour, again.coloured) == (19, 1, [names[5]])
    assert headers(names, keeps=True) == again


def test_files_that_are_no_images_say_nothing(tmp_path):
    paths = grey(tmp_path / "a", 3)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    looked = headers([*map(str, paths), str(tmp_path / "bad.png"), str(tmp_path / "gone.png")], keeps=True)
    assert (looked.side, looked.grey, looked.colour, looked.is_grey) == (8, 3, 0, True)
    assert not headers([str(tmp_path / "bad.png")], keeps=False).is_grey


def test_colour_in_a_split_that_is_scored_is_named_where_training_is_grey(tmp_path, caplog):
    for split in ("train", "test"):
        for name in ("a", "b"):
            grey(tmp_path / split / name, 2)
    for number in range(2):
        Image.new("RGB", (8, 8), "red").save(tmp_path / "test" / "b" / f"{number}.jpg")
    with caplog.at_level(logging.WARNING):
        assert image_folder.facts(root=str(tmp_path), cache=False)["channels"] == 1
    assert "2 of 6 images are in colour, and are read as grey, as train's are (data.channels=3 for" in caplog.text
    assert "b/0.jpg, b/1.jpg" in caplog.text
