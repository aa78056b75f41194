"""The images of a folder: by name or by content, in order; what is left out is counted and named."""

import logging
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from src.data.inputs import image_files
from src.data.read.folders import subfolders
from src.data.read.image_folder import image_folder
from src.data.read.pictures import Pictures

HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"
PLAIN = {".jpg": "JPEG", ".PNG": "PNG", ".gif": "GIF", ".bmp": "BMP", ".tif": "TIFF", ".webp": "WEBP"}


def save(path: Path, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (1, 100, 200)).save(path, kind)
    return path


def listed(folder: Path) -> tuple[list[str], str]:
    found = Pictures()
    found.add(str(folder))
    return [os.path.relpath(path, folder) for path in found.files], "; ".join(found.left_out(str(folder)))


def test_images_of_plain_names_are_found_in_the_order_of_paths_and_nothing_is_said(tmp_path):
    names = [f"{part}{number}{suffix}" for part in ("", "a/", "a b/", "B/c/") for number, suffix in enumerate(PLAIN)]
    random.Random(0).shuffle(names)
    for name in names:
        save(tmp_path / name, PLAIN[Path(name).suffix])
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / ".DS_Store").write_text("nothing")
    expected = sorted(path for path in tmp_path.rglob("*") if path.suffix in PLAIN)
    assert listed(tmp_path) == ([str(path.relative_to(tmp_path)) for path in expected], "")


@pytest.mark.parametrize("kind", [*PLAIN.values(), "AVIF"])
@pytest.mark.parametrize("name", ["picture", "picture.jpg_large", "picture.jpeg!d", "17.5"])
def test_an_image_without_a_name_that_says_so_is_known_by_its_content(tmp_path, kind, name):
    save(tmp_path / name, kind)
    assert listed(tmp_path) == ([name], "")


def test_what_is_no_image_is_counted_and_named_with_the_package_that_would_read_it(tmp_path):
    for number in range(40):
        save(tmp_path / f"{number:02}.png")
    for number in range(20):
        (tmp_path / f"x{number:02}.heic").write_bytes(HEIC)
    files, said = listed(tmp_path)
    assert len(files) == 40
    assert said == (
        "20 of 60 files are no images that can be read: x00.heic, x01.heic, x02.heic and 17 more: install pillow-heif"
    )


@pytest.mark.parametrize(
    "name", ["cat.jpg.bak", "cat.jpg~", "cat.jpg.part", "cat.nef", "film.mp4", "film.mpg", "x.svg"]
)
def test_copies_halves_and_films_are_left_out_and_named(tmp_path, name):
    save(tmp_path / "cat.jpg", "JPEG")
    kind = "TIFF" if name.endswith(".nef") else "JPEG"
    if name.startswith("cat"):
        save(tmp_path / name, kind)
    else:
        (tmp_path / name).write_bytes(b"\x00\x00\x01\xba no picture")
    assert listed(tmp_path) == (["cat.jpg"], f"1 of 2 files are no images that can be read: {name}")


@pytest.mark.parametrize("name", [".thumbnails", ".ipynb_checkpoints", ".Trash-1000", "__MACOSX", "@eaDir"])
def test_hidden_folders_and_what_programs_leave_are_no_samples_and_named(tmp_path, name):
    save(tmp_path / "cat.jpg")
    save(tmp_path / "deep" / name / "deeper" / "cat.jpg")
    save(tmp_path / "deep" / "._cat.jpg")
    hidden = sorted(["deep/._cat.jpg", f"deep/{name}"])
    assert listed(tmp_path) == (["cat.jpg"], f"hidden, and left out: {', '.join(hidden)}")


