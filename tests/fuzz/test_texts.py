"""Any text of a stranger, a class, a file or a tag, comes out of every file as it went in, and nothing obeys it."""

import csv
import io
import json
import re
import shlex
import tempfile
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from omegaconf import OmegaConf
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard.summary import hparams

from src.callback.hparams import choices
from src.command.argument import quoted, unquoted
from src.config.literal import literal
from src.data.read.readable import label, readable
from src.eval import store
from src.run.cell import text
from src.run.prediction_table import Table, read
from src.run.record import Record, command_line, keep
from src.run.row_files import RowFiles
from src.view import table as tables
from src.view.average import Row
from src.view.differences import printable
from src.view.gather import Run
from src.view.page import page
from tests.fuzz.claim import claim

STARTS = (
    "=1+1",
    "+",
    "-",
    "@SUM(A1)",
    "\t",
    "\r",
    "'",
    "''=",
    "</script>",
    "<b>",
    "&amp;",
    "\\input{x}",
    "%",
    "$x$",
    "|",
)
STARTS += (
    "`",
    "${oc.env:HOME}",
    "\\${",
    "???",
    '"',
    "\x1b[31m",
    "\\\\",
    "[x]",
    "*",
    "~",
    "^",
    "null",
    "1e3",
    "0x1F",
    "=",
)
STARTS += (
    "2026-11-28",
    "yes",
    "- a",
    "a: b",
    "#",
    "!!python/none",
    "&a",
    "*a",
    "사진",
    "\u2028",
    "\x85",
    "\ufeff",
    "\0",
    "—",
)
ANY = st.builds("{}{}".format, st.sampled_from(("", *STARTS)), st.text(st.characters(codec="utf-8"), max_size=8))
OF_A_DISK = st.builds("{}{}".format, st.sampled_from(("", *STARTS)), st.text(max_size=8))  # may be no UTF-8
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def check_cells(file: str) -> list[list[str]]:
    """The cells of a CSV, none of which a spreadsheet computes."""
    rows = list(csv.reader(io.StringIO(file, newline="")))
    for value in (value for row in rows for value in row):
        assert is_number(value) or not value.startswith(FORMULA), value
    return rows


@claim(examples=15, path=ANY, name=ANY, other=ANY)
def test_rows_of_samples_come_back_as_they_were(path: str, name: str, other: str) -> None:
    assume(name != other)
    with tempfile.TemporaryDirectory() as folder:
        said, place = Path(folder) / "said", Path(folder) / "test.csv"
        with RowFiles(said, ["path", "label"]) as files:
            files.add({"path": path, "label": name})
        _, row = check_cells(said.with_name("said.csv").read_bytes().decode())
        assert [text(value) for value in row] == [path, name]
        assert json.loads(said.with_name("said.jsonl").read_bytes()) == {"path": path, "label": name}
        for _ in range(2):  # read, and stored again
            store(Path(folder) / "eval.csv", [{"checkpoint": path, "split": "test", "test/loss": -1.0}])
        assert len(check_cells((Path(folder) / "eval.csv").read_bytes().decode())) == 2
        with Table(place, ["index", "path", "target", "label", f"P({name})", f"P({other})"]) as table:
            table.add([[0, path, name, other, 0.25, 0.75]])
        check_cells(place.read_bytes().decode())
        found = read(place)
        assert (found.classes, found.extra["path"]) == ([name, other], [path])
        assert (found.target.tolist(), found.prediction.tolist()) == ([0], [1])
        assert sorted(path.name for path in Path(folder).iterdir()) == [
            "eval.csv",
            "said.csv",
            "said.jsonl",
            "test.csv",
        ]


class Elements(HTMLParser):
    """The elements of a page, and the text in each."""

    def __init__(self, markup: str):
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, ""))

    def handle_data(self, data: str) -> None:
        if self.found:
            tag, before = self.found[-1]
            self.found[-1] = tag, before + data


def run(name: str, value: str, other: str) -> Run:
    settings = {other: 1, "model.net.act": value}
    monitor = ("val/loss", "min")
    return Run(Path("none"), name, "failed", error=value, settings=settings, monitor=monitor, scores={"a": 1.0})


