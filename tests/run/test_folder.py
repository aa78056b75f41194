"""Run folders: one for each claim, whatever happens at once, and found again by name."""

import subprocess
import sys
from pathlib import Path

import pytest

from src.run.folder import claim, find
from src.run.record import Record
from tests.conftest import ROOT

PROCESSES, THREADS, EACH = 4, 10, 5


def test_two_hundred_folders_claimed_at_once_are_two_hundred_folders_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from concurrent.futures import ThreadPoolExecutor; from pathlib import Path\n"
        "from src.run.folder import claim\n"
        "root = Path(sys.argv[1]); (root / sys.argv[2]).touch()\n"
        f"while len(list(root.glob('ready*'))) < {PROCESSES}: pass  # all start together\n"
        f"with ThreadPoolExecutor({THREADS}) as pool:\n"
        f"    print(*pool.map(claim, [root / 'outputs'] * {THREADS * EACH}), sep='\\n')\n"
        "assert 'torch' not in sys.modules\n"
    )
    start = [sys.executable, "-c", code, str(tmp_path)]
    running = [
        subprocess.Popen([*start, f"ready{k}"], cwd=ROOT, stdout=subprocess.PIPE, text=True) for k in range(PROCESSES)
    ]
    claimed = [line for process in running for line in process.communicate()[0].splitlines()]
    assert [process.returncode for process in running] == [0] * PROCESSES
    assert len(claimed) == len(set(claimed)) == 200
    assert all(Path(folder).is_dir() for folder in claimed)


def test_a_name_that_is_taken_is_never_handed_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["aaaa", "aaaa", "aaaa", "bbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda length: next(names))
    first, second = claim(tmp_path), claim(tmp_path)
    assert first.name.endswith("-aaaa")
    assert second.name.endswith("-bbbb")


def a_run(folder: Path, started: str) -> Path:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text("seed: 0\n")
    Record(folder).update(started=started)
    return folder


def test_last_is_the_run_that_started_last_wherever_it_lies(tmp_path: Path) -> None:
    a_run(tmp_path / "2026-11-20" / "z", "2026-11-20T10:00:00.000001+00:00")
    newest = a_run(tmp_path / "sweeps" / "first" / "a", "2026-11-20T10:00:00.000002+00:00")
    a_run(tmp_path / "2026-11-19" / "y", "2026-11-19T23:59:59.999999+00:00")
    assert find("last", tmp_path) == newest


def test_last_compares_moments_and_not_clock_faces(tmp_path: Path) -> None:
    a_run(tmp_path / "summer", "2026-10-25T02:30:00.000000+02:00")  # half an hour before
    later = a_run(tmp_path / "winter", "2026-10-25T02:00:00.000000+01:00")
    assert find("last", tmp_path) == later


def test_a_torn_record_does_not_hide_the_others(tmp_path: Path) -> None:
    good = a_run(tmp_path / "good", "2026-11-20T10:00:00.000000+00:00")
    (tmp_path / "torn").mkdir()
    for content in ("", '{"started": "20', "[]", '{"started": 7}', "\xff"):
        (tmp_path / "torn" / "run.json").write_bytes(content.encode("latin1"))
        assert find("last", tmp_path) == good


@pytest.mark.parametrize("missing", ["run.json", ".hydra/config.yaml"])
def test_a_folder_that_is_no_run_says_so(missing: str, tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run", "2026-11-20T10:00:00.000000+00:00")
    assert find(str(folder)) == folder
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=r"run=.*not a run folder, it has no .*run=last"):
        find(str(folder))


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"run=nowhere: .*no such folder.*run=last"):
        find("nowhere")
    with pytest.raises(ValueError, match=r"run=last: no run under .*python -m src.train"):
        find("last", tmp_path)
