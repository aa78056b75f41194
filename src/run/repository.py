"""Which code ran: the commits of the person's repository and of the framework's, and what was changed since."""

import os
import subprocess
import tomllib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from src.config.own import own_conf, working_folder
from src.run.write import write

CODE = Path(__file__).resolve().parents[2]  # a checkout of the framework, or where packages are installed
FRAMEWORK = "lightning-hydra-experiments"
PATCH, FRAMEWORK_PATCH, PATCH_LENGTH, PATCH_FILES = "git.patch", "framework.patch", 1_000_000, 100
SUFFIXES = (".py", ".yaml", ".html", ".js")  # of what is code


def git(folder: Path) -> dict[str, Any] | None:
    """The commit of the person's code and whether it had changes; None where there is no repository.

    It is the repository of the working folder, or else the framework's, where that is a checkout. The changes
    themselves, new files of code and configs among them, go to `folder/git.patch`, which `git apply` puts on top of the
    commit; `patch` is that name, or says why there is none. Where the person's repository is another than a checkout of
    the framework, changes of the latter go to `folder/framework.patch`.
    """
    own, checkout = _top(working_folder()), _top(CODE) if _is_checkout() else None
    try:
        if own and own != checkout:
            if checkout:
                _repository(CODE, folder / FRAMEWORK_PATCH)
            return _repository(working_folder(), folder / PATCH)
        return _repository(CODE, folder / PATCH) if checkout else None
    except subprocess.CalledProcessError:  # a repository that git itself cannot read
        return None


def framework() -> str:
    """The framework's version; with its commit where it is a checkout, and another repository the person's."""
    if not _is_checkout() or not (CODE / "pyproject.toml").is_file():
        try:
            return version(FRAMEWORK)
        except PackageNotFoundError:  # a copy of the code
            return "unknown"
    number = tomllib.loads((CODE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    is_told = _top(working_folder()) in (None, _top(CODE))  # by `git`
    return number if is_told else f"{number}+{_git(CODE, 'rev-parse', '--short=12', 'HEAD').strip()}"


def _repository(place: Path, path: Path) -> dict[str, Any]:
    """Return the commit of the repository around `place`, and write what was changed since to `path`."""
    commit, new = _git(place, "rev-parse", "HEAD").strip(), _new(place)
    dirty = bool(new or _git(place, "status", "--porcelain", "--untracked-files=no"))
    patch = _patch(place, new) if dirty else ""
    path.unlink(missing_ok=True)
    if len(patch) > PATCH_LENGTH:
        return {"commit": commit, "dirty": dirty, "patch": f"left out: {len(patch):,} characters"}
    if patch:
        write(path, patch)
    return {"commit": commit, "dirty": dirty, "patch": path.name if patch else None}


def _new(place: Path) -> list[str]:
    """Return the new files of code and configs, as the repository names them."""
    conf = own_conf()
    names = [entry.name for entry in place.iterdir() if _is_code(entry)]
    names += [os.path.relpath(conf, place)] if conf and conf.resolve().is_relative_to(place.resolve()) else []
    listed = ("ls-files", "-z", "--others", "--exclude-standard", "--full-name", "--", *names)
    found = _git(place, "--literal-pathspecs", *listed).split("\0")[:-1] if names else []
    return [name for name in found if Path(name).suffix in SUFFIXES]


def _is_code(entry: Path) -> bool:
    """Whether something in the working folder may be code or configs: no virtual environment."""
    return entry.suffix == ".py" or (
        entry.name.isidentifier() and entry.is_dir() and not (entry / "pyvenv.cfg").exists()
    )


def _patch(place: Path, new: Sequence[str]) -> str:
    shown = ("diff", "--no-color", "--no-ext-diff", "--no-textconv")  # whatever the user's git is set to
    top = _top(place) or place
    added = [_git(top, *shown, "--no-index", "--", os.devnull, name, codes=(0, 1)) for name in new[:PATCH_FILES]]
    return "".join([_git(top, *shown, "HEAD"), *added])


def _top(place: Path) -> Path | None:
    """Return the folder of the repository around `place`, or None where there is none with a commit."""
    try:
        return Path(_git(place, "rev-parse", "--show-toplevel", "HEAD").splitlines()[0])
    except (OSError, subprocess.CalledProcessError):
        return None


def _is_checkout() -> bool:
    """Whether the framework's code is in a repository: not where it is installed into an environment inside of one."""
    try:
        return bool(_git(CODE, "ls-files", "--", "src/__init__.py"))
    except (OSError, subprocess.CalledProcessError):
        return False


def _git(place: Path, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(["git", "-C", place, *words], capture_output=True)
    if done.returncode not in codes:
        raise subprocess.CalledProcessError(done.returncode, words)
    return done.stdout.decode(errors="surrogateescape")