def test_linked_folders_are_not_followed_and_named_and_linked_files_are_samples(tmp_path):
    save(tmp_path / "class" / "cat.jpg")
    save(tmp_path / "elsewhere" / "more.jpg")
    (tmp_path / "class" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "class" / "round").symlink_to(tmp_path / "class")
    (tmp_path / "class" / "one.jpg").symlink_to(tmp_path / "elsewhere" / "more.jpg")
    (tmp_path / "class" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    expected = "linked folders, which are not followed: linked, round"
    assert listed(tmp_path / "class") == (["cat.jpg", "gone.jpg", "one.jpg"], expected)


def test_a_pipe_with_the_name_of_an_image_is_not_waited_for(tmp_path):
    save(tmp_path / "cat.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    assert listed(tmp_path) == (["cat.jpg"], "2 of 3 files are no images that can be read: pipe, pipe.jpg")


def test_links_that_lead_back_to_themselves_are_left_out_and_named_or_broken_images(tmp_path):
    save(tmp_path / "cat.jpg")
    for name in ("loop", "loop.png"):
        os.symlink(name, tmp_path / name)
    assert listed(tmp_path) == (["cat.jpg", "loop.png"], "1 of 3 files are no images that can be read: loop")
    assert subfolders(tmp_path) == []


def test_images_beside_the_class_folders_and_in_hidden_ones_are_named(tmp_path, caplog):
    for name in ("cat", "dog"):
        save(tmp_path / name / "1.png")
        save(tmp_path / name / ".cache" / "1.png")
    save(tmp_path / "3.png")
    with caplog.at_level(logging.WARNING):
        files, _ = image_folder.read(str(tmp_path), labels=["cat", "dog"], split="train")
    assert len(files) == 2
    assert caplog.messages == [
        f"{tmp_path}: hidden, and left out: cat/.cache, dog/.cache; 1 images in no folder of a class: 3.png"
    ]


def test_a_class_without_a_readable_image_says_what_it_has_instead(tmp_path):
    save(tmp_path / "cat" / "1.png")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "1.heic").write_bytes(HEIC)
    with pytest.raises(ValueError, match=r"dog holds no image \(.*dog/1\.heic: install pillow-heif\): add some"):
        image_folder.facts(root=str(tmp_path))


def test_a_folder_to_predict_is_listed_as_a_class_is(tmp_path, caplog):
    save(tmp_path / "b" / "cat")
    shutil.copy(save(tmp_path / "a.png"), tmp_path / "c.jpg_large")
    save(tmp_path / ".trash" / "a.png")
    with caplog.at_level(logging.WARNING):
        assert image_files(str(tmp_path)) == [tmp_path / "a.png", tmp_path / "b" / "cat", tmp_path / "c.jpg_large"]
    assert f"{tmp_path}: hidden, and left out: .trash" in caplog.messages
    with pytest.raises(ValueError, match=r"no image in this folder \(hidden, and left out: \.x\)"):
        image_files(str(save(tmp_path / "d" / ".x" / "1.png").parents[1]))


def test_a_package_for_another_format_is_used_where_it_is_installed(tmp_path):
    (tmp_path / "pillow_heif.py").write_text(
        "from PIL import BmpImagePlugin, Image\n"
        "class Heif(BmpImagePlugin.BmpImageFile):\n"
        "    format = 'HEIF'\n"
        "    def _open(self):\n"
        "        self.fp.seek(12)\n"
        "        offset = self.fp.tell()\n"
        "        self.fp = __import__('io').BytesIO(self.fp.read())\n"
        "        super()._open()\n"
        "def register_heif_opener():\n"
        "    Image.register_open('HEIF', Heif, lambda start: start[4:8] == b'ftyp')\n"
        "    Image.register_extension('HEIF', '.heic')\n"
    )
    save(tmp_path / "in" / "a.bmp", "BMP")
    for name in ("b.heic", "c"):
        (tmp_path / "in" / name).write_bytes(HEIC[:12] + (tmp_path / "in" / "a.bmp").read_bytes())
    script = (
        "from src.data.read.files import decoded; from src.data.inputs import image_files\n"
        "paths = image_files('in')\n"
        "print([path.name for path in paths], [decoded(path, channels=3)[:, 0, 0].tolist() for path in paths])"
    )
    code = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{code}"},
    )  # fmt: skip
    assert ended.stdout == f"{['a.bmp', 'b.heic', 'c']} {[[1, 100, 200]] * 3}\n", ended.stderr
