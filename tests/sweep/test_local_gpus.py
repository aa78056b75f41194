"""A queue over GPUs, seen from jobs that need none: each process has a place of its own, a crash costs one job."""

import subprocess
import sys
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from src.sweep.local_gpus import LocalGpus
from tests.conftest import ROOT
from tests.sweep.toy import Toy


def launcher(
    monkeypatch: pytest.MonkeyPatch, *, there: int = 0, visible: str | None = None, **settings: Any
) -> LocalGpus:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: there)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    made = LocalGpus(**settings)
    made.prepare()
    return made


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({"there": 2}, ["0", "1"]),
        ({"there": 4, "gpus": [3, 1]}, ["3", "1"]),
        ({"there": 2, "visible": "5, 7"}, ["5", "7"]),
        ({"there": 2, "visible": "5,7", "gpus": [1]}, ["7"]),
        ({"there": 2, "jobs_per_gpu": 2}, ["0", "1", "0", "1"]),
        ({"slots": 3}, [None, None, None]),
    ],
)
def test_there_is_a_place_for_each_job_on_each_gpu(settings, places, monkeypatch):
    assert launcher(monkeypatch, **settings).places == places


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, r"hydra.launcher.gpus=auto: no GPU here: hydra.launcher.slots=2"),
        ({"there": 2, "gpus": [2]}, r"hydra.launcher.gpus=\[2\]: choose auto or some of \[0, 1\]"),
        ({"there": 2, "gpus": [0, 0]}, r"each once"),
        ({"there": 2, "gpus": []}, r"hydra.launcher.gpus=\[\]"),
        ({"there": 2, "gpus": "0"}, r"hydra.launcher.gpus=0: choose auto"),
        ({"there": 2, "jobs_per_gpu": 0}, r"hydra.launcher.jobs_per_gpu=0: set at least 1"),
    ],
)
def test_places_that_are_not_there_are_refused_by_name(settings, said, monkeypatch):
    with pytest.raises(ValueError, match=said):
        launcher(monkeypatch, **settings)


@pytest.mark.slow
def test_every_job_runs_once_on_a_gpu_of_its_own_and_no_two_jobs_at_once_on_one(monkeypatch, tmp_path):
    jobs = [Toy(number, tmp_path) for number in range(5)]
    found = dict(launcher(monkeypatch, there=2).outcomes(jobs))
    assert sorted(job.number for job in found) == [0, 1, 2, 3, 4]
    spans: dict[str, list[tuple[float, float]]] = {}
    for outcome in found.values():
        gpu, start_s, end_s = outcome.said.split()
        spans.setdefault(gpu, []).append((float(start_s), float(end_s)))
    assert set(spans) == {"0", "1"}
    for times in spans.values():
        times.sort()
        assert all(end_s <= start_s for (_, end_s), (start_s, _) in pairwise(times))


@pytest.mark.slow
def test_a_crash_costs_one_job(monkeypatch, tmp_path):
    does = ["SIGKILL", "end", "SIGSEGV", "exit", "end"]
    jobs = [Toy(number, tmp_path, what) for number, what in enumerate(does)]
    found = {job.number: outcome for job, outcome in launcher(monkeypatch, slots=2).outcomes(jobs)}
    assert [bool(found[number].said) for number in range(5)] == [what == "end" for what in does]
    lost = {number: outcome.lost for number, outcome in found.items() if outcome.lost}
    assert lost == {
        0: "its process was killed by SIGKILL",
        2: "its process was killed by SIGSEGV",
        3: "its process ended with code 3",
    }


def ended(folder: Path, *numbers: int) -> bool:
    """Whether the processes of started jobs are gone."""
    return not any(Path("/proc", (folder / f"{number}").read_text()).exists() for number in numbers)


@pytest.mark.slow
def test_where_the_queue_is_left_no_process_stays_and_nothing_else_starts(monkeypatch, tmp_path):
    jobs = [Toy(0, tmp_path, "wait"), Toy(1, tmp_path), Toy(2, tmp_path, "wait"), Toy(3, tmp_path)]
    with closing(launcher(monkeypatch, slots=2).outcomes(jobs)) as outcomes:
        assert next(outcomes)[0].number == 1
        while not (tmp_path / "0").exists():
            time.sleep(0.01)
    assert ended(tmp_path, 0, 1)
    assert not (tmp_path / "3").exists()


@pytest.mark.slow
def test_jobs_end_when_the_process_that_started_them_is_killed(tmp_path):
    code = (
        "import sys; from pathlib import Path; from src.sweep.local_gpus import LocalGpus\n"
        "from tests.sweep.toy import Toy\n"
        "made = LocalGpus(slots=2); made.prepare()\n"
        "list(made.outcomes([Toy(number, Path(sys.argv[1]), 'wait') for number in range(2)]))\n"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], cwd=ROOT)
    try:
        deadline_s = time.monotonic() + 120
        while not all((tmp_path / f"{number}").exists() for number in range(2)):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    deadline_s = time.monotonic() + 20
    while not ended(tmp_path, 0, 1):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
