"""`src.report`: what the table says follows from the run folders alone, whatever state they are in."""

import csv
import json
import math
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from src.run.hold import hold
from src.run.record import read
from tests.conftest import FAST, ROOT, Command, Made, call


def rows(tmp_path: Path, folder: str = "outputs") -> list[dict[str, str]]:
    """The rows of the CSV."""
    with (tmp_path / folder / "report" / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "report").iterdir()}


def test_seeds_are_one_row_with_their_mean_and_sample_standard_deviation(
    make: Made, report: Command, tmp_path: Path
) -> None:
    scores = [0.31, 0.12, 0.25]
    for seed, score in enumerate(scores):
        make(f"a{seed}", settings={"seed": seed}, score=score, metrics={"test/accuracy": 1 - score})
    ended = report("run=outputs")
    (row,) = rows(tmp_path)
    assert float(row["best val/loss"]) == pytest.approx(statistics.mean(scores))
    assert float(row["best val/loss std"]) == pytest.approx(statistics.stdev(scores))
    assert float(row["test/accuracy std"]) == pytest.approx(statistics.stdev(scores))
    assert (row["n"], row["best val/loss n"], row["runs"]) == ("3", "3", "a0 a1 a2")
    assert f"{statistics.mean(scores):.4f} ± {statistics.stdev(scores):.4f}" in ended.out


def test_a_single_run_has_no_deviation(make: Made, report: Command, tmp_path: Path) -> None:
    make("a")
    assert "±" not in report("run=outputs").out
    assert rows(tmp_path)[0]["best val/loss std"] == ""


@pytest.mark.parametrize(("mode", "first"), [("min", "0.1"), ("max", "0.9")])
def test_the_best_comes_first_by_the_mode_that_was_recorded(
    mode: str, first: str, make: Made, report: Command, tmp_path: Path
) -> None:
    for k, score in enumerate([0.5, 0.1, 0.9]):
        best = {"metric": "val/loss", "mode": mode, "value": score}
        make(f"a{k}", settings={"optimizer.lr": k + 1, "mode": mode}, best=best)
    report("run=outputs")
    assert rows(tmp_path)[0]["best val/loss"] == first


def test_a_default_and_the_same_value_on_the_command_line_are_one(make: Made, report: Command, tmp_path: Path) -> None:
    lr = OmegaConf.load(make("a0") / ".hydra" / "config.yaml").optimizer.lr
    make("a1", settings={"optimizer.lr": lr, "seed": 1})
    make("b0", settings={"optimizer.lr": lr * 2})
    report("run=outputs")
    assert sorted((row["optimizer.lr"], row["n"]) for row in rows(tmp_path)) == [(str(lr), "2"), (str(lr * 2), "1")]


def test_a_setting_that_nobody_named_keeps_runs_apart_too(make: Made, report: Command, tmp_path: Path) -> None:
    make("a0")
    folder = make("a1", settings={"seed": 1, "trainer.max_epochs": 7})
    (folder / "run.json").write_text(json.dumps(read(folder) | {"overrides": ["seed=1"]}))  # conf was edited in between
    report("run=outputs")
    assert sorted(row["trainer.max_epochs"] for row in rows(tmp_path)) == ["2", "7"]


def test_what_follows_from_a_choice_is_no_column_unless_a_command_named_it(
    make: Made, report: Command, tmp_path: Path
) -> None:
    make("a", settings={"optimizer.lr": 1}, model="narrow")
    path = make("b", settings={"optimizer.lr": 2}, model="wide") / ".hydra" / "config.yaml"
    other = {"model": {"net": {"width": 9}}, "optimizer": {"_target_": "torch.optim.SGD", "nesterov": True}}
    OmegaConf.save(OmegaConf.merge(OmegaConf.load(path), other), path)
    report("run=outputs")
    header = list(rows(tmp_path)[0])
    assert header[: header.index("best val/loss")] == ["model", "optimizer", "optimizer.lr"]


def test_where_and_under_which_name_a_run_lies_makes_no_difference(make: Made, report: Command, tmp_path: Path) -> None:
    make("a0", settings={"sweep": "one", "run": "outputs/a0", "tags": ["x"], "data_dir": "/a"})
    make("deep/er/a1", settings={"sweep": "two", "run": "outputs/b", "tags": [], "data_dir": "/b", "seed": 1})
    report("run=outputs")
    assert [row["n"] for row in rows(tmp_path)] == ["2"]


