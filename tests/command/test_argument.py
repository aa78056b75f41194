"""Paths, tags and names pass as they are typed; what Hydra's grammar is for keeps its meaning."""

import os
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from src.command.argument import quoted, typed, unquoted
from src.config.literal import literal
from src.run.record import read
from tests.conftest import FAST, Command, call

ODD = (
    *("a b", "a,b", "[1]", "{x}", 'say "hi"', "it's", "a=b", "back\\slash", 'end\\"', "ü$x", "x/photos (1)", "사진"),
    *("#1", "2024", "1e3", "true", "epoch=000.ckpt", "choice(1)", "a;b", "a&b", "!", "a\nb", "x]", "*", "a: b"),
)


def said(argument: str, *, sweeps: bool = False) -> Any:
    """What Hydra reads in an argument; of a sweep, in each of its jobs."""
    parser = OverridesParser.create()
    override = parser.parse_override(quoted(argument, sweeps=sweeps))
    if not override.is_sweep_override():
        return override.value()
    return [parser.parse_override(f"key={part}").value() for part in override.sweep_string_iterator()]


@pytest.mark.parametrize("key", ["run", "data_dir", "sweep", "+out", "target"])
@pytest.mark.parametrize("value", ODD)
def test_a_word_of_the_schema_is_what_was_typed(key: str, value: str) -> None:
    assert said(f"{key}={value}") == value
    assert unquoted(quoted(f"{key}={value}").partition("=")[2]) == value


@pytest.mark.parametrize(
    "key", ["data.root", "data.file", "model.weights", "hydra.run.dir", "callback.checkpoint.folder"]
)
@pytest.mark.parametrize("value", [value for value in ODD if value[0] not in "[{"])
def test_a_path_of_a_group_is_what_was_typed(key: str, value: str) -> None:
    assert said(f"{key}={value}") == value


def test_what_hydra_reads_as_a_list_of_paths_stays_one() -> None:
    assert said("data.file=[a.csv,b c.csv]") == ["a.csv", "b c.csv"]


@pytest.mark.parametrize(
    ("typed_list", "items"),
    [
        ("[Größe]", ["Größe"]),
        ("[a b,1e3,don't]", ["a b", "1e3", "don't"]),
        ("one,two words", ["one", "two words"]),
        ("['a, b',c]", ["a, b", "c"]),
        ("[]", []),
        ("#1", ["#1"]),
    ],
)
@pytest.mark.parametrize("sweeps", [False, True])
def test_a_list_of_words_is_parted_at_its_commas(typed_list: str, items: list[str], sweeps: bool) -> None:
    assert said(f"tags={typed_list}", sweeps=sweeps) == items


def test_a_comma_parts_a_sweeps_values_unless_there_is_such_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said("data.root=cats (1),2024", sweeps=True) == ["cats (1)", "2024"]
    assert said("data.root='cats,dogs',birds", sweeps=True) == ["cats,dogs", "birds"]
    Path("cats (1),2024").mkdir()
    assert said("data.root=cats (1),2024", sweeps=True) == "cats (1),2024"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("optimizer.lr=choice(0.1,0.2)", [0.1, 0.2]),
        ("data.root=choice(a,b)", ["a", "b"]),
        ("seed=range(0,3)", [0, 1, 2]),
        ("model=a,b", ["a", "b"]),
        ("data.note=it's,2", ["it's", 2]),
        ("tags=[a],[b]", [["a"], ["b"]]),
    ],
)
def test_a_sweep_keeps_its_grammar(argument: str, value: list[Any]) -> None:
    assert said(argument, sweeps=True) == value


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("data.root='x'", "x"),
        ('run="a b"', "a b"),
        ("data.root=null", None),
        ("run=", ""),
        ("model.class_weights=[1,2]", [1, 2]),
        ("data.columns=[Größe (m), 3]", ["Größe (m)", 3]),
        ("data.root=~/photos", os.path.expanduser("~/photos")),
        ("overrides=[trainer.max_epochs=1,seed=2]", ["trainer.max_epochs=1", "seed=2"]),
    ],
)
def test_quotes_null_numbers_and_a_home_keep_their_meaning(argument: str, value: Any) -> None:
    assert said(argument) == value


