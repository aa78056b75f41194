"""Folders of any names with any files in them are read to the last image, upright, or refused in one line.

The rules stand here once more, in other words than in src, and Pillow says what a picture looks like.
"""

import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image, ImageOps

from src.config.error import one_line
from src.config.literal import literal
from src.config.plain import fill, plain
from src.config.schema import CONF
from src.data.read.folders import say_once
from src.data.read.image_folder import image_folder
from tests.fuzz.claim import claim

SECRET = "s3cr3t-of-the-environment"
CLASSES = (b"cat", b"caf\xe9", b"${oc.env:FUZZ_SECRET}", b"???", b"-rf", b"a\nb", b"a\tb", b"end ", b" start")
CLASSES += ("사진".encode(), b"=1+1", b"a,b", b"[1]", b"don't", b'"q"', b"#1", b"null", b"1e3", b"\\", b"%s", b"{x}")
CLASSES += (b"<b>", b"caf\\xe9", b"x\x1b[31m", "\u202eevil".encode(), b"a: b", b"~", b"*", b"trainer", b"attest")
HIDDEN = (b".thumbnails", b".git", b"..x")  # no class
REFUSED = (b"__MACOSX", b"@eaDir", b"lost+found", b"__pycache__", b"test", b"Training", b"val2", b"validation_set")
SPLITS = {"train": (b"train", b"Training", b"TRAIN", b"train_set"), "val": (b"val", b"Valid", b"dev", b"validation")}
SPLITS |= {"test": (b"test", b"Testing", b"test images")}
MODES = {"PNG": ("L", "LA", "RGB", "RGBA", "P", "1", "I;16"), "JPEG": ("L", "RGB", "CMYK"), "WEBP": ("RGB", "RGBA")}
MODES |= {"GIF": ("P", "L"), "BMP": ("RGB", "L", "1"), "TIFF": ("RGB", "L", "CMYK", "I;16"), "PPM": ("L", "RGB")}
TURNED = ("PNG", "JPEG", "WEBP", "TIFF")  # formats that hold EXIF
GREY = ("1", "L", "LA", "I", "I;16", "I;16B")
ENDINGS = (
    b".jpg",
    b".JPEG",
    b".png",
    b".gif",
    b".webp",
    b".tif",
    b".bmp",
    b"",
    b".jpg_large",
    b".jpg~",
    b".bak",
    b".txt",
)
IMAGE_ENDINGS, COPY_ENDINGS = ENDINGS[:7], (b".jpg~", b".bak")


class File(NamedTuple):
    """A file to be: its name and its bytes; of a link or a pipe, the word for it instead."""

    name: bytes
    content: bytes | str


