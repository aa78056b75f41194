"""What is known of a sweep before its first job."""

import pytest
from omegaconf import OmegaConf

from src.sweep.grid import runs_here
from tests.conftest import FAST, Command


@pytest.mark.parametrize(
    ("launcher", "is_here"),
    [
        ({"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}, True),
        ({"_target_": "hydra_plugins.src.sweep.joblib.Joblib"}, True),
        ({"_target_": "hydra_plugins.src.sweep.submitit.Submitit", "cluster": "local"}, True),
        ({"_target_": "hydra_plugins.src.sweep.submitit.Submitit", "cluster": "slurm"}, False),
        ({"_target_": "hydra_plugins.somebody.Cloud"}, False),
    ],
)
def test_jobs_of_a_cluster_run_elsewhere(launcher: dict[str, str], is_here: bool) -> None:
    assert runs_here(OmegaConf.create({"launcher": launcher})) is is_here


def test_hardware_is_looked_for_where_the_jobs_run(train: Command) -> None:
    asks = ("-m", *FAST, "trainer.accelerator=cpu", "trainer.devices=1,9")
    assert "trainer.devices=9: " in train(*asks).error
    elsewhere = train(*asks, "hydra.launcher._target_=hydra_plugins.somebody.Cloud")
    assert "trainer.devices=9: " not in elsewhere.err
    assert "somebody.Cloud" in elsewhere.err  # which there is not: all before it has passed
