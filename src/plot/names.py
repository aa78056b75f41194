"""Names that fit their place: cut in the middle, in two lines, in smaller letters.

The end of a name tells as much as its beginning: class_1 and class_2.
"""

from src.plot.room import widest

BREAKS = "_-. "  # behind which a line of a name ends best


def shortened(name: str, length: int = 18) -> str:
    """Return a name of `length` letters or fewer, its middle an ellipsis where it is longer."""
    head = length // 2
    return name if len(name) <= length else f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"


def wrapped(name: str, length: int) -> str:
    """Return a name in two lines where it has more than `length` letters, and shortened where it fills more than two.

    The first line ends behind a word where that leaves room for the rest, and else where the lines are equally long.
    """
    if len(name) <= length:
        return name
    name = shortened(name, 2 * length)
    places = range(len(name) - length, length + 1)
    place = max(places, key=lambda place: (name[place - 1] in BREAKS, -abs(2 * place - len(name))))
    return f"{name[:place].rstrip()}\n{name[place:].lstrip()}"


def fitted(text: str, inches: float, *, size: float) -> float:
    """Return the size in points at which the widest line of `text` takes no more than `inches`; `size` or smaller."""
    return size * min(1.0, inches / max(widest(plain(text).split("\n"), size=size), 1e-9))


def plain(text: str) -> str:
    """Return text in which a dollar is a dollar: between two of them matplotlib reads mathematics."""
    return text.replace("$", r"\$")
