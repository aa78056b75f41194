"""Image files of every format: upright, of the shape that was asked for, or refused by name."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from src.data.read.files import decoded
from src.data.transform.prepare import with_channels
from tests.data.test_image_folder import folder_data

KINDS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP", "avif": "AVIF", "gif": "GIF", "bmp": "BMP"}
LOSSY = {"jpg": 4, "avif": 40}  # grey levels between the decoders of torchvision and Pillow, or from the original
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (3, 4, 3), dtype=np.uint8)).resize((32, 24))


def lying(path: Path, orientation: int | None, image: Image.Image = NOISE, **settings) -> Path:
    """Store an image that lies as `orientation` says."""
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
        settings["exif"] = exif
    image.save(path, KINDS[path.suffix[1:]], **settings)
    return path


def pixels(image: Image.Image, channels: int) -> torch.Tensor:
    array = np.asarray(ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB"))
    return torch.from_numpy(array.copy().reshape(*array.shape[:2], -1)).permute(2, 0, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("orientation", [None, *range(10)])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif"])
def test_an_image_is_upright_however_it_lies_and_whatever_its_format(tmp_path, suffix, orientation, channels):
    settings = {"lossless": True} if suffix == "webp" else {}
    path = lying(tmp_path / f"x.{suffix}", orientation, **settings)
    other = path.rename(tmp_path / "named.jpg")  # whatever its name
    with Image.open(other) as image:
        wanted_CHW = pixels(image, channels).int()
    with Image.open(other) as image:
        given_CHW = with_channels(image, channels)[0].int()
    for seen_CHW in (decoded(other, channels=channels).int(), given_CHW):
        assert seen_CHW.shape == wanted_CHW.shape
        assert (seen_CHW - wanted_CHW).abs().max() <= LOSSY.get(suffix, 1 if channels == 1 else 0)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_training_prediction_and_preprocessing_see_the_same_pixels(tmp_path, suffix, orientation):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            lying(tmp_path / name / f"{number}.{suffix}", orientation, NOISE.rotate(90 * number))
    seen = []
    for in_memory in (True, False):
        data = folder_data(
            tmp_path, image_size=16, in_memory=in_memory, val_fraction=0.0, test_fraction=0.5, crop_from=None,
            random_resized_crop=None, horizontal_flip=False, cache=False,
        )  # fmt: skip
        data.setup("test")
        seen.append(torch.cat([x_B for x_B, _ in data.test_dataloader()]))
    paths = data.paths("test")
    predicted = torch.cat([data.preprocess(decoded(path, channels=3)) for path in paths])
    opened = [Image.open(path) for path in paths]
    given = torch.cat([data.preprocess(image) for image in opened])
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], predicted)
    assert (seen[0] - given).abs().max() < (0.1 if suffix == "jpg" else 1e-6)  # Pillow's JPEG is not torchvision's
    upright = torch.cat([data.preprocess(ImageOps.exif_transpose(Image.open(path))) for path in paths])
    assert torch.equal(given, upright)


def test_a_png_whose_orientation_stands_behind_its_pixels_or_in_its_text_is_upright(tmp_path):
    path = lying(tmp_path / "x.png", 6)
    data = path.read_bytes()
    place = data.index(b"eXIf") - 4
    length = int.from_bytes(data[place : place + 4]) + 12
    end = data.index(b"IEND") - 4
    path.write_bytes(data[:place] + data[place + length : end] + data[place : place + length] + data[end:])
    assert decoded(path, channels=3).shape == (3, 32, 24)


def test_damaged_exif_is_an_image_that_lies_as_it_is(tmp_path):
    path = lying(tmp_path / "x.jpg", 6)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"Exif\0\0MM", b"Exif\0\0XX").replace(b"Exif\0\0II", b"Exif\0\0XX"))
    assert decoded(path, channels=3).shape == (3, 24, 32)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tif", "heic", ""])
@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "BMP", "TIFF", "AVIF"])
def test_any_format_under_any_name_has_the_channels_that_are_asked_for(tmp_path, kind, suffix):
    path = tmp_path / f"x.{suffix}"
    for mode in ("RGB", "RGBA", "L", "P", "1"):
        NOISE.convert(mode).save(path, kind)
        for channels in (1, 3):
            image_CHW = decoded(path, channels=channels)
            assert (image_CHW.shape, image_CHW.dtype) == ((channels, 24, 32), torch.uint8)


def test_reading_a_webp_in_grey_says_nothing(tmp_path, capfd):
    NOISE.save(tmp_path / "x.jpg", "WEBP")
    decoded(tmp_path / "x.jpg", channels=1)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_film_is_its_first_image(tmp_path, kind, frames, channels):
    path, white = tmp_path / "x.jpg", Image.new("RGB", (9, 7), "white")
    films = [white, *(Image.new("RGB", (9, 7), "black") for _ in range(frames - 1))]
    films[0].save(path, kind, save_all=True, append_images=films[1:])
    assert decoded(path, channels=channels).min() > 250


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let only errors pass that name the file."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith(f"{path} is no image that can be read ("):
            raise AssertionError(str(error)) from error
        raise


@pytest.mark.parametrize("suffix", KINDS)
def test_whatever_is_damaged_is_an_image_as_asked_for_or_refused_by_its_name(tmp_path, suffix):
    draw = random.Random(suffix)
    whole = lying(tmp_path / f"whole.{suffix}", None).read_bytes()
    path = tmp_path / "broken.jpg"
    for trial in range(60):
        data = bytearray(whole)
        for _ in range(draw.choice([0, 1, 4, 40])):
            data[draw.randrange(min(len(data), draw.choice([64, 10_000])))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice([len(data), len(data), draw.randrange(len(data))])])
        channels = 1 + 2 * (trial % 2)
        with suppress(ValueError), naming(path):
            image_CHW = decoded(path, channels=channels)
            assert (image_CHW.dtype, image_CHW.ndim, len(image_CHW)) == (torch.uint8, 3, channels)


def test_a_file_that_needs_a_package_says_which(tmp_path):
    path = tmp_path / "phone.jpg"
    path.write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")
    with pytest.raises(ValueError, match=r"phone\.jpg is no image .*: install pillow-heif, or replace or remove it"):
        decoded(path, channels=3)


def test_grey_reading_of_a_coloured_gif_under_another_name_can_be_skipped_or_read(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number, kind in enumerate(("JPEG", "GIF", "WEBP", "PNG")):
            NOISE.save(tmp_path / name / f"{number}.jpg", kind)
    data = folder_data(tmp_path, channels=1, image_size=8, on_bad_file="skip", val_fraction=0.0, test_fraction=0.0)
    data.setup("fit")
    assert len(data.paths("train")) == 8


@pytest.mark.parametrize("suffix", [b".jpg", b".png", b".gif", b".webp", b""])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_name_that_is_no_text_is_read_as_the_same_file_is_under_another(tmp_path, suffix, channels):
    plain = tmp_path / f"cafe{suffix.decode()}"
    NOISE.save(plain, KINDS[suffix.decode()[1:] or "jpg"])
    odd = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"caf\xe9" + suffix))
    os.link(plain, odd)
    assert torch.equal(decoded(odd, channels=channels), decoded(plain, channels=channels))
    os.unlink(odd)
    Path(odd).write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"caf\\xe9.* is no image"):
        decoded(odd, channels=channels)
