"""A `_target_` from a stranger's config: refused without being imported, refused without being called."""

import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from src.config.allow import resolve
from src.config.build import build
from tests.conftest import Command

FORBIDDEN = [
    "os.system",
    "shutil.copy",
    "builtins.eval",
    "builtins.exec",
    "subprocess.check_call",
    "torch.load",
    "torch.hub.load",
    "torch.nn.functional.torch.load",  # named like torch.nn, is torch.load
    "torch.nn.functional.linear",  # a function
    "torch.nn.Module.load_state_dict",  # a method
    "torch.nn.init.warnings.warn",
    "torch.optim.lr_scheduler.Any",
    "torch.nn.modules.module.Path",  # a class of another package
    "torch.utils.cpp_extension.load_inline",
    "lightning.pytorch.utilities.cloud_io._load",
    "lightning.pytorch.cli.LightningCLI",  # reads the command line
    "lightning.pytorch.trainer.trainer.Path",
    "torchvision.datasets.utils.download_url",
    "torchvision.models.get_model",
    "src.command.entry.os.system",  # a re-export through our own modules
    "src.data.module.os.system",
    "src.data.read.mnist.Path",
    "src.data.read.cifar10.CIFAR10",
    "src.run.checkpoint_io._write",
    "src.run.checkpoint_io.load",
    "src.run.record.Record",
    "src.model.schedule._warmed_up",
    "src.model.supervised.Supervised.__init__",
    "src.train.main",
    "src.config.build.build",
    "torch",
    "",
    "..",
    "torch.nn.Linear ",
    "torch.nn..Linear",
    "torch.nn.Linear\n",
    None,
    3,
    ["torch.nn.Linear"],
]
ALLOWED = [
    "torch.nn.Linear",
    "torch.nn.modules.linear.Linear",
    "torch.optim.SGD",
    "torch.optim.lr_scheduler.StepLR",
    "torchmetrics.MeanMetric",
    "torchmetrics.classification.MulticlassAccuracy",
    "lightning.Trainer",
    "lightning.pytorch.callbacks.EarlyStopping",
    "lightning.pytorch.profilers.SimpleProfiler",
    "torchvision.models.resnet.ResNet",
    "src.data.read.digits.digits",
    "src.net.lenet5.LeNet5",
    "src.model.schedule.cosine",
    "src.run.checkpoint_io.CheckpointIO",
]


@pytest.mark.parametrize("target", FORBIDDEN, ids=repr)
def test_a_target_outside_the_list_is_refused_by_name_or_by_what_it_is(target: object) -> None:
    with pytest.raises(ValueError, match=r"is not on the allow-list|there is no such class"):
        build({"_target_": target})


@pytest.mark.parametrize("target", ALLOWED)
def test_what_runs_are_made_of_is_on_the_list(target: str) -> None:
    found = resolve(target)
    assert target.endswith(f".{found.__name__}")


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `trap` on the path, whose import and whose functions leave a mark; the mark's path."""
    folder, mark = tmp_path / "path" / "trap", tmp_path / "mark"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(
        f"import os\nfrom pathlib import Path\nfrom torch.nn import Linear\nmark = Path({str(mark)!r})\n"
        "mark.touch()\n\n\ndef call(): mark.write_text('called')\n\n\nclass Net(Linear): pass\n"
    )
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.delitem(sys.modules, "trap", raising=False)
    return mark


def test_a_forbidden_module_is_not_even_imported(trap: Path) -> None:
    with pytest.raises(ValueError, match=r"trap\.call is not on the allow-list"):
        build({"a": [{"_target_": "torch.nn.Identity"}, {"_target_": "trap.call"}]})
    assert not trap.exists()
    assert "trap" not in sys.modules


def test_the_command_neither_imports_nor_calls_what_a_config_names(trap: Path, train: Command) -> None:
    places = ("model.net._target_", "data._target_", "optimizer._target_", "callback.checkpoint._target_")
    for place in (*places, "+trainer.profiler._target_", "+callback.x._target_", "+model.loss.x._target_"):
        assert "not on the allow-list" in train(f"{place}=trap.call").error
    assert not trap.exists()


def test_the_allow_list_is_checked_before_everything_else(train: Command, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    call = f"{{_target_:os.system,command:'touch {mark}'}}"
    assert (
        "_target_=os.system is not on" in train(f"model.net={call}", "seed=0", "data.batch_size=0", "monitor=x").error
    )
    assert not mark.exists()


def test_a_copy_through_a_list_of_plugins_copies_nothing(train: Command, tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.touch()
    node = f"{{_target_:shutil.copy,src:'{source}',dst:'{copy}'}}"
    assert "_target_=shutil.copy is not on" in train(f"trainer.plugins=[{node}]").error
    assert not copy.exists()


def test_nothing_is_built_when_a_later_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(nn.Identity, "__init__", lambda self: built.append(self))
    with pytest.raises(ValueError, match="allow-list"):
        build([{"_target_": "torch.nn.Identity"}, {"_target_": "os.system", "command": "true"}])
    assert not built


def test_the_environment_extends_the_list_to_a_package_of_ones_own(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_TARGETS", "other, trap")
    net = build({"_target_": "trap.Net", "in_features": 2, "out_features": 3})
    assert type(net).__module__ == "trap"
    with pytest.raises(ValueError, match="allow-list"):
        resolve("trapdoor.Net")


def test_a_package_of_ones_own_is_no_way_to_what_it_imports(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_TARGETS", "trap")
    with pytest.raises(ValueError, match=r"trap\.os\.system is not on the allow-list"):
        resolve("trap.os.system")


def test_an_empty_entry_in_the_environment_allows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_TARGETS", ",, ,")
    with pytest.raises(ValueError, match="allow-list"):
        resolve("os.system")


def test_a_config_cannot_extend_the_list(train: Command) -> None:
    assert "ALLOWED_TARGETS" in train("+ALLOWED_TARGETS=os", "model.net._target_=os.system").error


def test_partial_binds_and_does_not_call() -> None:
    bound = build({"_target_": "torch.nn.Linear", "_partial_": True, "in_features": 2})
    assert isinstance(bound(out_features=3), nn.Linear)


def test_an_entry_point_of_an_installed_package_extends_the_list(tmp_path: Path) -> None:
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[src.targets]\nmine = mine_nets\n")
    (tmp_path / "mine_nets.py").write_text("def make(): return 7\n")
    code = "from src.config.build import build; print(build({'_target_': 'mine_nets.make'}))"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{tmp_path}:{root}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "7\n"
