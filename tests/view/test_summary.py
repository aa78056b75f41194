"""What a run says at its end can be pasted, means its names literally, and is in train.log too."""

import json
import shlex
import warnings
from pathlib import Path

import lightning
import pytest

from src.run.record import command_line, read
from src.view.summary import show
from src.view.table import Cell, Table, latex
from tests.conftest import SHORT, Command

FIELDS = {
    "metrics": {"val/[red]acc[/red]": 0.5, "%s %d": 1.0},
    "best": {"metric": "val/loss", "value": 0.25, "epoch": 0, "checkpoint": "checkpoints/best.ckpt"},
    "seconds": 1.0,
    "epochs": 1,
    "steps": 2,
    "samples_per_second": 3.0,
    "parameters": {"total": 4},
}


@pytest.mark.parametrize("name", ["a b", "it's $HOME", "[red]", "(1); rm x", "`id`"])
def test_the_commands_for_what_comes_next_are_to_be_pasted(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / name
    (folder / "tensorboard").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(FIELDS))
    show(folder)
    out = capsys.readouterr().out
    evaluates, shows = (line.removeprefix("next:").strip() for line in out.splitlines()[-2:])
    assert shlex.split(evaluates) == ["python", "-m", "src.eval", f"run={folder}"]
    assert shlex.split(shows) == ["tensorboard", "--logdir", str(folder)]
    assert "val/[red]acc[/red]" in out
    assert "%s %d" in out


def test_tensorboard_is_named_where_it_has_something_to_show(train: Command) -> None:
    assert "tensorboard --logdir" not in train(*SHORT, "logger=csv").out


def test_the_recorded_command_can_be_pasted() -> None:
    words = ["seed=1", "data.root=it's (1)", "tags=[a,b]", "~callback.x", "", "a\nb"]
    assert shlex.split(command_line(["/x/src/train.py", *words])) == ["python", "-m", "src.train", *words]


def test_train_log_has_what_the_screen_had(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = lightning.Trainer.fit

    def warned(*arguments: object, **settings: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("mind the gap", UserWarning, stacklevel=1)
        fit(*arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(lightning.Trainer, "fit", warned)
    ended = train(*SHORT)
    text = (ended.run / "train.log").read_text()
    for line in [*ended.out.splitlines(), *ended.err.splitlines()]:
        assert line.strip() in text
    assert "mind the gap" in ended.err


def test_ctrl_c_says_how_to_go_on(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lightning.Trainer, "fit", interrupted)
    ended = train(*SHORT)
    assert ended.code == 130
    assert read(ended.run)["state"] == "interrupted"
    folder = next(Path(word.removeprefix("run=")) for word in shlex.split(ended.err) if word.startswith("run="))
    assert folder.name == ended.run.name


def test_no_cell_of_a_latex_table_is_an_argument_of_the_rows_end_before_it() -> None:
    cells = [[Cell(text), Cell("1")] for text in ("[10, 10]", "*", "a_b")]
    lines = latex(Table(["net", "n"], cells, frozenset({1}))).splitlines()
    assert [line.split(" &")[0] for line in lines[4:7]] == ["{}[10, 10]", "{}*", r"a\_b"]
