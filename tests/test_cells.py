"""Every way to run jobs on every way to use hardware: the folders that there should be, and no process left."""

from pathlib import Path

import pytest

from src.run.record import read
from tests.processes import mark as mark
from tests.processes import run

HARDWARE = {
    "one device": ["trainer=cpu"],
    "ddp_cpu": ["trainer=ddp_cpu"],
    "dp": ["trainer=dp", "trainer.accelerator=cpu", "trainer.devices=2"],
}
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
WAYS = {
    "run": ([], 1),
    "multirun": (["-m", "seed=0,1,2", "sweep=cell"], 3),
    "optuna": (["-m", "search=optuna_lr", "search.trials=4", "search.pruner=null", "sweep=cell"], 4),
    "joblib": (["-m", "seed=0,1,2,3", "sweep=cell", *JOBLIB], 4),
}
SHORT = ["model=softmax_regression", "trainer.max_epochs=2", "~callback.figures", "logger=csv"]


@pytest.mark.soak
@pytest.mark.usefixtures("mark")
@pytest.mark.parametrize("hardware", HARDWARE)
@pytest.mark.parametrize("way", WAYS)
def test_a_way_to_run_on_a_way_to_use_hardware(way: str, hardware: str, tmp_path: Path) -> None:
    words, jobs = WAYS[way]
    code, said = run(tmp_path, "src.train", *words, *SHORT, *HARDWARE[hardware])
    assert code == 0, said
    records = [read(path.parent) for path in tmp_path.rglob("run.json")]
    assert [record["state"] for record in records] == ["done"] * jobs
    assert len({record["config_hash"] for record in records}) == jobs
    places = sorted((tmp_path / "outputs").glob("*/*"))
    assert [place.name for place in places] == ["cell"] if words else len(places) == 1
    folders = {path.parent for path in tmp_path.rglob("metrics.csv")}
    assert folders == {path.parent for path in tmp_path.rglob("run.json")}
