"""DataParallel: several devices end where one does, leave the same files, and refuse what they cannot do."""

import copy
import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import Tensor, nn
from torch.nn.parallel import parallel_apply

from src.fit.guard import culprit
from src.model.schedule import cosine
from src.run.prediction_table import read as predictions
from src.run.record import read
from src.strategy.dp import WithAutocast, runner
from tests import toy
from tests.conftest import FAST, Command

DP = ("trainer=dp", "trainer.accelerator=cpu", "trainer.devices=2")
TASKS: dict[str, tuple[int, type[nn.Module], dict[str, Any]]] = {
    "multiclass": (3, nn.CrossEntropyLoss, {"outputs": 3}),
    "binary": (1, nn.BCEWithLogitsLoss, {"outputs": 2}),
    "regression": (1, nn.MSELoss, {"outputs": 0}),
}
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
needs_gpus = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two CUDA GPUs")


class Fitted:
    """A model after three epochs of 5 batches, the last of 2 samples, and what it logged."""

    def __init__(
        self,
        folder: Path,
        devices: int,
        *,
        task: str = "multiclass",
        net: nn.Module | None = None,
        data: dict[str, Any] | None = None,
        **settings: Any,
    ):
        outputs, loss, of_data = TASKS[task]
        torch.manual_seed(0)
        self.net = net or nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, outputs))
        optimizer = partial(torch.optim.SGD, lr=0.02, momentum=0.9)
        made = {"outputs": outputs, "loss": loss(), "optimizer": optimizer, "scheduler": cosine}
        self.model = toy.supervised(task, self.net, **made)
        self.points = toy.Points()
        strategy = "dp" if devices > 1 else "auto"
        settings = {"max_epochs": 3, "logger": self.points, "devices": devices, "strategy": strategy} | settings
        self.trainer = toy.trainer(folder, **settings)
        self.data = toy.tabular(
            **{"train": 40, "batch_size": 9, "val_fraction": 0.05, "task": task} | of_data | (data or {})
        )
        self.trainer.fit(self.model, self.data)


def assert_close(ours: Fitted, theirs: Fitted, *, atol: float = 1e-6) -> None:
    """Weights, points and counts agree."""
    torch.testing.assert_close(ours.model.state_dict(), theirs.model.state_dict(), rtol=0, atol=atol)
    assert ours.trainer.global_step == theirs.trainer.global_step
    assert [step for step, _ in ours.points.points] == [step for step, _ in theirs.points.points]
    for (_, mine), (_, other) in zip(ours.points.points, theirs.points.points, strict=True):
        assert mine == pytest.approx(other, abs=10 * atol)


@pytest.mark.parametrize("devices", [2, 3, 16])
@pytest.mark.parametrize("task", TASKS)
def test_several_devices_end_with_the_weights_and_points_of_one(task: str, devices: int, tmp_path: Path) -> None:
    assert_close(Fitted(tmp_path, devices, task=task), Fitted(tmp_path, 1, task=task))


@pytest.mark.parametrize(
    "settings",
    [{"accumulate_grad_batches": 2}, {"gradient_clip_val": 0.1}, {"precision": "64-true"}],
    ids=str,
)
def test_so_do_they_where_the_run_is_another(settings: dict[str, Any], tmp_path: Path) -> None:
    assert_close(Fitted(tmp_path, 2, **settings), Fitted(tmp_path, 1, **settings))


def test_a_moving_average_is_that_of_one_device(tmp_path: Path) -> None:
    averaged = [Fitted(tmp_path, devices, callbacks=[EMAWeightAveraging(decay=0.9)]) for devices in (2, 1)]
    assert_close(*averaged)
    plain = Fitted(tmp_path, 2)
    assert not torch.equal(next(averaged[0].net.parameters()), next(plain.net.parameters()))


def listened() -> tuple[nn.Module, list[Tensor]]:
    """A net, and a list that its outputs will be in, but not those on the meta device."""
    net, seen = nn.Linear(4, 3), list[Tensor]()
    net.register_forward_hook(lambda layer, inputs, output_B: None if output_B.is_meta else seen.append(output_B))
    return net, seen


def test_the_net_sees_every_part_and_nothing_else_does(tmp_path: Path) -> None:
    net, seen = listened()
    Fitted(tmp_path, 2, net=net, max_epochs=1, limit_val_batches=0)
    assert [len(output_B) for output_B in seen] == [5, 4] * 4 + [1, 1]


def test_a_model_in_training_has_the_keys_it_has_on_one_device(tmp_path: Path) -> None:
    seen: list[tuple[set[str], bool]] = []
    look = toy.Each(lambda trainer, batch: seen.append((set(trainer.model.state_dict()), has_runner(trainer))))
    ended = Fitted(tmp_path, 2, callbacks=[look])
    assert seen == [(set(ended.model.state_dict()), True)] * 15
    assert {key.split(".")[0] for key, _ in ended.model.named_parameters()} == {"net"}
    assert ended.model.runner is None


