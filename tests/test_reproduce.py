"""`src.reproduce`: what is done is left alone, what fails costs itself alone, the table says what runs said."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hydra import initialize_config_dir

from src.config.schema import CONF, register
from src.sweep.experiment import Job, expected, names, plan
from src.sweep.published import HEADER, page, rows, verdict
from tests.conftest import ROOT, Command, as_found, call

QUICK = """# @package _global_
defaults:
  - override /model: perceptron
  - override /data: logic_gate
trainer: {max_epochs: 1}
"""
MORE_THAN_ALL = "expect: {metric: test/accuracy, published: 0.5, at_least: 1.1, note: nothing is that good}\n"
TOYS = {
    "quick": QUICK + "expect: {metric: test/loss, published: 0.7, at_most: 100}\n",
    "hungry": QUICK + "needs: {data_dir: quick}\n" + MORE_THAN_ALL,
    "broken": QUICK + "data: {batch_size: 0}\n",
    "needy": QUICK + "needs: {data_dir: broken}\n",
    "egg": QUICK + "needs: {data_dir: hen}\n",
    "hen": QUICK + "needs: {data_dir: egg}\n",
    "long": QUICK.replace("1}", "1000}") + "data: {passes: 400}\n",
}
Reproduce = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code whose only experiments are toys."""
    root = tmp_path_factory.mktemp("project")
    for part in ("src", "conf"):
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(root / "conf" / "experiment")
    (root / "conf" / "experiment").mkdir()
    for name, text in TOYS.items():
        (root / "conf" / "experiment" / f"{name}.yaml").write_text(text)
    return root