def test_a_run_done_twice_with_one_seed_counts_once_and_as_it_was_last(
    make: Made, report: Command, tmp_path: Path
) -> None:
    make("a0", score=0.2, started="2026-11-20T11:00:00+00:00")
    make("a1", score=0.5, started="2026-11-20T10:00:00+00:00")
    make("a2", score=0.3, settings={"seed": 1})
    report("run=outputs")
    (row,) = rows(tmp_path)
    assert (row["n"], row["state"]) == ("2", "2 done, 1 repeated")
    assert float(row["best val/loss"]) == pytest.approx(0.25)


def test_other_keys_fold_where_asked_for(make: Made, report: Command, tmp_path: Path) -> None:
    for k in range(4):
        make(f"a{k}", settings={"seed": k % 2, "data.split_seed": k // 2}, score=float(k))
    report("run=outputs")
    assert [(row["data.split_seed"], row["n"]) for row in rows(tmp_path)] == [("0", "2"), ("1", "2")]
    report("run=outputs", "fold=[seed,data.split_seed]")
    (row,) = rows(tmp_path)
    assert row["n"] == "4"
    assert "data.split_seed" not in row


def test_the_folds_of_a_dataset_are_one_row_by_default(make: Made, report: Command, tmp_path: Path) -> None:
    for k in range(3):
        make(f"a{k}", settings={"data.fold": k}, score=float(k))
    report("run=outputs")
    assert [row["n"] for row in rows(tmp_path)] == ["3"]


def test_a_sweep_over_folds_and_seeds_is_one_row_and_its_folds_are_all_validated_on(
    train: Command, report: Command, tmp_path: Path
) -> None:
    swept = train("-m", *FAST, "data.folds=3", "data.fold=0,1,2", "seed=0,1", "sweep=folds")
    assert swept.code == 0, swept.err
    report("run=outputs/sweeps/folds")
    (row,) = rows(tmp_path, "outputs/sweeps/folds")
    assert row["n"] == "6"
    values = [read(run)["best"]["value"] for run in swept.runs]
    assert len(set(values)) == 6
    assert float(row["best val/loss"]) == pytest.approx(statistics.mean(values))
    assert float(row["best val/loss std"]) == pytest.approx(statistics.stdev(values))


def test_only_runs_with_all_the_tags_are_compared(make: Made, report: Command, tmp_path: Path) -> None:
    for name, tags in {"a": ["x", "y"], "b": ["x"], "c": []}.items():
        make(name, tags=tags)
    report("run=outputs", "tags=[x,y]")
    assert [row["runs"] for row in rows(tmp_path)] == ["a"]
    assert "choose from x, y" in report("run=outputs", "tags=[z]").error


def test_failed_and_half_written_runs_are_rows_that_say_so_and_do_not_count(
    make: Made, report: Command, tmp_path: Path
) -> None:
    make("done0", score=0.1)
    make("done1", settings={"seed": 1}, score=0.3)
    error = {"type": "ValueError", "message": "the loss\nis NaN"}
    make("failed", settings={"seed": 2}, state="failed", error=error, score=9.0)
    make("killed", settings={"seed": 3}, state="running", ended=None, score=9.0)
    (make("early", settings={"seed": 4}) / "run.json").unlink()
    (make("empty", settings={"seed": 5}) / "run.json").write_text("")
    (make("bare", settings={"seed": 6}) / ".hydra" / "config.yaml").unlink()
    make("other", settings={"optimizer.lr": 7}, state="failed", error=error)
    ended = report("run=outputs")
    assert ended.code == 0
    assert "failed: failed: ValueError: the loss is NaN" in ended.out
    assert "early: damaged: no run.json" in ended.out
    assert "empty: damaged: run.json cannot be read" in ended.out
    best, *others = rows(tmp_path)
    assert float(best["best val/loss"]) == pytest.approx(0.2)
    assert (best["n"], best["state"]) == ("2", "2 damaged, 2 done, 1 failed, 1 interrupted")
    assert sorted((row["runs"], row["state"], row["n"]) for row in others) == [
        ("bare", "damaged", "0"),
        ("other", "failed", "0"),
    ]


def test_a_long_error_is_cut_on_screen_and_page_and_whole_in_its_record(
    make: Made, report: Command, tmp_path: Path
) -> None:
    message = "".join(f"{k:4}" for k in range(375))
    make("a", state="failed", error={"type": "ValueError", "message": message})
    shown = f"ValueError: {message}"[:199] + "…"
    (line,) = (line for line in report("run=outputs").out.splitlines() if line.startswith("a: "))
    assert line == f"a: failed: {shown}"
    texts = {name: text.decode() for name, text in written(tmp_path / "outputs").items()}
    assert json.dumps(shown) in texts["index.html"]
    assert not any(message[180:220] in text for text in texts.values())
    assert read(tmp_path / "outputs" / "a")["error"]["message"] == message


def test_a_run_is_running_while_a_process_holds_it_and_interrupted_when_none_does(
    make: Made, report: Command, tmp_path: Path
) -> None:
    folder = make("a", state="running", ended=None)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "a: interrupted" in report("run=outputs").out
    with hold(folder):
        assert "a: running" in report("run=outputs").out
    assert "a: interrupted" in report("run=outputs").out
    assert {path: path.read_bytes() for path in before} == before
    assert rows(tmp_path)[0]["state"] == "interrupted"


@pytest.mark.parametrize("eighths", range(8))
def test_a_file_cut_anywhere_stops_nothing(eighths: int, make: Made, report: Command, tmp_path: Path) -> None:
    make("whole", score=0.1)
    for name in ("run.json", ".hydra/config.yaml", "metrics.csv"):
        path = make(f"cut {name.replace('/', ' ')}", settings={"optimizer.lr": 7}) / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size * eighths // 8])
    assert report("run=outputs").code == 0
    assert rows(tmp_path)[0]["runs"] == "whole"
    assert sum(len(re.findall("cut ", row["runs"])) for row in rows(tmp_path)) == 3


STRANGE: dict[str, Any] = {
    "metrics": [1, 2],
    "best": "none",
    "state": {"a": 1},
    "seconds": "long",
    "parameters": None,
    "tags": 3,
    "overrides": {"a": "b"},
    "model": ["x"],
    "error": "because",
    "started": 7,
}


@pytest.mark.parametrize("field", STRANGE)
def test_a_record_with_a_field_of_another_kind_is_a_row(
    field: str, make: Made, report: Command, tmp_path: Path
) -> None:
    make("whole", score=0.1)
    make("strange", settings={"optimizer.lr": 7}, **{field: STRANGE[field]})
    assert report("run=outputs").code == 0
    assert {row["runs"] for row in rows(tmp_path)} == {"whole", "strange"}


def test_values_that_are_no_numbers_are_marked_and_last(make: Made, report: Command, tmp_path: Path) -> None:
    for lr, score in {1: math.nan, 2: 0.5, 3: math.inf, 5: 0.1}.items():
        make(f"a{lr}", settings={"optimizer.lr": lr}, score=score)
    best = {"metric": "val/loss", "mode": "min", "value": None}
    make("a4", settings={"optimizer.lr": 4}, best=best)
    make("a6", settings={"optimizer.lr": 5, "seed": 1}, best=best)
    out = report("run=outputs").out
    assert [row["optimizer.lr"] for row in rows(tmp_path)] == ["5", "2", "1", "3", "4"]
    assert "0.1000 (1 of 2)" in out
    assert "NaN" in out
    text = (tmp_path / "outputs" / "report" / "index.html").read_text()
    assert '["NaN",null]' in text
    assert '["—",null]' in text.replace("\\u2014", "—")


def test_runs_with_other_scores_stand_beside_the_rest(make: Made, report: Command, tmp_path: Path) -> None:
    for k in range(3):
        make(f"a{k}", settings={"optimizer.lr": k}, score=k + 0.5)
    best = {"metric": "val/f1", "mode": "max", "value": 0.7}
    make("b", settings={"monitor": "val/f1", "mode": "max"}, best=best, metrics={"test/f1": 0.6})
    report("run=outputs")
    assert [row["runs"] for row in rows(tmp_path)] == ["a0", "a1", "a2", "b"]
    assert [row["best val/f1"] for row in rows(tmp_path)] == ["", "", "", "0.7"]
    assert [row["test/f1 n"] for row in rows(tmp_path)] == ["0", "0", "0", "1"]


@pytest.mark.parametrize("fold", ["[seed]", "[seed,optimizer.lr]"])
def test_runs_that_cannot_be_read_come_last_and_choose_no_monitor(
    fold: str, make: Made, report: Command, tmp_path: Path
) -> None:
    for k in range(3):
        make(f"b{k}", settings={"optimizer.lr": k + 1}, score=k + 0.5)
        folder = make(f"a{k}")
        (folder / "run.json").write_text("{")
        (folder / ".hydra" / "config.yaml").unlink()
    report("run=outputs", f"fold={fold}")
    scored = ["b0 b1 b2"] if "lr" in fold else ["b0", "b1", "b2"]
    assert [row["runs"] for row in rows(tmp_path)] == [*scored, "a0", "a1", "a2"]
    assert '"monitor":"val/loss"' in (tmp_path / "outputs" / "report" / "index.html").read_text()


def test_what_is_done_comes_before_what_is_not_whatever_it_monitors(
    make: Made, report: Command, tmp_path: Path
) -> None:
    def run(name: str, monitor: str, score: float | None, **fields: Any) -> Path:
        mode = {"val/loss": "min", "val/f1": "max"}[monitor]
        settings = {"optimizer.lr": len(list(tmp_path.glob("outputs/*"))) + 1, "monitor": monitor, "mode": mode}
        return make(name, settings=settings, best={"metric": monitor, "mode": mode, "value": score}, **fields)

    for name, score in {"loss 1": 0.1, "loss 2": 0.2, "loss 3": 0.3, "loss none": None}.items():
        run(name, "val/loss", score)
    for name, score in {"f1 2": 0.2, "f1 1": 0.9}.items():
        run(name, "val/f1", score)
    for k in range(3):  # none of which outvotes what is done
        for name, monitor in {f"early {k} f1": "val/f1", f"early {k} loss": "val/loss"}.items():
            (run(f"damaged {name}", monitor, 0.0) / "run.json").write_text("{")
            run(f"failed {name}", monitor, 0.0, state="failed")
            run(f"killed {name}", monitor, 0.0, state="running", ended=None)
        run(f"pruned {k}", "val/f1", 1.0, state="pruned")
    run("strange", "val/loss", 0.0, state="?")
    report("run=outputs")
    names = [row["runs"] for row in rows(tmp_path)]
    assert names[:6] == ["loss 1", "loss 2", "loss 3", "loss none", "f1 1", "f1 2"]
    assert {name.split()[0] for name in names[6:15]} == {"killed", "pruned"}
    assert {name.split()[0] for name in names[15:21]} == {"failed"}
    assert {name.split()[0] for name in names[21:]} == {"damaged", "strange"}


@pytest.mark.slow
def test_a_real_sweep_shows_the_models_and_what_was_swept_and_nothing_else(
    train: Command, report: Command, tmp_path: Path
) -> None:
    swept = ("model=softmax_regression,fashion_dnn", "optimizer.lr=0.001,0.01", "seed=0,1")
    ended = train("-m", *swept, "trainer.max_epochs=1", "data.batch_size=400", "sweep=s")
    assert len(ended.runs) == 8, ended.err
    before = {path: path.read_bytes() for run in ended.runs for path in run.rglob("*") if path.is_file()}
    report("run=outputs/sweeps/s")
    found = rows(tmp_path, "outputs/sweeps/s")
    settings = list(found[0])[: list(found[0]).index("best val/loss")]
    assert settings == ["model", "optimizer.lr"]
    assert len(found) == 4
    for row in found:
        runs = [read(tmp_path / "outputs/sweeps/s" / name) for name in row["runs"].split()]
        assert {run["model"] for run in runs} == {row["model"]}
        assert {f"optimizer.lr={row['optimizer.lr']}"} <= set.intersection(*(set(run["overrides"]) for run in runs))
        assert sorted(run["seed"] for run in runs) == [0, 1]
        accuracy = [run["metrics"]["test/accuracy"] for run in runs]
        assert float(row["test/accuracy"]) == pytest.approx(statistics.mean(accuracy))
    assert {path: path.read_bytes() for path in before} == before


def test_one_run_and_the_last_are_tables_of_one_row(make: Made, report: Command, tmp_path: Path) -> None:
    make("day/a", started="2026-11-20T10:00:00+00:00")
    make("day/b", started="2026-11-20T11:00:00+00:00")
    assert report("run=outputs/day/a").code == 0
    assert [row["runs"] for row in rows(tmp_path, "outputs/day/a")] == ["a"]
    assert report("run=last").code == 0
    assert [row["runs"] for row in rows(tmp_path, "outputs/day/b")] == ["b"]


def test_the_same_folders_give_the_same_bytes_from_anywhere(make: Made, tmp_path: Path) -> None:
    for k in range(3):
        make(f"a{k}", settings={"optimizer.lr": k, "scheduler": None if k else {"b": 1, "a": 2}})
    (make("b") / "run.json").write_text("{")
    call("report", tmp_path, "latex=true")
    first = written(tmp_path / "outputs")
    assert set(first) == {"table.md", "table.csv", "index.html", "table.tex"}
    (tmp_path / "elsewhere").mkdir()
    call("report", tmp_path / "elsewhere", f"run={tmp_path / 'outputs'}", "latex=true")
    assert written(tmp_path / "outputs") == first
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "src.report", "run=.", "latex=true"]
    subprocess.run(command, cwd=tmp_path / "outputs", env=environment, check=True, capture_output=True)
    assert written(tmp_path / "outputs") == first
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_text_of_a_stranger_breaks_no_table(make: Made, report: Command, tmp_path: Path) -> None:
    evil = 'a|b\n| c `*<script>alert(1)</script>\x1b[31m[red] & 50% $x$ _y_ \\ "quoted", {z}#^~'
    make("a", settings={"model.net.name": evil}, state="failed", error={"type": evil, "message": evil})
    make("b [bold], c", settings={"model.net.name": "plain"})
    ended = report("run=outputs", "latex=true")
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert "[red] & 50% $x$ _y_" in ended.out
    lines = (tmp_path / "outputs" / "report" / "table.md").read_text().splitlines()
    assert len(lines) == 4
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    body = (tmp_path / "outputs" / "report" / "table.tex").read_text().split("\\midrule\n")[1].splitlines()[:2]
    header = (tmp_path / "outputs" / "report" / "table.tex").read_text().splitlines()[2]
    for line in body:
        assert len(re.findall(r"(?<!\\)&", line)) == len(re.findall(r"(?<!\\)&", header))
        assert not re.search(r"(?<!\\)[#%_]", line)
    assert {row["runs"] for row in rows(tmp_path)} == {"a", "b [bold], c"}


def test_a_config_that_would_unfold_to_any_size_is_a_damaged_run(make: Made, report: Command, tmp_path: Path) -> None:
    path = make("a") / ".hydra" / "config.yaml"
    bomb = "".join(f"  x{k}: &x{k} [{', '.join([f'*x{k - 1}'] * 9)}]\n" for k in range(1, 30))
    path.write_text(f"model:\n  x0: &x0 [1]\n{bomb}")
    assert "a: damaged: .hydra/config.yaml cannot be read: an alias" in report("run=outputs").out


BAD = {
    "an empty folder": (["run=empty"], ["run=empty", "no run in it"]),
    "no folder": (["run=nowhere"], ["run=nowhere", "no such folder"]),
    "a file": (["run=file"], ["run=file", "no such folder"]),
    "no outputs": ([], ["run=outputs", "no such folder"]),
    "no last": (["run=last"], ["run=last", "python -m src.train"]),
    "an unknown key": (["run=empty", "tag=[x]"], ["tag", "tags"]),
    "a forced unknown key": (["run=empty", "+tag=[x]"], ["tag", "did you mean tags?"]),
    "a wrong type": (["run=empty", "latex=perhaps"], ["latex", "perhaps"]),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], named: list[str], report: Command, tmp_path: Path
) -> None:
    (tmp_path / "empty" / "in it").mkdir(parents=True)
    (tmp_path / "file").touch()
    error = report(*arguments).error
    for word in named:
        assert word in error
    assert {path.name for path in tmp_path.rglob("*")} == {"empty", "in it", "file"}