def has_runner(trainer: lightning.Trainer) -> bool:
    model: Any = trainer.lightning_module
    return model.runner is not None


def test_in_bf16_every_part_is(tmp_path: Path) -> None:
    net, seen = listened()
    Fitted(tmp_path, 2, net=net, precision="bf16-mixed")
    assert {output_B.dtype for output_B in seen} == {torch.bfloat16}
    assert {weight.dtype for weight in net.parameters()} == {torch.float32}
    ours, theirs = (Fitted(tmp_path, devices, precision="bf16-mixed") for devices in (2, 1))
    assert_close(ours, theirs, atol=1e-3)  # a bfloat16 has 8 bits


def output_in_thread(net: nn.Module, *inputs: Any) -> Tensor:
    """What `net` makes of its inputs in a thread of its own, which knows nothing of its parent's autocast."""
    outputs: list[Tensor] = []
    thread = threading.Thread(target=lambda: outputs.append(net(*inputs)))
    thread.start()
    thread.join()
    return outputs[0]


@pytest.mark.parametrize(("enabled", "kind"), [(True, torch.bfloat16), (False, torch.float32)])
def test_autocast_reaches_a_net_in_another_thread(enabled: bool, kind: torch.dtype) -> None:
    net, x_B = nn.Linear(4, 3), torch.randn(2, 4)
    with torch.autocast("cpu", dtype=torch.float16):
        assert output_in_thread(net, x_B).dtype is torch.float32  # the trap: a thread has its own
        told = {"enabled": enabled, "dtype": torch.bfloat16}
        assert output_in_thread(WithAutocast(net), x_B, told).dtype is kind


def test_batchnorm_normalises_parts_and_remembers_the_first() -> None:
    x_B = torch.randn(9, 4) * torch.arange(1.0, 10)[:, None]
    net, first = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
    output_B = runner(net, [torch.device("cpu")] * 2)(x_B)
    torch.testing.assert_close(output_B, torch.cat([first(x_B[:5]), nn.BatchNorm1d(4)(x_B[5:])]))
    torch.testing.assert_close(net.state_dict(), first.state_dict())


def compiled_in_place(net: nn.Module) -> nn.Module:
    net.compile(backend="eager")
    return net


@pytest.mark.parametrize("compiled", [partial(torch.compile, backend="eager"), compiled_in_place])
def test_a_compiled_net_is_refused(compiled: Callable[[nn.Module], nn.Module], tmp_path: Path) -> None:
    net = nn.Sequential(compiled(nn.Linear(4, 3)))
    with pytest.raises(ValueError, match=r"trainer.strategy=dp: torch.compile .* trainer=ddp"):
        Fitted(tmp_path, 2, net=net)


