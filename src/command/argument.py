"""What is typed as Hydra reads it: flags stand anywhere, and paths and free words need no quotes; torch-free."""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from src.config import schema
from src.config.literal import in_quotes, literal
from src.config.schema import options

COMMANDS = (
    *(schema.Train, schema.Eval, schema.Predict, schema.Explain),
    *(schema.Explore, schema.Export, schema.Report, schema.Reproduce),
)
FIELDS = {entry.name: entry.type for command in COMMANDS for entry in fields(command)}
LISTS = {name for name, kind in FIELDS.items() if kind == list[str]}
WORDS = {name for name, kind in FIELDS.items() if kind in (str, str | None)}
PATH = re.compile(r"(^|[._])(?<!sub_)(dir|subdir|dirpath|folder|path|root|uri|url|location|file|filename)$|\.weights$")
QUOTED = re.compile(r'"([^"\\]|\\.)*"|\'([^\'\\]|\\.)*\'', re.DOTALL)
PART = re.compile(rf"\s*({QUOTED.pattern}|[^,]*?)\s*(,|$)", re.DOTALL)
GRAMMAR = re.compile(r"[\[{\"']|\w+\(")  # what begins like this is meant for Hydra
KEY = re.compile(r"[+~]*[\w.$/@:-]+", re.ASCII)
PLACES = re.compile(r"\+*(run|rerun|sweep|hydra\..*)=")  # names that Hydra puts where it replaces them again
VALUED = ("--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd")


def typed(arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments as Hydra takes them: flags first, texts in quotes.

    Raises ValueError, with the quotes to set, for a value that is neither a text nor in Hydra's grammar.
    """
    flags, overrides = _parted(arguments)
    if {"-sc", "--shell-completion"} & set(flags):
        return list(arguments)
    for number, argument in enumerate(overrides):
        _check_form(argument, overrides[number - 1] if number else None)
    return flags + [quoted(argument, sweeps=is_sweep(flags)) for argument in overrides]


def is_sweep(arguments: Sequence[str]) -> bool:
    """Whether the arguments ask for several runs."""
    return "-m" in arguments or "--multirun" in arguments


def quoted(argument: str, *, sweeps: bool = False) -> str:
    """Return an argument with quotes around its value where that is a path or a free word.

    With `sweeps` a comma parts values, unless there is a path of that name. What Hydra can read, in a key of other
    values, stays.
    """
    key, equals, value = argument.partition("=")
    name = key.lstrip("+")
    if not equals or key.startswith(("-", "~")):
        return argument
    if (options(name) or "/" in name) and (option := _option(argument)):
        return f"{key}={option}"
    if value in ("", "null"):
        return argument
    if QUOTED.fullmatch(value) and not os.path.exists(value):
        return argument
    if name in LISTS:
        return f"{key}={_list(argument, value)}"
    if name in WORDS or PATH.search(name):
        return f"{key}={_text(argument, value, is_word=name in WORDS, sweeps=sweeps)}"
    return argument if _read(argument) else f"{key}={_unreadable(key, value, sweeps=sweeps)}"


def unquoted(value: str) -> str:
    """Return the text that a typed value stands for, once it is in quotes where it needs them."""
    read = _read(f"key={value}")
    return str(read.value()).replace(r"\${", "${") if read else value


def _parted(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part flags, with the values that follow them, from overrides: a parser of Python's wants them apart."""
    flags: list[str] = []
    overrides: list[str] = []
    for number, argument in enumerate(arguments):
        before = arguments[number - 1] if number else ""
        is_value = before in VALUED or (before in ("--info", "-i") and "=" not in argument)
        (flags if argument.startswith("-") or is_value else overrides).append(argument)
    return flags, overrides


def _check_form(argument: str, left: str | None) -> None:
    """Raise ValueError for what is no key=value; a value that the shell has parted says so of itself."""
    key, equals, _ = argument.partition("=")
    if not equals and not argument.startswith("~"):
        whole = f"{left} {argument}" if left else f"key={argument}"
        raise ValueError(
            f"{argument or repr('')}: this is no key=value: a value with spaces stands in the shell's quotes: "
            f"{shlex.quote(whole)}"
        )
    if "\x85" in argument:
        raise ValueError(f"{argument}: YAML, in which it would be recorded, reads U+0085 as a space: take it out")
    if not KEY.fullmatch(key):
        raise ValueError(f"{argument}: unknown key {key!r}: keys are of letters a to z, digits, _ and dots")


def _option(argument: str) -> str | None:
    """Return the option of a group, or a list of some, in quotes where Hydra reads what is no text; else None."""
    read = _read(argument)
    if not read or read.is_sweep_override():
        return None
    value, written = read.value(), argument.partition("=")[2]
    if isinstance(value, list):
        is_text = all(isinstance(part, str) for part in value)
        return None if is_text else f"[{_parts(written[1:-1])}]"
    return in_quotes(written) if value is None or isinstance(value, (bool, int, float)) else None


def _read(argument: str) -> Override | None:
    """Return what Hydra reads in an argument, None where it is not in its grammar."""
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException:
        return None


def _text(argument: str, value: str, *, is_word: bool, sweeps: bool) -> str:
    """Return a text in quotes; where there is no such path, several of them in a sweep, and a list of Hydra's."""
    if _is_named_so(value):
        if PLACES.match(argument):
            raise ValueError(f"{argument}: Hydra would replace the ${{...}} in its name: rename it")
        value = literal(value)
    if os.path.lexists(value.replace(r"\${", "${")):
        return _quoted(value)
    read = _read(argument)
    if read and GRAMMAR.match(value):
        is_list = not is_word and isinstance(read.value(), (list, dict)) and not read.is_sweep_override()
        if is_list or (sweeps and read.is_sweep_override()):
            return value
    if sweeps and "," in value:
        return _parts(value)
    return _quoted(os.path.expanduser(value) if value.startswith("~/") else value)


def _is_named_so(value: str) -> bool:
    """Whether a path has a `${` that is in the name of a file or folder: any other is an interpolation."""
    return any(os.path.lexists(path) for path in (Path(value), *Path(value).parents) if "${" in path.name)


def _list(argument: str, value: str) -> str:
    """Return a list of texts in Hydra's grammar, whether it stands in brackets or not."""
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if re.search(r"[][{}()\"'\\]", inner) and _read(argument):
        return value
    return f"[{_parts(inner)}]"


def _unreadable(key: str, value: str, *, sweeps: bool) -> str:
    """Return what Hydra cannot read as the text or the list of texts that it looks like."""
    if value.startswith("[") and value.endswith("]") and not re.search(r"[][{}]", value[1:-1]):
        return f"[{_parts(value[1:-1], are_texts=False)}]"
    if GRAMMAR.match(value):
        whole = shlex.quote(f"{key}={in_quotes(value)}")
        raise ValueError(
            f"{key}={value}: a bracket, a quote or a comma of it is missing or too many: as a text it is {whole}"
        )
    return _parts(value, are_texts=False) if sweeps and "," in value else in_quotes(value)


def _parts(value: str, *, are_texts: bool = True) -> str:
    """Return what stands between a value's commas, in quotes: all of it, or what Hydra could not read."""
    found = [match[1] for match in PART.finditer(value)]
    return ",".join(part if not are_texts and _read(f"key={part}") else _quoted(part) for part in found if part)


def _quoted(value: str) -> str:
    """Return a text as it is where Hydra reads it so, or where it is in quotes already; else in quotes."""
    read = _read(f"key={value}")
    is_itself = read is not None and not read.is_sweep_override() and read.value() == value
    return value if is_itself or QUOTED.fullmatch(value) else in_quotes(value)
