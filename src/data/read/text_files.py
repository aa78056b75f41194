"""Files that are a text each: those in a folder, and what is written in one."""

from pathlib import Path

from src.data.read.csv_text import ENCODINGS
from src.data.read.folders import listed, say_once
from src.data.read.readable import readable

EXTENSIONS = (".txt", ".text", ".md", "")


def text_files(folder: Path) -> list[Path]:
    """Return the texts in a folder and below it, sorted; say how many other files are left out.

    Raises ValueError where there is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    texts = [path for path in files if path.suffix.lower() in EXTENSIONS]
    if not texts:
        raise ValueError(f"{readable(str(folder))} holds no text file (.txt): add some, or remove the folder")
    if others := [path.name for path in files if path.suffix.lower() not in EXTENSIONS]:
        say_once(f"{readable(str(folder))}: {len(others):,} files are no texts (.txt), and left out: {listed(others)}")
    return texts


def written(path: Path, *, encoding: str | None = None) -> str:
    """Return what a file says, in UTF-8 or CP949, or in the `encoding` given; raises ValueError where it is in none."""
    content = path.read_bytes()
    for each in [encoding] if encoding else ENCODINGS:
        try:
            return content.decode(each)
        except (UnicodeDecodeError, LookupError):
            continue
    tried = encoding or "UTF-8 nor CP949"
    raise ValueError(
        f"{readable(str(path))} is {'no' if encoding else 'neither'} {tried}: save it as UTF-8, or set data.encoding="
    )