class Tree(NamedTuple):
    """Folders to be: the files of each class, by the folder of its split; one without a name where nothing is split."""

    splits: dict[str, bytes]
    classes: tuple[bytes, ...]
    files: dict[tuple[str, bytes], list[File]]


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """A small picture without any symmetry, in any format, mode and orientation."""
    kind = draw(st.sampled_from(sorted(MODES)))
    mode, size = draw(st.sampled_from(MODES[kind])), draw(st.sampled_from([(16, 16), (16, 8), (8, 24)]))
    pixels_HWC = np.full((*size, 3), draw(st.integers(0, 90)), dtype=np.uint8)
    pixels_HWC[: size[0] // 2] += 60
    pixels_HWC[:, : size[1] // 2] += 90
    pixels_HWC[..., 1] //= draw(st.sampled_from([1, 2]))  # grey, or of a colour
    if mode == "I;16":
        image = Image.fromarray(pixels_HWC[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(pixels_HWC).convert(mode)
    exif = Image.Exif()
    if kind in TURNED and (turn := draw(st.integers(0, 8))):
        exif[0x0112] = turn
    file = BytesIO()
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(kind, {})
    image.save(file, kind, **lossless, **({"exif": exif} if exif else {}))
    return file.getvalue()


@st.composite
def files(draw: st.DrawFn, number: int) -> File:
    """A file of any name and content; a `number` tells it from others in its folder."""
    start = draw(st.sampled_from((b"", b"", b"", b".", b"-", b"a\n", b"\xe9", b"${oc.env:FUZZ_SECRET}", b"=")))
    name = start + str(number).encode() + draw(st.sampled_from(ENDINGS))
    content = draw(st.one_of(pictures(), pictures(), st.sampled_from((b"", b"text", "nothing", "pipe", "folder"))))
    if isinstance(content, bytes) and draw(st.integers(0, 5)) == 0:
        content = content[: draw(st.integers(0, len(content)))]
    return File(name, content)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A folder of classes, or one for each split; each class has a sound picture, most of the time."""
    named = draw(st.sampled_from([[], ["train"], ["train", "test"], ["train", "val", "test"]]))
    splits = {split: draw(st.sampled_from(SPLITS[split])) for split in named}
    odd = draw(st.lists(st.sampled_from(HIDDEN + REFUSED), max_size=1)) if draw(st.integers(0, 3)) == 0 else []
    classes = (*draw(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=3, unique=True)), *odd)
    if len(classes) == 1 and draw(st.integers(0, 3)):
        classes += (b"other",)
    found: dict[tuple[str, bytes], list[File]] = {}
    for split in splits or {"train": b""}:
        for name in classes:
            sound = [File(b"sound.png", draw(pictures()))] if draw(st.integers(0, 9)) else []
            found[split, name] = sound + [draw(files(n)) for n in range(draw(st.integers(0, 3)))]
    return Tree(splits, tuple(classes), found)


def write(root: Path, tree: Tree) -> None:
    for (split, name), inside in tree.files.items():
        folder = os.path.join(os.fsencode(root), tree.splits.get(split, b"."), name)
        os.makedirs(folder)
        for file in inside:
            path = os.path.join(folder, file.name)
            if isinstance(file.content, bytes):
                Path(os.fsdecode(path)).write_bytes(file.content)
            elif file.content == "pipe":
                os.mkfifo(path)
            else:
                os.symlink(root if file.content == "folder" else "nowhere", path)


def opens(content: bytes) -> bool:
    try:
        with Image.open(BytesIO(content), formats=[*MODES, "MPO"]):
            return True
    except Exception:
        return False


def standing(file: File) -> str:
    """What becomes of a file: it is a sample, or left out as another file, as hidden, as linked, or without a word."""
    ending = next(end for end in (*ENDINGS[:7], *ENDINGS[8:], b"") if file.name.endswith(end))
    if file.content == "folder":
        return "hidden" if file.name.startswith(b".") else "linked"
    if file.name.startswith(b"."):
        return "hidden" if ending in IMAGE_ENDINGS else "silent"
    if ending in IMAGE_ENDINGS and file.content != "pipe":
        return "sample"
    if ending == b".txt":
        return "silent"
    is_known = ending not in COPY_ENDINGS and isinstance(file.content, bytes) and opens(file.content)
    return "sample" if is_known and not file.content.startswith((b"P5", b"P6")) else "other"


def is_refused(tree: Tree) -> bool:
    """Whether nothing can be read: too few classes, one that is none by its name, or one without a sample."""
    classes = [name for name in tree.classes if name not in HIDDEN]
    if len(classes) < 2 or set(classes) & set(REFUSED) or {b"caf\xe9", b"caf\\xe9"} <= set(classes):
        return True
    used = [inside for (_, name), inside in tree.files.items() if name not in HIDDEN]
    return any("sample" not in map(standing, inside) for inside in used)


@contextmanager
def lines_of_the_log() -> Iterator[list[str]]:
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("src.data")
    logger.addHandler(handler)
    say_once.cache_clear()
    try:
        yield said
    finally:
        logger.removeHandler(handler)


def told(root: Path) -> dict[str, Any]:
    """The settings of data=image_folder, with what the folder tells, as a run gets them."""
    config = OmegaConf.create({"data": OmegaConf.load(CONF / "data" / "image_folder.yaml"), "seed": 0})
    config.data.update({"root": literal(str(root)), "cache": False})
    fill(config)
    return plain(config)["data"]


def read(settings: Mapping[str, Any], split: str) -> tuple[Any, torch.Tensor]:
    """The images and class numbers of a split; what the others lack is said with those of train."""
    return image_folder.read(**{key: settings[key] for key in ("root", "labels", "channels", "official")}, split=split)


def check_left_out(said: Sequence[str], inside: Sequence[File]) -> None:
    """What is left out of a split is counted and said."""
    counts = {word: [standing(file) for file in inside].count(word) for word in ("sample", "other", "hidden", "linked")}
    text = " / ".join(said)
    if counts["other"]:
        assert f"{counts['other']} of {counts['other'] + counts['sample']} files are no images" in text, text
    for word in ("hidden", "linked"):
        assert not counts[word] or f"{word}" in text, (word, text)


def check_picture(path: str, seen_CHW: torch.Tensor | str) -> None:
    """A sample is what Pillow makes of it, upright; or it is one line where Pillow makes nothing of it."""
    try:
        with Image.open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            is_lossy = image.format == "JPEG"
            mode = "L" if isinstance(seen_CHW, torch.Tensor) and len(seen_CHW) == 1 else "RGB"
            wanted_HWC = np.atleast_3d(np.asarray(upright.convert(mode)))
    except Exception:
        if isinstance(seen_CHW, str):
            assert "no image that can be read" in seen_CHW or "is a" in seen_CHW, seen_CHW
            assert "\n" not in seen_CHW
        return
    assert isinstance(seen_CHW, torch.Tensor), seen_CHW
    assert tuple(seen_CHW.shape[1:]) == wanted_HWC.shape[:2]
    difference = np.abs(seen_CHW.permute(1, 2, 0).numpy().astype(int) - wanted_HWC.astype(int)).max()
    assert difference <= (12 if is_lossy else 1), difference


def check_split(settings: Mapping[str, Any], tree: Tree, split: str, said: Sequence[str]) -> None:
    """A split has all samples of its classes, in order, each with the number of its class."""
    found, target_N = read(settings, split)
    folders = sorted((name for name in tree.classes if name not in HIDDEN), key=os.fsdecode)
    wanted = [number for number, name in enumerate(folders) for f in tree.files[split, name] if standing(f) == "sample"]
    assert target_N.tolist() == wanted
    for path, number in zip(found.paths, target_N.tolist(), strict=True):
        assert os.path.basename(os.path.dirname(os.fsencode(path))) == folders[number]
    for row, path in enumerate(found.paths):
        try:
            check_picture(path, found[row])
        except (ValueError, OSError) as error:
            check_picture(path, one_line(error))
    check_left_out(said, [file for name in folders for file in tree.files[split, name]])


def check_facts(settings: Mapping[str, Any], tree: Tree) -> None:
    """Labels are texts that nothing resolves or breaks a line; grey and size follow from all headers."""
    labels = settings["labels"]
    assert len(set(labels)) == len(labels) == len([name for name in tree.classes if name not in HIDDEN])
    for label in labels:
        assert label.isprintable(), label
        assert OmegaConf.create({"label": label}).label == label
    headers = []
    for (split, name), inside in tree.files.items():
        if split == "train" and name not in HIDDEN:
            for file in inside:
                if standing(file) == "sample" and isinstance(file.content, bytes) and opens(file.content):
                    with Image.open(BytesIO(file.content)) as image:
                        headers.append((image.mode, image.size))
    is_grey = bool(headers) and all(mode in GREY for mode, _ in headers)
    sides = {side for _, size in headers for side in size}
    assert settings["channels"] == (1 if is_grey else 3)
    assert settings["image_size"] == (sides.pop() if len(sides) == 1 else 224)


@claim(examples=15, tree=trees())
def test_a_folder_is_read_to_the_last_image_or_refused_in_one_line(tree: Tree) -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        lines_of_the_log() as said,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("FUZZ_SECRET", SECRET)
        root = Path(name) / "photos"
        root.mkdir()
        write(root, tree)
        try:
            settings = told(root)
            read(settings, "train")
            refused = None
        except (ValueError, OSError) as error:
            refused = one_line(error)
        assert (refused is not None) == is_refused(tree), refused
        if refused is None:
            check_facts(settings, tree)
            for split in tree.splits or ("train",):
                check_split(settings, tree, split, said)
        for line in (*said, refused or ""):
            assert SECRET not in line
            assert not re.search(r"[\n\r\x1b\u202e]", line), line
