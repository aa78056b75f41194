"""A set of labels as one text, `cat|dog`, and back: in a cell of a CSV, over a picture."""

from collections.abc import Collection, Iterable, Sequence

SEPARATORS = ("|", ";", ",", "/", "\x1f")  # the first that is in no label's name


def separator(names: Collection[str]) -> str:
    """Return what stands between labels of these `names`."""
    return next((sign for sign in SEPARATORS if not any(sign in name for name in names)), SEPARATORS[-1])


def joined(found: Iterable[str], names: Collection[str]) -> str:
    """Return labels, of all that are called `names`, as one text; no label is no text."""
    return separator(names).join(found)


def parted(text: str, names: Sequence[str]) -> list[int]:
    """Return the numbers of the labels in a text; raises ValueError for one that there is not."""
    return [names.index(name) for name in text.split(separator(names))] if text else []
