"""Whatever a module or a callback puts into a checkpoint, it opens as plain data."""

import logging
from collections import OrderedDict, defaultdict, namedtuple
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from src.run.checkpoint_io import CheckpointIO, load

Point = namedtuple("Point", "x y")


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.float32(1.5), 1.5),
        (np.int64(3), 3),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Point(1, 2.0), (1, 2.0)),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (OmegaConf.create({"a": [1, 2]}), {"a": [1, 2]}),
        ({"a": (1, None, True, b"x", {2, 3})}, {"a": (1, None, True, b"x", {2, 3})}),
    ],
    ids=str,
)
def test_what_stands_for_a_plain_value_is_kept_as_that(value: Any, kept: Any, tmp_path: Path) -> None:
    CheckpointIO().save_checkpoint({"state_dict": {}, "callbacks": {"x": value}}, tmp_path / "x.ckpt")
    found = load(tmp_path / "x.ckpt")["callbacks"]["x"]
    assert found == kept
    assert type(found) is type(kept)


def test_arrays_are_tensors_and_tensors_stay_as_they_are(tmp_path: Path) -> None:
    weights = OrderedDict(w=torch.randn(3, dtype=torch.float64), p=nn.Parameter(torch.ones(2)))
    CheckpointIO().save_checkpoint({"state_dict": weights, "array": np.arange(4)}, tmp_path / "x.ckpt")
    found = load(tmp_path / "x.ckpt")
    assert all(torch.equal(found["state_dict"][name], value) for name, value in weights.items())
    assert found["array"].tolist() == [0, 1, 2, 3]


def test_hyperparameters_that_are_objects_become_the_words_that_describe_them(tmp_path: Path) -> None:
    hparams = {"lr": 0.1, "net": nn.Linear(2, 3), "optimizer": partial(torch.optim.Adam, lr=0.1), "root": "../data"}
    CheckpointIO().save_checkpoint({"state_dict": {}, "hyper_parameters": hparams}, tmp_path / "x.ckpt")
    assert torch.serialization.get_unsafe_globals_in_checkpoint(tmp_path / "x.ckpt") == []
    found = load(tmp_path / "x.ckpt")["hyper_parameters"]
    assert found["lr"] == 0.1
    assert "Linear(in_features=2" in found["net"]
    assert "Adam" in found["optimizer"]


def test_an_object_elsewhere_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        odd = {"x": {"f": print, "n": 1}}
        CheckpointIO().save_checkpoint({"state_dict": {}, "callbacks": odd}, tmp_path / "x.ckpt")
    assert "callbacks.x.f is a builtin_function_or_method" in caplog.text
    assert load(tmp_path / "x.ckpt")["callbacks"]["x"] == {"n": 1}
