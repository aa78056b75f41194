"""Which files are images, by their names or by how they begin, and the package that reads what Pillow does not."""

import os
from contextlib import suppress
from functools import cache
from importlib import import_module

from PIL import Image

NO_READER = ("MPEG", "HDF5", "BUFR", "GRIB")  # which Pillow tells by their names and does not read
PLAIN = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "HEIF")  # whose first bytes nothing else has
COPIES = ("~", ".bak", ".old", ".orig", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download")
RAW = (".cr2", ".nef", ".arw", ".dng", ".orf", ".rw2", ".pef", ".sr2")  # to Pillow a TIFF: their thumbnail
OTHER = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".md", ".html", ".htm"),
    *(".log", ".py", ".ipynb", ".sh", ".pdf", ".npy", ".npz", ".pkl", ".mat", ".zip", ".gz", ".tar", ".md5", ".db"),
)
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")  # of HEIF
JPEG_XL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")


@cache
def extensions() -> frozenset[str]:
    """Return the extensions of the images that Pillow reads, with pillow-heif and pillow-jxl-plugin where they are."""
    with suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
    with suppress(ImportError):
        import_module("pillow_jxl")
    found = Image.registered_extensions()
    read = set(Image.OPEN) - set(NO_READER) | {"MPO"}  # opened as JPEG
    return frozenset(name for name, kind in found.items() if kind in read)


def is_image(entry: os.DirEntry[str]) -> bool:
    """Return whether a file is an image: by its extension, else by how it begins; a link to nothing is a broken one."""
    name = entry.name.lower()
    if os.path.splitext(name)[1] in extensions():
        return _is_file(entry) or not os.path.exists(entry.path)
    return _is_file(entry) and not name.endswith(COPIES + RAW + OTHER) and _begins_as_image(entry.path)


def is_other(name: str) -> bool:
    """Return whether a file is something else by its name, such as notes: nobody takes it for an image."""
    return name.lower().endswith(OTHER)


def missing(path: str | os.PathLike[str]) -> str | None:
    """Return the package that reads an image of this kind, where Pillow alone does not."""
    if not os.path.isfile(path):  # a pipe would be waited for
        return None
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError:
        return None
    if start[4:8] == b"ftyp" and start[8:12] in BRANDS:
        return "pillow-heif"
    return "pillow-jxl-plugin" if start.startswith(JPEG_XL) else None


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads back to itself
        return False


def _begins_as_image(path: str) -> bool:
    kinds = [kind for kind in PLAIN if kind in Image.OPEN]
    try:
        with Image.open(path, formats=kinds):
            return True
    except Exception:  # whatever a decoder raises for what is none
        return False