def unescaped(latex: str) -> str:
    """The text that TeX sets."""
    names = {name.removesuffix("{}"): sign for sign, name in tables.LATEX.items() if name.endswith("{}")}
    found = re.sub(r"(\\[a-z]+)\{\}", lambda word: names[word[1]].replace("\\", "\0"), latex)
    return re.sub(r"\\([&%$#_{}])", r"\1", found).replace("\0", "\\")


@claim(examples=15, name=OF_A_DISK, value=OF_A_DISK, key=OF_A_DISK)
def test_a_report_shows_every_text_as_it_is(name: str, value: str, key: str) -> None:
    name, value, key = printable(name), printable(value), printable(key) or "key"
    assume(not set("±—") & set(name + value + key))  # which LaTeX gets as signs
    rows = [Row([run(name, value, key)], [])]
    paths = ["model.net.act", key]
    table = tables.table(rows, paths)
    shown = [table.header, [found.text for found in table.rows[0]]]
    assert table.rows[0][0].text == value

    header, row = check_cells(tables.comma_separated(rows, paths))
    assert [text(part) for part in (header[1], row[0], row[-1])] == [key, value, name]

    head, _, body = tables.markdown(table).splitlines()
    for line, texts in zip((head, body), shown, strict=True):
        cells = re.split(r"(?<!\\)(?:\\\\)*\|", line)
        assert len(cells) == len(texts) + 2

    lines = tables.latex(table).splitlines()
    for line, texts in zip((lines[2], lines[4]), shown, strict=True):
        parts = re.split(r"(?<!\\) & ", line.removesuffix(r" \\").removeprefix("{}"))
        assert [unescaped(part) for part in parts] == [part.replace("—", "---") for part in texts]

    elements = Elements(page(name, table, rows, paths)).found
    harmless = [Row([run("x", "x", "x")], [])]
    plain = Elements(page("x", tables.table(harmless, ["x"]), harmless, ["x"])).found
    assert [tag for tag, _ in elements] == [tag for tag, _ in plain]
    assert name in dict(elements)["title"]
    (data,) = (json.loads(inside) for tag, inside in elements if tag == "script" and inside.lstrip().startswith("{"))
    assert data["header"] == shown[0]
    assert [part for part, _ in data["rows"][0]["cells"]] == shown[1]


@claim(examples=15, words=st.lists(OF_A_DISK, min_size=1, max_size=3))
def test_what_is_typed_is_printed_recorded_and_read_as_it_was(words: list[str]) -> None:
    assert shlex.split(command_line(["src/train.py", *words]))[3:] == words
    for word in words:
        assume(word not in ("", "null", "???") and not word.startswith(("~/", '"', "'")))
        assume("\x85" not in word and "\\${" not in word)  # refused; and, as ???, meant for OmegaConf
        typed = quoted(f"run={word}")
        assert unquoted(typed.partition("=")[2]) == word
        assert OmegaConf.create({"name": literal(word)}).name == word
        assert OmegaConf.create({"name": label(word)}).name == label(word)
        assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(sign) for sign in label(word)}
        with tempfile.TemporaryDirectory() as folder:
            config = OmegaConf.create({"tags": [literal(word)], literal(word): 1})
            keep(Path(folder), "config", config)
            back = OmegaConf.load(Path(folder) / ".hydra" / "config.yaml")
            assert back.tags[0] == word


@claim(examples=15, words=st.lists(st.tuples(OF_A_DISK, OF_A_DISK), min_size=1, max_size=3))
def test_tensorboard_shows_what_was_typed(words: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        overrides = [f"data.x{number}{key}={value}" for number, (key, value) in enumerate(words)]
        Record(Path(name)).update(model="m", data="d", seed=0, overrides=overrides)
        found = choices(Path(name), SimpleNamespace(optimizers=[]))  # type: ignore[arg-type]
    _, start, _ = hparams(found, {"test/loss": 0})
    plugin = HParamsPluginData.FromString(start.value[0].metadata.plugin_data.content)
    shown = plugin.session_start_info.hparams
    for override in overrides:
        key, _, value = override.partition("=")
        said = shown[readable(key)]
        assert is_number(value) or value.lower() in ("true", "false") or said.string_value == readable(value)
