"""`src.export` for strangers: a file that says what the net says, for batches of any size, or one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src import export as exporting
from src.fit.first_batch import splits_of
from tests.strangers.plain import PAIRS, load
from tests.test_export import FILES, needs_onnx

NAMES = {  # what goes in, of each pair: one tensor, dicts of tensors, a text beside one, several outputs, an object
    "classifier_conv": ["x"],
    "text": ["input_ids", "attention_mask"],
    "two_tasks": ["x"],
    "lm": ["x"],
    "parts": ["x"],
    "unet": ["x"],
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def servable(name: str) -> tuple[Any, exporting.Servable]:
    torch.manual_seed(0)
    model, data = load(*PAIRS[name][:2])
    return model.eval(), exporting.theirs(model, data, splits_of(data)[0])


def exported(net: exporting.Servable, folder: Path, format: str) -> float:
    return exporting.export(
        net.net, net.inputs, net.outputs, folder=folder, format=format, about=net.about, names=net.names
    )[1]


@pytest.mark.filterwarnings("ignore")  # theirs, of Lightning about their loaders
@pytest.mark.parametrize("name", NAMES)
def test_anybodys_net_is_exported_with_what_it_is_called_with(name: str, tmp_path: Path) -> None:
    _, net = servable(name)
    assert net.names == NAMES[name]
    assert exported(net, tmp_path, "torch_export") <= exporting.TOLERANCE
    call = torch.export.load(tmp_path / FILES["torch_export"]).module()
    three = exporting.cut(net.inputs, len(net.inputs[0]), 3)
    with torch.no_grad():
        pairs = zip(exporting.several(call(*three)), exporting.several(net.net(*three)), strict=True)
        assert all(torch.allclose(found, expected, atol=1e-5) for found, expected in pairs)


@needs_onnx
@pytest.mark.filterwarnings("ignore")
def test_an_onnx_file_calls_its_inputs_as_the_forward_does(tmp_path: Path) -> None:
    import onnxruntime

    model, net = servable("text")
    exported(net, tmp_path, "onnx")
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert [entry.name for entry in session.get_inputs()] == ["input_ids", "attention_mask"]
    ids, mask = (x[:5] for x in net.inputs)
    with torch.no_grad():
        expected = model(ids, mask)[1].numpy()
    found = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_metadata_of_data_without_class_names_say_what_goes_in() -> None:
    about = servable("text")[1].about
    assert (about["classes"], about["task"], about["preprocess"]) == (None, None, False)
    assert list(about["inputs"]) == ["input_ids", "attention_mask"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["gan", "train_only"])
def test_a_forward_that_takes_no_such_batch_is_one_line_that_says_what_to_declare(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be called with .*: declare example_input_array") as error:
        servable(name)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore")
def test_a_declared_example_is_what_a_forward_is_exported_with(tmp_path: Path) -> None:
    model, data = load("gan", "gan")
    model.example_input_array = torch.randn(4, 16)
    net = exporting.theirs(model.eval(), data, "train")
    assert torch.equal(net.inputs[0], model.example_input_array)
    assert exported(net, tmp_path, "torch_export") <= exporting.TOLERANCE
