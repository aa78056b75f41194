"""Settings that name no hardware there is: one line each, before anything is built."""

from typing import Any

import pytest
from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator, MPSAccelerator

from src.fit.hardware import check_hardware

WRONG = {  # settings: what the line names
    "a strategy, near": ({"strategy": "ddq"}, ["trainer.strategy=ddq", "did you mean ddp?"]),
    "a strategy, near nothing": ({"strategy": "xyzzy"}, ["trainer.strategy=xyzzy", "auto, ddp, ", ", dp"]),
    "an accelerator": ({"accelerator": "gup"}, ["trainer.accelerator=gup", "did you mean gpu?"]),
    "a CPU for several": ({"accelerator": "cpu", "devices": 8}, ["trainer.devices=8", "set trainer.devices=1", "dp"]),
    "a CPU for several, as text": ({"accelerator": "cpu", "devices": "8"}, ["trainer.devices=8", "ddp or dp"]),
    "a CPU for none": ({"accelerator": "cpu", "devices": 0, "strategy": "dp"}, ["trainer.devices=0", "from 1"]),
    "a CPU by its numbers": ({"accelerator": "cpu", "devices": [0, 1]}, ["trainer.devices=[0, 1]", "a number"]),
    "no number": ({"accelerator": "cpu", "devices": "many"}, ["trainer.devices=many", "a number, a list", "auto"]),
    "dp on two machines": ({"strategy": "dp", "num_nodes": 2}, ["trainer.num_nodes=2", "set trainer.strategy=ddp"]),
    "dp with a compiled net": ({"strategy": "dp", "compile": "default"}, ["trainer.compile=default", "compile=null"]),
    "dp with ddp's BatchNorm": ({"strategy": "dp", "sync_batchnorm": True}, ["trainer.sync_batchnorm=True", "ddp"]),
}
RIGHT: tuple[dict[str, Any], ...] = (
    {},
    {"accelerator": "cpu", "devices": "auto"},
    {"accelerator": "cpu", "devices": 8, "strategy": "dp"},
    {"accelerator": "cpu", "devices": "3", "strategy": "ddp_fork"},
    {"accelerator": CPUAccelerator(), "devices": 8, "strategy": object()},  # objects know themselves
)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Lightning find two CUDA GPUs on this machine."""
    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: False))
    monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: True))
    monkeypatch.setattr(CUDAAccelerator, "auto_device_count", staticmethod(lambda: 2))
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)


@pytest.mark.parametrize(("settings", "named"), WRONG.values(), ids=WRONG)
def test_what_is_not_there_is_named_with_its_cure(settings: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^trainer") as error:
        check_hardware(settings)
    assert all(word in str(error.value) for word in named)


@pytest.mark.parametrize("settings", RIGHT)
def test_what_is_there_passes(settings: dict[str, Any]) -> None:
    check_hardware(settings)


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "mps"])
def test_an_accelerator_that_is_not_here_is_refused_here_alone(
    accelerator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (CUDAAccelerator, MPSAccelerator):
        monkeypatch.setattr(kind, "is_available", staticmethod(lambda: False))
    with pytest.raises(ValueError, match=rf"trainer.accelerator={accelerator}: .* set trainer=auto"):
        check_hardware({"accelerator": accelerator})
    check_hardware({"accelerator": accelerator, "devices": 8}, is_here=False)  # of another machine nothing is known
    with pytest.raises(ValueError, match="did you mean ddp"):
        check_hardware({"accelerator": accelerator, "strategy": "ddq"}, is_here=False)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("accelerator", ["auto", "gpu", "cuda"])
@pytest.mark.parametrize("devices", [3, 8, "8", 0, [], [0, 2], "1,2", -2])
def test_more_gpus_than_there_are_are_refused(devices: Any, accelerator: str) -> None:
    with pytest.raises(ValueError, match=r"trainer\.devices=.* there are 2 devices .* set trainer\.devices=2"):
        check_hardware({"accelerator": accelerator, "devices": devices})


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("devices", [1, 2, "2", "auto", -1, "-1", [1], [1, 0], "0,1", "1,"])
def test_as_many_gpus_as_there_are_pass(devices: Any) -> None:
    check_hardware({"accelerator": "gpu", "devices": devices, "strategy": "dp"})


@pytest.mark.usefixtures("two_gpus")
def test_a_process_of_torchrun_may_see_its_own_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CUDAAccelerator, "auto_device_count", staticmethod(lambda: 1))
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "7")
    check_hardware({"accelerator": "gpu", "devices": 4, "strategy": "ddp"})
