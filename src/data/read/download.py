"""A dataset's download, and what to say where there is no network."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

DOWNLOAD_DIR = "DOWNLOAD_DIR"  # the environment variable that confines downloads; worker processes inherit it


def downloaded(fetch: Callable[[], object], folder: Path, names: Sequence[str]) -> None:
    """Call `fetch`, which downloads; where it cannot, name the missing files and their folder.

    Raises PermissionError where the folder cannot be written, or where only a run folder names it: its config may be a
    stranger's.
    """
    missing = [name for name in names if not (folder / name).is_file()]
    own = os.environ.get(DOWNLOAD_DIR)
    if own and not folder.resolve().is_relative_to(Path(own).resolve()):
        raise PermissionError(
            f"{', '.join(missing)} not found in {folder}, and nothing is downloaded to where a run folder says: "
            f"set data_dir=FOLDER or DATA_DIR"
        )
    path = [folder, *folder.absolute().parents]
    absent = [parent for parent in path if not parent.exists()]
    nearest = path[len(absent)]
    if not os.access(nearest, os.W_OK):
        raise PermissionError(
            f"{nearest} is read-only, and {', '.join(missing)} must go to {folder}: set data_dir=FOLDER or DATA_DIR"
        )
    try:
        with redirect_stdout(sys.stderr):  # torchvision prints one line per mirror that fails
            fetch()
    except Exception as error:  # RuntimeError, URLError, ConnectionError, a timeout: torchvision does not settle on one
        for made in absent:
            if made.is_dir() and not any(made.iterdir()):
                made.rmdir()
        raise FileNotFoundError(
            f"{', '.join(missing)} not found in {folder}, and the download failed ({type(error).__name__}): "
            f"put the files there, or set data_dir=FOLDER, or the environment variable DATA_DIR, to where they are"
        ) from error