class Foreign(lightning.LightningModule):
    """A model that is none of ours."""

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Do nothing."""

    def configure_optimizers(self) -> None:
        """Have none."""


def test_a_model_that_does_not_say_what_its_net_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trainer.strategy=dp: Foreign .* set trainer.strategy=ddp"):
        toy.trainer(tmp_path, strategy="dp", devices=2).fit(Foreign(), [0])


@pytest.mark.parametrize(("devices", "times"), [(2, 1), (1, 0)])
def test_what_is_faster_is_said_once_in_a_run(
    devices: int, times: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="src"):
        ended = Fitted(tmp_path, devices, strategy="dp")
        ended.trainer.test(ended.model, ended.data, verbose=False)
    assert [record.getMessage().count("trainer=ddp is faster") for record in caplog.records].count(1) == times


@pytest.mark.parametrize(
    ("batch_size", "message", "cure"),
    [
        (9, "set data.drop_last=true", {"drop_last": True}),
        (3, "set data.batch_size=4", {"batch_size": 4, "drop_last": True}),  # else two samples are left
        (1, "set data.batch_size=4", {"batch_size": 4, "drop_last": True}),
    ],
)
def test_a_part_of_one_sample_under_batchnorm_is_refused_with_what_cures_it(
    batch_size: int, message: str, cure: dict[str, Any], tmp_path: Path
) -> None:
    def fitted(**data: Any) -> Fitted:
        return Fitted(tmp_path, 2, net=nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), data=data)

    with pytest.raises(ValueError, match=f"one of 2 devices gets one sample, .*: {message}$"):
        fitted(batch_size=batch_size)
    fitted(**{"batch_size": batch_size} | cure)


def test_a_layer_is_named_whose_replica_spoils_the_loss() -> None:
    class Spoils(nn.Module):
        def forward(self, x_B: Tensor) -> Tensor:
            return x_B / 0

    model = toy.multiclass(
        nn.Sequential(nn.Linear(4, 3), Spoils()), outputs=3, loss=nn.CrossEntropyLoss(), optimizer=None
    )
    model.runner = lambda x_B: copy.deepcopy(model.net)(x_B)  # as `nn.DataParallel` does: other layers, the same hooks
    assert culprit(model, (torch.randn(2, 4), torch.tensor([0, 1])), 0).startswith("net.1 (Spoils) is the first layer")


def test_embeddings_are_those_of_every_sample_in_order(train: Command) -> None:
    kept = "callback=[checkpoint,predictions,embeddings]"
    run = train("model=softmax_regression", "trainer.max_epochs=1", kept, *DP).run
    (path,) = (run / "tensorboard").glob("*/default/tensors.tsv")
    features_ND = torch.tensor(np.loadtxt(path), dtype=torch.float32)
    weight, bias = state(run, "best").values()
    probability_NK = (features_ND @ weight.T + bias).softmax(dim=1)
    np.testing.assert_allclose(probability_NK, predictions(run / "predictions" / "test.csv").probability, atol=1e-4)


def state(run: Path, name: str = "last") -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
    return found


def test_a_run_ends_as_on_one_device_and_is_resumed_evaluated_and_explained(
    train: Command, evaluate: Command, explain: Command
) -> None:
    common = ("model=shallow_cnn", "scheduler=none", "callback=[checkpoint]", "logger=[]", "data.batch_size=200")
    whole = train(*common, "trainer=cpu", "trainer.max_epochs=3").run
    run = train(*common, *DP, "trainer.max_epochs=2").run
    resumed = train(f"run={run}", "trainer.max_epochs=3")
    assert resumed.code == 0, resumed.err
    torch.testing.assert_close(state(run), state(whole), rtol=0, atol=1e-6)
    assert read(run)["metrics"] == pytest.approx(read(whole)["metrics"], abs=1e-5)
    table = evaluate(f"run={run}")
    assert f"{read(run)['metrics']['test/loss']:.4f}" in table.out, table.err
    assert explain(f"run={run}", "method=filters").code == 0


def test_a_sweep_trains_on_several_devices(train: Command) -> None:
    ended = train("-m", *FAST, *DP, "seed=0,1")
    assert ended.code == 0, ended.err
    assert [read(run)["state"] for run in ended.runs] == ["done", "done"]


@pytest.mark.parametrize("name", ["WORLD_SIZE", "SLURM_STEP_NUM_TASKS"])
def test_one_of_several_processes_is_refused(
    name: str, train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "2")
    assert f"in one of 2 processes ({name}" in train(*FAST, *DP).error
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(name, "1")
    assert train(*FAST, *DP).code == 0


@needs_gpu
def test_one_gpu_ends_with_the_bits_of_the_gpu_alone(tmp_path: Path) -> None:
    one, alone = (Fitted(tmp_path, 1, accelerator="gpu", strategy=strategy) for strategy in ("dp", "auto"))
    assert_close(one, alone, atol=0)


@needs_gpu
def test_bf16_is_bf16_in_the_threads_of_a_gpu() -> None:
    device = torch.device("cuda", 0)
    net, x_B = nn.Linear(4, 3).to(device), torch.randn(2, 4, device=device)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        plain_B = parallel_apply([net, net], [(x_B,), (x_B,)], devices=[device, device])
        told = {"enabled": True, "dtype": torch.get_autocast_dtype("cuda")}
        told_B = parallel_apply([WithAutocast(net)] * 2, [(x_B, told)] * 2, devices=[device, device])
    assert {output_B.dtype for output_B in plain_B} == {torch.float16}  # the trap; where torch mends it, drop the class
    assert {output_B.dtype for output_B in told_B} == {torch.bfloat16}


@needs_gpus
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_several_gpus_end_with_the_weights_of_one(precision: str, tmp_path: Path) -> None:
    settings = {"accelerator": "gpu", "precision": precision}
    atol = 1e-5 if precision == "32-true" else 5e-3
    assert_close(Fitted(tmp_path, 2, **settings), Fitted(tmp_path, 1, **settings), atol=atol)


@needs_gpus
def test_a_batch_smaller_than_the_gpus_goes_to_as_many_as_it_has_samples_for() -> None:
    devices = [torch.device("cuda", number) for number in range(2)]
    net, x_1 = nn.Linear(4, 3).to(devices[0]), torch.randn(1, 4, device=devices[0])
    with torch.autocast("cuda", dtype=torch.bfloat16):
        torch.testing.assert_close(runner(net, devices)(x_1), net(x_1))


@needs_gpus
def test_every_callback_does_on_several_gpus(train: Command) -> None:
    ended = train("model=fashion_cnn", "trainer=dp", "trainer.precision=bf16-mixed", "+callback=[tensorboard,ema]")
    assert ended.code == 0, ended.err
