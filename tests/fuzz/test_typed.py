"""Whatever is typed is accepted by the check before compute, or refused in one line; what is accepted trains."""

import re
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, get_args, get_type_hints

from hydra import compose, initialize_config_dir
from hypothesis import assume, example
from hypothesis import strategies as st
from omegaconf import OmegaConf

from src.command.argument import typed
from src.command.entry import one_line_errors
from src.command.preflight import Preflight
from src.config.allow import resolve
from src.config.owner import owned
from src.config.schema import CONF, Train, options, register
from src.run.record import read
from src.sweep.plugin import hide_plugins
from tests.conftest import as_found, call
from tests.fuzz.claim import claim

GROUPS = ("model", "data", "optimizer", "scheduler", "trainer", "callback", "logger", "debug", "experiment")
ODD = ("", " ", "사진", "Größe (m)", "${oc.env:HOME}", "${nowhere}", "${", "???", "don't", 'a"b', "[1", "{a:", "a,b")
ODD += (
    "a\nb",
    "\t",
    "=1+1",
    "-m",
    "#",
    "null",
    "None",
    "true",
    "1e3",
    "!",
    "..",
    "/",
    "~",
    "a: b",
    "*",
    "%",
    "\\",
    "@",
)
NUMBERS = ("0", "1", "-1", "2", "3", "0.5", "-0.0", "1e-9", "1e308", "nan", "inf", "-inf", "10000000000", "01")
NESTED = ("[]", "{}", "[1,2]", "[a,b]", "{a:1}", "[null]", "[[1]]", "{_target_:os.system}", "[{}]")
PYTHONIC = re.compile(r"NoneType|object is not|object has no|unexpected keyword|Traceback|HYDRA_FULL_ERROR|<\w+\.\w+")
LINES = re.compile(r"[\n\r]")


