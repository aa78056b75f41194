"""Names that come from a disk as text that every file, terminal and config takes as it stands."""

import unicodedata

ESCAPED = ("Cc", "Zl", "Zp")  # Unicode's categories of control characters and of what ends a line or a paragraph
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # what turns the order of letters on a screen
MEANT = {"${": r"\x24{", "???": r"\x3f??"}  # in a config an interpolation, and what is missing


def readable(text: str) -> str:
    r"""Return text in which bytes that are no text and control characters are escaped: `caf\xe9`."""
    if text.isprintable():
        return text
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(part.encode("unicode_escape").decode() if _is_escaped(part) else part for part in text)


def label(name: str) -> str:
    """Return what the class of a folder is called: its readable name, in which a config finds nothing to resolve."""
    text = readable(name)
    return MEANT["???"] if text == "???" else text.replace("${", MEANT["${"])


def _is_escaped(part: str) -> bool:
    return part in TURNING or unicodedata.category(part) in ESCAPED