def test_a_typo_in_fold_names_the_nearest_key(make: Made, report: Command) -> None:
    make("a")
    assert "did you mean data.batch_size?" in report("run=outputs", "fold=[seed,data.batchsize]").error


def test_five_hundred_runs_need_no_torch_and_little_space(make: Made, tmp_path: Path) -> None:
    first = make("0")
    config, record = (first / ".hydra" / "config.yaml").read_text(), (first / "run.json").read_text()
    curve = (first / "metrics.csv").read_text().splitlines()
    curve = [curve[0], *(re.sub(r"^\d+", str(step), line) for step in range(200) for line in curve[1:3])]
    for k in range(500):
        folder = tmp_path / "outputs" / f"{k}"
        (folder / ".hydra").mkdir(parents=True, exist_ok=True)
        (folder / ".hydra" / "config.yaml").write_text(config.replace("\nseed: 0", f"\nseed: {k // 20}"))
        with (folder / ".hydra" / "config.yaml").open("a") as file:
            file.write(f"extra:\n  width: {k % 20}\n")
        (folder / "run.json").write_text(record)
        (folder / "metrics.csv").write_text("\n".join(curve))
    code = (
        "import resource, sys; sys.argv = ['src/report.py']; from src.report import main; main()\n"
        "heavy = {'torch', 'lightning', 'matplotlib', 'numpy'} & set(sys.modules); assert not heavy, heavy\n"
        "print('seconds', resource.getrusage(resource.RUSAGE_SELF).ru_utime)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert [row["n"] for row in rows(tmp_path)] == ["25"] * 20
    assert (tmp_path / "outputs" / "report" / "index.html").stat().st_size < 3e6
    assert float(done.stdout.split()[-1]) < 5  # about 0.8 on an idle machine; parsing each config whole takes 10