@pytest.mark.parametrize("value", ["-1", "nan", "true", "null", "1e3"])
def test_an_option_of_a_group_is_a_text_whatever_it_looks_like(value: str) -> None:
    assert said(f"callback={value}") == said(f"+hydra/launcher={value}") == value
    assert said(f"data=[digits,{value}]") == ["digits", value]
    assert said(f"data.folds={value}") != value


@pytest.mark.parametrize("argument", ["callback=-1", "data=[1,2]", "scheduler=null", "optimizer=", "model=true"])
def test_an_option_that_there_is_not_is_named_with_those_there_are(argument: str, train: Command) -> None:
    group, value = argument.split("=")
    assert f"{group}={value[-2:].strip(']') if ',' in value else value}: no such option" in train(argument).error


def test_other_arguments_keep_their_grammar() -> None:
    for argument in ("seed=0,1", "data.classes=[a,b]", "+callback=x", "~callback.x", "--help", "run", "-m"):
        assert quoted(argument) == argument


@pytest.mark.parametrize("argument", ["optimizer.lr=choice(0.1", "data.classes=[a,[b]", "data.note=[it's,{]", "x='a"])
def test_where_the_grammar_is_needed_the_error_shows_the_quotes(argument: str) -> None:
    with pytest.raises(ValueError, match="as a text it is") as caught:
        quoted(argument)
    cure = str(caught.value).rpartition("as a text it is ")[2]
    import shlex

    (word,) = shlex.split(cure)
    assert OverridesParser.create().parse_override(word).value() == argument.partition("=")[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data.root=my", "photos"], "'data.root=my photos'"),
        (["photos"], "no key=value"),
        ([""], "^'': this is no key=value"),
        (["tags=[a\x85b]"], "reads U\\+0085 as a space"),
        (["größe=3"], "unknown key"),
    ],
)
def test_what_is_no_argument_says_so(arguments: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        typed(arguments)


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (["model=x", "-m", "seed=0,1"], ["-m", "model=x", "seed=0,1"]),
        (["seed=1", "--cfg", "job", "a=2"], ["--cfg", "job", "seed=1", "a=2"]),
        (["a=1", "--config-dir", "x=y"], ["--config-dir", "x=y", "a=1"]),
        (["--info", "a=1"], ["--info", "a=1"]),
        (["a=1", "--info", "plugins"], ["--info", "plugins", "a=1"]),
        ([], []),
    ],
)
def test_flags_stand_anywhere(arguments: list[str], read: list[str]) -> None:
    assert typed(arguments) == read


@pytest.mark.parametrize("name", ["${oc.env:HOME}", "a\\${x}", "${", "$x", "\\"])
def test_nothing_of_a_literal_is_replaced(name: str) -> None:
    assert OmegaConf.create({"name": literal(name)}).name == name


def test_odd_names_reach_the_run_that_they_are_typed_for(train: Command, evaluate: Command, tmp_path: Path) -> None:
    folder = "don't (1), $x/사진 #1"
    ended = train("model=softmax_regression", "trainer.max_epochs=1", f"hydra.run.dir={folder}", "tags=[Größe,2024]")
    assert ended.code == 0, ended.err
    assert ended.run == tmp_path / folder
    assert read(ended.run)["tags"] == ["Größe", "2024"]
    assert evaluate(f"run={folder}").code == 0
    assert "is done" in train(f"run={folder}").err


@pytest.mark.parametrize("command", ["train", "report", "explore"])
def test_nothing_of_the_working_folders_name_is_replaced(command: str, tmp_path: Path) -> None:
    folder = tmp_path / "${oc.env:HOME}"
    folder.mkdir()
    error = call(command, folder, "model=softmax_regression").error
    assert os.environ["HOME"] not in error.replace(str(folder), "")
    assert "rename this folder" in error


def test_a_path_of_data_that_looks_like_an_interpolation_is_a_path(train: Command, tmp_path: Path) -> None:
    (tmp_path / "${oc.env:HOME}").mkdir()
    error = train("data=image_folder", "data.root=${oc.env:HOME}").error
    assert "${oc.env:HOME} holds no class" in error
    assert os.environ["HOME"] not in error
    assert "rename it" in train("run=${oc.env:HOME}").error


def test_a_sweep_takes_its_flag_last_and_any_name(train: Command, tmp_path: Path) -> None:
    ended = train(*FAST, "seed=0,1", "sweep=실험 (1)", "-m")
    assert ended.code == 0, ended.err
    assert [run.parent for run in ended.runs] == [tmp_path / "outputs/sweeps/실험 (1)"] * 2
