"""SLURM's part is played by scripts that run each job of an array on this machine: what submitit asks of it works."""

import os
import stat
from pathlib import Path

import pytest

from src.run.record import read
from tests.conftest import FAST
from tests.sweep.test_parallel import sweep
from tests.test_sweep import states

SCRIPTS = {
    "sbatch": """#!/bin/bash
jobs=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
for task in $(seq 0 "$jobs"); do
  SLURM_ARRAY_JOB_ID=77 SLURM_ARRAY_TASK_ID=$task SLURM_JOB_ID=$((100 + task)) SLURM_JOB_NAME=train SLURM_NTASKS=1 \\
    SLURM_JOB_NUM_NODES=1 SLURM_NODEID=0 SLURM_PROCID=0 SLURM_LOCALID=0 setsid bash "$1" > /dev/null 2>&1 &
done
cp "$1" asked
echo Submitted batch job 77
""",
    "srun": """#!/bin/bash
while [[ $1 == -* ]]; do [[ $1 == --output || $1 == --error ]] && shift; shift; done
exec "$@"
""",
    "sacct": """#!/bin/bash
echo 'JobID|State|NodeList'
for task in 0 1 2; do echo "77_$task|RUNNING|here"; done
""",
}


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment in which the scripts are found."""
    (tmp_path / "bin").mkdir()
    for name, text in SCRIPTS.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(stat.S_IRWXU)
    return {"PATH": os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])}


@pytest.mark.slow
def test_a_sweep_is_an_array_of_slurms_jobs(slurm: dict[str, str], tmp_path: Path) -> None:
    jobs = (*FAST, "seed=0,1", "sweep=s", "hydra/launcher=submitit_slurm", "hydra.launcher.partition=long")
    with sweep(tmp_path, *jobs, **slurm) as process:
        out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    assert states(out) == {"seed=0": "done", "seed=1": "done"}
    asked = (tmp_path / "asked").read_text()
    for line in ("--partition=long", "--array=0-1%2", "--cpus-per-task=4", "--time=60", "--signal=USR2@120"):
        assert f"#SBATCH {line}" in asked
    runs = [read(path.parent) for path in (tmp_path / "outputs" / "sweeps" / "s").glob("*/run.json")]
    assert sorted(run["slurm_job"] for run in runs) == ["77_0", "77_1"]
