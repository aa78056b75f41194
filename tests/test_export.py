"""`src.export`: a file that says what the net says, without this project."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from src import export as exporting
from src.net.exported import Served
from src.run import load
from tests.conftest import Command

needs_onnx = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnxruntime", "onnxscript")),
    reason="onnx, onnxscript or onnxruntime is not installed: pip install -e '.[export]'",
)
FORMATS = [pytest.param("onnx", marks=needs_onnx), "torch_export"]
FILES = {"onnx": "net.onnx", "torch_export": "net.pt2"}


def outputs(path: Path, x_B: Tensor) -> np.ndarray:
    """What the file says of a batch, by the library that the format is for."""
    if path.suffix == ".pt2":
        with torch.no_grad():
            return torch.export.load(path).module()(x_B).numpy()
    import onnxruntime

    return onnxruntime.InferenceSession(path).run(None, {"x": x_B.numpy()})[0]


def about(path: Path) -> dict[str, Any]:
    """The metadata of a file."""
    if path.suffix == ".pt2":
        extra = {"metadata.json": ""}
        torch.export.load(path, extra_files=extra)
        return json.loads(extra["metadata.json"])
    import onnxruntime

    found = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    return {key: json.loads(value) for key, value in found.items()}


def pixels(samples: int) -> Tensor:
    """Noise of the size that the digits' net takes, as it would come from a camera."""
    return torch.randint(0, 256, (samples, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("preprocess", [True, False])
def test_the_file_says_what_the_net_says_for_batches_of_any_size(
    format: str, preprocess: bool, finished: Path, export: Command
) -> None:
    ended = export("run=last", f"format={format}", f"preprocess={preprocess}")
    assert (ended.code, ended.err) == (0, "")
    path, trained = finished / "export" / FILES[format], load(finished)
    for samples in (1, 2, 7, 100):
        x_B = pixels(samples)
        with torch.no_grad():
            expected = trained.net(trained.preprocess(x_B)).numpy()
        found = outputs(path, x_B if preprocess else trained.preprocess(x_B))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("format", FORMATS)
def test_the_file_tells_what_goes_in_and_what_comes_out(format: str, finished: Path, export: Command) -> None:
    assert export("run=last", f"format={format}").code == 0
    said = about(finished / "export" / FILES[format])
    assert said["classes"] == [str(digit) for digit in range(10)]
    assert (said["shape"], said["preprocess"], said["run"]) == ([1, 16, 16], True, finished.name)
    x_B = pixels(3)
    by_hand = (x_B / said["scale"] - said["mean"][0]) / said["std"][0]
    torch.testing.assert_close(load(finished).preprocess(x_B), by_hand)


@needs_onnx
def test_an_onnx_file_labels_the_test_split_in_a_process_that_knows_no_torch(finished: Path, export: Command) -> None:
    assert export("run=last", "preprocess=false").code == 0
    bunch = load_digits()
    images = torch.tensor((bunch.images[-360:] * 255 / 16).round().astype(np.uint8))[:, None]
    np.save(finished / "x.npy", load(finished).preprocess(images).numpy())
    code = (
        "import sys, json, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession('export/net.onnx')\n"
        "classes = json.loads(session.get_modelmeta().custom_metadata_map['classes'])\n"
        "scores = session.run(None, {'x': numpy.load('x.npy')})[0]\n"
        "assert session.get_inputs()[0].shape[0] == session.get_outputs()[0].shape[0] == 'batch'\n"
        "assert 'torch' not in sys.modules\n"
        "print(*[classes[k] for k in scores.argmax(1)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=finished, capture_output=True, text=True, check=True, env={}
    )
    right = [label == str(target) for label, target in zip(done.stdout.split(), bunch.target[-360:], strict=True)]
    recorded = json.loads((finished / "run.json").read_text())["metrics"]["test/accuracy"]
    assert sum(right) / 360 == pytest.approx(recorded, abs=1e-6)


@needs_onnx
def test_several_formats_are_written_at_once(finished: Path, export: Command, tmp_path: Path) -> None:
    ended = export("run=last", "format=[onnx,torch_export]", "out=there")
    assert ended.code == 0
    assert {path.name for path in (tmp_path / "there" / "export").iterdir()} == set(FILES.values())
    assert not (finished / "export").exists()
    assert ended.out.count("64 samples of test") == 2


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("experiment", "source"),
    [("gate_xor_mlp", "test"), ("temperature_mlp", "val")],
)
def test_nets_of_tables_are_exported_too(
    experiment: str, source: str, format: str, train: Command, export: Command
) -> None:
    run = train(f"experiment={experiment}", "trainer.max_epochs=1", "data.passes=1").run
    ended = export(f"run={run}", f"format={format}", f"input={source}")
    assert (ended.code, ended.err) == (0, "")
    trained, x = load(run), torch.tensor([[35.7], [21.8]] if source == "val" else [[0.0, 1.0], [1.0, 1.0]])
    scale = about(run / "export" / FILES[format])["scale"]
    with torch.no_grad():
        expected = trained.net(x / scale).numpy()
    np.testing.assert_allclose(outputs(run / "export" / FILES[format], x), expected, atol=1e-5)


class Undecided(nn.Module):
    """A net whose way depends on the values of its input, which no tracer can follow."""

    def forward(self, x_B: Tensor) -> Tensor:
        """Return output_BK."""
        return x_B.flatten(1)[:, :2] if x_B.sum() > 0 else x_B.flatten(1)[:, 1:3]


class Sums(nn.Module):
    """A net whose way depends on a number that it reads out of a tensor; the tracer prints what it has seen of it."""

    def forward(self, x_B: Tensor) -> Tensor:
        """Return output_BK."""
        return x_B.flatten(1)[:, :2] * (2 if x_B.sum().item() > 0 else 1)


class OneSize(nn.Module):
    """A net that takes batches of four only."""

    def forward(self, x_B: Tensor) -> Tensor:
        """Return output_BK."""
        return x_B.reshape(4, -1)[:, :2]


NETS = {"depends on values": Undecided(), "depends on a number": Sums(), "one batch size": OneSize()}


@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
@pytest.mark.parametrize("format", FORMATS)
def test_a_net_that_cannot_be_exported_is_one_line_with_its_name_and_a_cure_and_leaves_nothing(
    net: nn.Module, format: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    x_B, served = torch.rand(4, 1, 4, 4), Served(net, torch.tensor(1.0), torch.tensor(0.0))
    with pytest.raises(ValueError, match=rf"^format={format}: Mine cannot be exported: \w.*torch\.where") as raised:
        exporting.export(served, x_B, net(x_B), folder=tmp_path, format=format, about={"net": "Mine"})
    assert "\n" not in str(raised.value)
    assert "TORCH_LOGS" not in str(raised.value)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("error", [2e-4, float("nan")])
def test_a_file_that_says_something_else_is_refused_and_the_old_one_stays(
    error: float, format: str, tmp_path: Path
) -> None:
    net, x_B = nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).eval(), torch.rand(4, 1, 4, 4)
    (tmp_path / FILES[format]).write_text("the old one")
    wrong = net(x_B).detach()
    wrong[2, 1] += error
    with pytest.raises(ValueError, match="differ from the net's"):
        exporting.export(net, x_B, wrong, folder=tmp_path, format=format, about={})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["the old one"]


def test_a_format_that_cannot_be_is_a_line_and_the_other_is_written(
    finished: Path, export: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    error = export("run=last", "format=[onnx,torch_export]").error
    assert "onnxruntime" in error
    assert "[export]" in error
    assert [path.name for path in (finished / "export").iterdir()] == ["net.pt2"]


BAD = {
    "no such format": (["run=last", "format=onx"], ["format=onx", "did you mean onnx?"]),
    "no such input": (["run=last", "input=nowhere"], ["input=nowhere", "no such file"]),
    "no image that can be read": (["run=last", "input=bad.png"], ["input=bad.png", "none of these can be read"]),
    "no run": ([], ["run= is missing"]),
    "no checkpoint": (["run=last", "checkpoint=first"], ["checkpoint=first", "best, last"]),
}


@pytest.mark.parametrize(("arguments", "named"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: list[str], named: list[str], finished: Path, export: Command, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").touch()
    error = export(*arguments).error
    for word in named:
        assert word in error
    assert not (finished / "export").exists()


EXPORTED = ("xai_vgg", "resnet18", "googlenet", "lenet5", "fashion_cnn", "mlp")


@needs_onnx
@pytest.mark.parametrize(
    "model",
    [
        *(pytest.param(model, marks=pytest.mark.slow) for model in EXPORTED),
        *(pytest.param(model, marks=pytest.mark.soak) for model in ("vgg16", "airbench")),
    ],
)
def test_every_image_net_is_exported(model: str, train: Command, export: Command) -> None:
    size = {"lenet5": 28, "fashion_cnn": 28, "mlp": 16}.get(model, 64)
    settings = ("trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "test=false")
    run = train(f"model={model}", f"data.image_size={size}", "data.batch_size=4", *settings).run
    ended = export(f"run={run}", "format=[onnx,torch_export]")
    assert (ended.code, ended.err) == (0, "")
