"""What of FSDP can be seen without a GPU: it is refused in one line, and its checkpoints are whole and safe to open."""

import os
from pathlib import Path

import pytest
import torch
from lightning.pytorch.strategies import FSDPStrategy

from src.config.build import build
from src.config.plain import plain
from src.strategy.fsdp import FSDP
from src.strategy.launcher import Launcher
from tests.config.test_groups import composed
from tests.conftest import Command


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize(
    ("accelerator", "named"), [("gpu", "trainer.accelerator=gpu"), ("cpu", "trainer.strategy=fsdp")]
)
def test_without_a_gpu_it_is_one_line(accelerator: str, named: str, train: Command) -> None:
    error = train("trainer=fsdp", f"trainer.accelerator={accelerator}", "debug=fast").error
    assert named in error
    assert "set trainer=auto" in error


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FSDP:
    """What `trainer=fsdp` builds where PyTorch says that there is a GPU."""
    config = plain(composed(tmp_path, "trainer=fsdp", "trainer.strategy.min_parameters=1000"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return build(config["trainer"]["strategy"])


def test_its_checkpoints_are_whole_and_go_through_ours(built: FSDP) -> None:
    assert built._state_dict_type == "full"
    assert isinstance(built, FSDPStrategy)


def test_it_starts_our_processes_which_begin_with_the_weights_of_the_first(built: FSDP) -> None:
    built._configure_launcher()
    assert isinstance(built.launcher, Launcher)
    assert built.kwargs["sync_module_states"] is True


def test_modules_of_so_many_parameters_are_parted(built: FSDP) -> None:
    policy = built.kwargs["auto_wrap_policy"]
    large, small = torch.nn.Linear(40, 40), torch.nn.Linear(4, 4)
    assert policy(large, recurse=False, nonwrapped_numel=1640)
    assert not policy(small, recurse=False, nonwrapped_numel=20)


def test_a_checkpoint_with_code_in_it_is_refused_before_it_runs(built: FSDP, tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "touched"),)

    torch.save({"state_dict": {}, "epoch": Touch()}, tmp_path / "last.ckpt")
    with pytest.raises(ValueError, match="does not load as plain data"):
        built.load_checkpoint(tmp_path / "last.ckpt")
    assert not (tmp_path / "touched").exists()
