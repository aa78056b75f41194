"""The image files in a folder and below it, in order; what else lies there is left out, counted and named.

Of notes and tables nothing is said: nobody takes them for images.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from src.data.read.folders import JUNK, is_folder, listed, say_once
from src.data.read.formats import extensions, is_image, is_other, missing
from src.data.read.readable import readable


@dataclass
class Pictures:
    """The image files of some folders, and what is left out of them: other files, hidden ones, linked folders."""

    files: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    linked: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    def add(self, folder: str) -> None:
        """Add the images in a folder and in its folders, each in its place: sorted as Paths are."""
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            if is_folder(entry):
                self._add_folder(entry)
            elif entry.name.startswith("."):
                self.hidden += [entry.path] * (os.path.splitext(entry.name)[1].lower() in extensions())
            elif is_image(entry):
                self.files.append(entry.path)
            elif not is_other(entry.name):
                self.others.append(entry.path)

    def add_beside(self, folder: str) -> None:
        """Note the images that lie in no folder of a class."""
        with os.scandir(folder) as entries:
            names = sorted(entry.path for entry in entries if not entry.name.startswith(".") and not is_folder(entry))
        self.beside += [name for name in names if os.path.splitext(name)[1].lower() in extensions()]

    def say(self, root: str) -> None:
        """Say in one line of the log what is left out, where anything is; once, however often it is asked."""
        if left := self.left_out(root):
            say_once(f"{readable(root)}: {'; '.join(left)}")

    def left_out(self, root: str) -> list[str]:
        """Return what is left out, counted and named by the places below `root`."""
        return list(self._said(root))

    def _add_folder(self, entry: os.DirEntry[str]) -> None:
        if entry.name.startswith(".") or JUNK.fullmatch(entry.name.casefold()):
            self.hidden.append(entry.path)
        elif entry.is_symlink():
            self.linked.append(entry.path)
        else:
            self.add(entry.path)

    def _said(self, root: str) -> Iterator[str]:
        others, hidden, linked, beside = (
            [os.path.relpath(path, root) for path in paths]
            for paths in (self.others, self.hidden, self.linked, self.beside)
        )
        if others:
            packages = sorted({package for path in self.others if (package := missing(path))})
            cure = f": install {' and '.join(packages)}" if packages else ""
            everything = len(others) + len(self.files)
            yield f"{len(others):,} of {everything:,} files are no images that can be read: {listed(others)}{cure}"
        if hidden:
            yield f"hidden, and left out: {listed(hidden)}"
        if linked:
            yield f"linked folders, which are not followed: {listed(linked)}"
        if beside:
            yield f"{len(beside):,} images in no folder of a class: {listed(beside)}"