@pytest.fixture
def reproduce(project: Path, tmp_path: Path) -> Reproduce:
    """`src.reproduce` of the toys, a process as a user starts it, in the test's own folder."""
    command = [sys.executable, "-m", "src.reproduce"]
    environment = os.environ | {"PYTHONPATH": str(project)}
    return lambda *arguments: subprocess.run(
        [*command, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )


def table(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of RESULTS.md by system and column."""
    lines = (folder / "RESULTS.md").read_text().splitlines()
    cells = [line[2:-2].split(" | ") for line in lines if line.startswith("|")]
    return {row[0]: dict(zip(cells[0], row, strict=True)) for row in cells[2:]}


@pytest.mark.slow
def test_what_fails_costs_itself_alone_and_the_same_command_does_what_is_missing(
    reproduce: Reproduce, tmp_path: Path
) -> None:
    command = ("only=[needy,hungry,broken,quick]", "seeds=[0,1]", "jobs=2")
    first = reproduce(*command)

    assert first.returncode == 1
    (error,) = [line for line in first.stderr.splitlines() if line.startswith("error: ")]
    assert "4 of 8 runs failed" in error
    assert "broken seed=0: data.batch_size=0: set at least 1" in error  # in the run's own words
    assert "needy seed=1: a run that it needs failed" in error
    runs = {path.parent: path.read_bytes() for path in tmp_path.rglob("run.json")}
    assert {folder.parent.name for folder in runs} == {"quick", "hungry"}
    assert len(runs) == 4
    records = {folder: json.loads(text) for folder, text in runs.items()}
    quick = {folder: record for folder, record in records.items() if folder.parent.name == "quick"}
    for folder, record in records.items():
        assert folder.name.startswith(f"seed={record['seed']}-")
        assert record["host"]["threads"] == max(1, (os.cpu_count() or 1) // 2)
        if folder not in quick:
            (needed,) = [other for other in quick if quick[other]["seed"] == record["seed"]]
            assert f'data_dir="{needed.relative_to(tmp_path)}"' in record["command"]

    rows = table(tmp_path)
    assert {name: row["met"] for name, row in rows.items()} == {
        "broken": "", "hungry": "**NO**", "needy": "", "quick": "yes",
    }  # fmt: skip
    assert rows["broken"]["ours"] == "**0 of 2 runs**"
    assert rows["hungry"]["command"] == "`python -m src.train experiment=hungry data_dir=RUN_OF_quick`"
    a, b = (record["metrics"]["test/loss"] for record in quick.values())
    assert rows["quick"]["ours"] == f"{(a + b) / 2:.4f} ± {abs(a - b) / 2**0.5:.4f} (n = 2)"

    page_before = (tmp_path / "RESULTS.md").read_bytes()
    assert b"- `hungry`: nothing is that good" in page_before
    second = reproduce(*command)

    assert "4 of 8 runs are done already" in second.stderr
    assert {path.parent: path.read_bytes() for path in tmp_path.rglob("run.json")} == runs
    assert (tmp_path / "RESULTS.md").read_bytes() == page_before


@pytest.mark.slow
def test_ctrl_c_and_a_termination_stop_the_runs_too_and_the_same_command_goes_on_with_them(
    project: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "src.reproduce", "only=[long]", "seeds=[0]"]
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(project)})
    deadline_s = time.monotonic() + 120
    while not list(tmp_path.rglob("last.ckpt")):
        assert process.poll() is None, "it ended before it could be stopped"
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    (run,) = tmp_path.rglob("run.json")
    assert json.loads(run.read_text())["state"] == "interrupted"

    # what is left of it is a thousand epochs: a second start shows that it goes on, and is stopped again
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(project)})
    while "goes on from step" not in (run.parent / "train.log").read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert json.loads(run.read_text())["state"] == "interrupted"
    assert len(list(tmp_path.rglob("run.json"))) == 1


def test_needs_that_go_round_in_circles_are_named(reproduce: Reproduce) -> None:
    ended = reproduce("only=[egg]")
    assert ended.stderr == "error: needs of experiments go round in circles: egg > hen > egg\n"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("only=[gate_xnor]", "did you mean gate_"),
        ("seeds=[]", "at least one of each"),
        ("jobs=0", "at least one of each"),
        ("seeds=[a]", "seeds"),
        ("sedes=[0]", "sedes"),
    ],
)
def test_a_wrong_argument_is_one_line_before_anything_runs(argument: str, message: str, tmp_path: Path) -> None:
    ended = call("reproduce", tmp_path, argument)
    assert message in ended.error
    assert ended.runs == []
    assert not (tmp_path / "RESULTS.md").exists()


def planned(experiments: Sequence[str], *overrides: str, seeds: Sequence[int] = (0, 1)) -> list[Job]:
    register()
    with as_found(), initialize_config_dir(str(CONF), version_base="1.3"):
        return plan(experiments, seeds, overrides=overrides, folder=Path("there"))


def test_a_run_of_another_config_is_another_folder_and_the_same_config_the_same() -> None:
    first, again, longer = (planned(["gate_and"], *given) for given in ((), (), ("trainer.max_epochs=2",)))
    assert [job.folder for job in first] == [job.folder for job in again]
    assert len({job.folder for job in (*first, *longer)}) == 4
    assert {job.folder for job in planned(["gate_and"], "test=false")} == {job.folder for job in first}


def test_every_experiment_can_be_planned() -> None:
    jobs = planned(names([]), seeds=[0])
    assert {job.experiment for job in jobs} == {path.stem for path in (CONF / "experiment").glob("*.yaml")}
    assert len({job.folder for job in jobs}) == len(jobs)


@pytest.mark.parametrize(
    ("expect", "value", "is_met"),
    [
        ({"at_least": 0.9}, 0.9, True),
        ({"at_least": 0.9}, 0.8999, False),
        ({"at_most": 3.5}, 3.6, False),
        ({"published": 0.6931, "within": 0.001}, 0.6940, True),
        ({"published": 0.6931, "within": 0.001}, 0.6920, False),
        ({"at_least": 0.0}, float("nan"), False),
        ({"at_most": 9.0, "at_least": 1.0}, 0.5, False),
    ],
)
def test_a_bound_is_kept_or_not(expect: dict[str, float], value: float, is_met: bool) -> None:
    assert expected({"monitor": "test/loss", "expect": expect}).is_met([value]) is is_met


@pytest.mark.parametrize(("share", "is_met"), [(None, False), (0.75, True), (0.8, False)])
def test_a_share_of_the_runs_can_be_asked_for_instead_of_their_mean(share: float | None, is_met: bool) -> None:
    expect = expected({"monitor": "test/accuracy", "expect": {"at_least": 1.0, "share": share}})
    four = [1.0, 0.5, 1.0, 1.0]
    assert expect.is_met(four) is is_met
    assert verdict(expect, four) == {None: "**NO**", 0.75: "yes, 3 of 4", 0.8: "**NO**, 3 of 4"}[share]


def test_an_experiment_may_ask_for_more_seeds_than_the_command_names() -> None:
    assert [job.seed for job in planned(["karate_gcn"], seeds=[3, 4])] == [3, 4, 0, 1, 2, 5, 6, 7, 8, 9]


def test_seeds_that_were_typed_are_all_there_are() -> None:
    register()
    with as_found(), initialize_config_dir(str(CONF), version_base="1.3"):
        jobs = plan(["karate_gcn"], [4], overrides=(), folder=Path("there"), tops_up=False)
    assert [job.seed for job in jobs] == [4]
    assert "10 are asked" in rows("\n".join(page(jobs, called="it")))["karate_gcn"][HEADER.index("ours")]


@pytest.mark.parametrize(
    ("expect", "is_less"),
    [
        ({"published": 0.9, "at_least": 0.89}, True),
        ({"published": 0.9, "at_least": 0.9}, False),
        ({"published": 2.7, "at_most": 3.5}, True),
        ({"published": 2.7, "at_most": 2.7}, False),
        ({"published": 0.7, "within": 0.1}, False),
        ({"at_least": 0.1}, False),
    ],
)
def test_what_is_asked_below_what_is_published_is_marked(expect: dict[str, float], is_less: bool) -> None:
    assert ("less than published" in expected({"monitor": "test/loss", "expect": expect}).asked) is is_less


def test_rows_notes_and_paragraphs_of_other_calls_stay() -> None:
    whole = list(page(planned(["gate_or", "gate_and", "fashion_cnn"]), called="all of them"))
    place = whole.index("") + 3
    written = [*whole[: place + 1], "Run by hand | on a Sunday.", "", *whole[place + 1 :]]
    merged = list(page(planned(["gate_and"], seeds=[5]), called="only=[a|b]", before="\n".join(written)))
    by_system = rows("\n".join(merged))
    assert [by_system[name][-1] for name in ("fashion_cnn", "gate_and", "gate_or")] == [
        "`all of them`", r"`only=[a\|b]`", "`all of them`",
    ]  # fmt: skip
    assert {line for line in written if "gate_and" not in line} <= set(merged)
    assert merged == list(page([], called="", before="\n".join(merged)))


def test_the_rows_of_the_published_table_name_their_source() -> None:
    text = (CONF.parent / "RESULTS.md").read_text()
    assert set(rows(text)) <= {path.stem for path in (CONF / "experiment").glob("*.yaml")}
    assert len(rows(text)) >= 22
    assert all(line[-1].startswith("`python -m src.reproduce") for line in rows(text).values())
    assert text == "\n".join(page([], called="", before=text)) + "\n"


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ({"at_last": 1.0}, "did you mean at_least"),
        ({"within": 0.1}, r"expect\.published"),
        ({"at_least": 1.0, "share": 75}, r"expect\.share=75"),
    ],
)
def test_a_bound_that_is_none_is_refused(expect: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expected({"monitor": "val/loss", "expect": expect})


def test_the_table_is_the_same_whatever_the_order_of_the_jobs() -> None:
    jobs = planned(["gate_or", "gate_and", "fashion_cnn"])
    lines = list(page(jobs, called="it"))
    assert lines == list(page(jobs[::-1], called="it"))
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")][2:] == [
        "| fashion_cnn", "| gate_and", "| gate_or",
    ]  # fmt: skip
    assert {line.count("|") for line in lines if line.startswith("|")} == {len(HEADER) + 1}
    assert any(line.startswith("- `fashion_cnn`: published is") for line in lines)


@pytest.mark.slow
def test_the_experiments_of_the_project_train_in_processes_of_their_own(tmp_path: Path, train: Command) -> None:
    alone = train("experiment=gate_and", "seed=3").run
    ended = call("reproduce", tmp_path, "only=[gate_and]", "seeds=[3]")
    assert ended.code == 0, ended.err
    (run,) = ended.runs
    scores = [json.loads((folder / "run.json").read_text())["metrics"] for folder in (alone, run)]
    assert scores[0] == scores[1]
    assert table(tmp_path)["gate_and"]["met"] == "yes"
