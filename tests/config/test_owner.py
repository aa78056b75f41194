"""What can be said of a model at its top still can, and reaches the part that owns it."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from src.command.check import check
from src.config.build import build
from src.config.owner import routed
from src.config.plain import plain
from src.config.schema import CONF, register
from src.model.learns import Learns
from src.model.supervised import Supervised
from src.task.task import Task
from tests.conftest import as_found

# Every key of `model` in version 0.3, a value for it, and where it is now.
KEYS: dict[str, tuple[Any, str]] = {
    "outputs": (10, "task.outputs"),
    "loss.label_smoothing": (0.1, "task.loss.label_smoothing"),
    "metrics": (["accuracy", "f1"], "task.metrics"),
    "class_weights": ("balanced", "task.class_weights"),
    "weights": ("IMAGENET1K_V1", "learns.weights"),
    "trainable": ("head", "learns.trainable"),
    "unfreeze_epoch": (2, "learns.unfreeze_epoch"),
    "backbone_lr": (1e-4, "learns.backbone_lr"),
    "spare_norms_and_biases": (True, "learns.spare_norms_and_biases"),
    "scale_lr": ("linear", "scale_lr"),
    "net.name": ("resnet34", "net.name"),
    "optimizer": (None, "optimizer"),
    "scheduler": (None, "scheduler"),
}


def model(*overrides: str) -> Any:
    """The node of a model that these overrides make."""
    register()
    with as_found(), initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", ["model=resnet18", "run=x", *overrides])
    return plain(config)["model"]


def at(node: Any, path: str) -> Any:
    for key in path.split("."):
        node = node[key]
    return node


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_could_be_said_of_a_model_still_can(key: str) -> None:
    value, place = KEYS[key]
    said = str(value).replace("'", "").replace(" ", "") if value is not None else "null"
    assert at(routed(model(f"model.{key}={said}")), place) == value


def test_every_setting_of_an_owner_is_among_them() -> None:
    owned = {name for owner in (Task, Learns) for name in inspect.signature(owner).parameters}
    assert owned == {place.split(".")[1] for _, place in KEYS.values() if place.startswith(("task.", "learns."))}


def test_no_constructor_of_a_model_takes_more_than_eight_settings() -> None:
    for constructor in (Supervised, Task, Learns):
        assert len(inspect.signature(constructor).parameters) <= 8


def test_what_is_said_reaches_the_model() -> None:
    made = build(model("model.trainable=head", "model.metrics=[f1]", "model.loss.label_smoothing=0.25"))
    assert made.learns.trainable == "head"
    assert list(made.task.metrics) == ["f1"]
    assert made.loss.label_smoothing == 0.25


def test_a_setting_said_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"trainable=head and learns.trainable=all: say it once"):
        build(model("model.trainable=head", "+model.learns={_target_: src.model.learns.Learns, trainable: all}"))


def test_a_wrong_key_of_an_owner_is_named_where_it_was_said(tmp_path: Path) -> None:
    register()
    for override, message in {
        "model.trainble=head": r"model\.trainble=head: .*did you mean trainable\?",
        "model.metrisc=[f1]": r"model\.metrisc=.*did you mean metrics\?",
        "model.unfreeze_epoch=soon": r"model\.unfreeze_epoch='soon': .*expects int or null",
        "model.loss.labelsmoothing=1": r"model\.loss\.labelsmoothing=1: .*did you mean label_smoothing\?",
    }.items():
        with as_found(), initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", [override, f"run={tmp_path}"])
        with pytest.raises(ValueError, match=message):
            check(config)