def targets_of(node: Any, path: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield (path, target, node) of every call that a group's file writes out."""
    if isinstance(node, Mapping):
        if "${" not in str(node.get("_target_", "${")):
            yield path, node["_target_"], node
        for key, value in node.items():
            yield from targets_of(value, f"{path}.{key}")


@cache
def keys(group: str, option: str) -> dict[str, Any]:
    """The keys that an option has or its constructors take, and what their annotations say."""
    node: Any = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{option}.yaml"))
    found: dict[str, Any] = {}
    for path, name, inner in targets_of(node, group):
        target: Any = resolve(name)
        constructor = target.__init__ if isinstance(target, type) else target
        hints = get_type_hints(constructor) if getattr(constructor, "__module__", "").startswith("src") else {}
        taken = [key for key, p in signature(target).parameters.items() if p.kind is not Parameter.VAR_KEYWORD]
        for key in (*taken, *inner, *(key for takes in owned(target, inner).values() for key in takes)):
            found[f"{path}.{key}"] = hints.get(key, Any)
    return found or {f"{group}.{option}": Any}


@st.composite
def values(draw: st.DrawFn, hint: Any) -> str:
    """A value as it is typed: what fits a hint, or anything."""
    parts = {*get_args(hint), hint}
    fitting = [st.sampled_from(("true", "false"))] if bool in parts else []
    fitting += [st.sampled_from(NUMBERS), st.integers(-2, 10).map(str)] if {int, float} & parts else []
    fitting += [st.sampled_from([str(value) for value in parts if isinstance(value, str)] or ["auto"])]
    anything = st.one_of(st.sampled_from((*NUMBERS, *ODD, *NESTED)), st.text(max_size=6))
    return draw(st.one_of(*fitting, anything))


@st.composite
def settings(draw: st.DrawFn) -> str:
    """One argument: an option, a key with a value, a removal, a key of the top, or a key that is misspelt."""
    group = draw(st.sampled_from(GROUPS))
    option = draw(st.sampled_from(options(group)))
    kind = draw(st.sampled_from(("option", "key", "key", "key", "top", "removed", "misspelt", "text")))
    if kind == "option":
        name = draw(st.one_of(st.just(option), st.sampled_from((f"{option}x", "", *ODD))))
        return f"{'+' if group in ('callback', 'logger') else ''}{group}={name}"
    if kind == "top":
        key, hint = draw(st.sampled_from(sorted(get_type_hints(Train).items(), key=str)))
        assume(key not in ("run", "rerun"))
        return f"{key}={draw(values(hint))}"
    if kind == "text":
        return draw(st.one_of(st.sampled_from(ODD), st.text(max_size=8), st.sampled_from(ODD).map("{}=1".format)))
    key, hint = draw(st.sampled_from(sorted(keys(group, option).items(), key=str)))
    if kind == "removed":
        return f"~{key}"
    if kind == "misspelt":
        place = draw(st.integers(0, len(key) - 1))
        key = key[:place] + key[place + 1 :]
    return f"{draw(st.sampled_from(('', '', '', '+', '++')))}{key}={draw(values(hint))}"


def refusal(arguments: list[str], folder: Path) -> str | None:
    """What the check before compute says of arguments, None where it accepts them."""
    with as_found():
        try:
            with one_line_errors():
                register()
                hide_plugins(arguments)
                words = typed(arguments)
                with initialize_config_dir(str(CONF), version_base="1.3"):
                    Preflight(claims=False).on_run_start(compose("train", words, return_hydra_config=True))
        except SystemExit as end:
            return str(end)
    return None


def check_line(line: str, arguments: list[str]) -> None:
    """The line is one, of words for users, and names a key that was typed, or the value."""
    assert line.startswith("error: "), line
    assert not LINES.search(line), line
    assert not PYTHONIC.search(line), line
    parts = [part for argument in arguments for part in re.split(r"[.=]", argument.lstrip("+~")) if part]
    is_no_setting = re.search(r"this is no key=value|unknown key", line)  # of which there may be nothing to name
    assert is_no_setting or any(part in line for part in parts), line


@claim(examples=5, arguments=st.lists(settings(), min_size=1, max_size=4))
@example(arguments=["trainer.acumulate=2"])
@example(arguments=["~model.net._target_"])  # found once
@example(arguments=["data=${"])  # found once
def test_any_arguments_are_accepted_or_refused_in_one_line(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        line = refusal(arguments, Path(name))
        assert not list(Path(name).iterdir())
    if line is not None:
        check_line(line, arguments)


FAST = ("model=softmax_regression", "debug=fast")
OPTIONS = {"optimizer": ("adam", "sgd", "adamw"), "scheduler": ("cosine", "step", "warmup", "plateau", "none")}
OPTIONS |= {"data": ("digits",), "trainer": ("auto",), "model": ("softmax_regression",)}
ELSEWHERE = re.compile(r"devices|nodes|accelerator|strategy|profiler|dir$|workers|fast_dev|time|epochs|steps|plugins")


@st.composite
def plausible(draw: st.DrawFn) -> list[str]:
    """Options that go together, and some of their keys, with values that fit more often than not."""
    group = draw(st.sampled_from(sorted(OPTIONS)))
    option = draw(st.sampled_from(OPTIONS[group]))
    found = {key: hint for key, hint in keys(group, option).items() if not ELSEWHERE.search(key)}
    chosen = draw(st.lists(st.sampled_from(sorted(found.items(), key=str)), min_size=1, max_size=2, unique=True))
    numbers = st.sampled_from(("0", "1", "2", "0.5", "1e-9", "null", "true", "false"))
    return [f"{group}={option}", *(f"{key}={draw(st.one_of(numbers, numbers, values(hint)))}" for key, hint in chosen)]


@claim(examples=1, arguments=plausible())
def test_what_is_accepted_trains_and_is_recorded_as_it_was_typed(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        assume(refusal([*FAST, *arguments], Path(name)) is None)
        ended = call("train", Path(name), *FAST, *arguments)
        assert "Traceback" not in ended.err
        record = read(ended.run)
        assert record["state"] == ("failed" if ended.code else "done"), ended.err
        assert not [*Path(name).rglob("*.part")]
        if ended.code:
            check_line(ended.err.splitlines()[-1], arguments)
        assert record["overrides"] == typed([*FAST, *arguments])
