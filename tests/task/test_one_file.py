"""A task is one file and one YAML: the person's own is chosen by data.task like any other."""

from pathlib import Path

import pytest

from src.config.build import build
from src.config.plain import plain
from src.config.schema import CONF, tasks
from tests.config.test_groups import composed


def test_every_task_has_a_file_and_a_yaml_of_its_name() -> None:
    ours = {"binary", "multiclass", "multilabel", "regression", "segmentation"}
    assert {path.stem for path in (CONF / "task").glob("*.yaml")} == ours
    for name, node in tasks().items():
        assert node._target_ == f"src.task.{name}.{name.capitalize()}"


def test_a_yaml_in_the_own_conf_adds_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "conf" / "task"
    own.mkdir(parents=True)
    (own / "ranked.yaml").write_text(
        "_target_: src.task.multiclass.Multiclass\nloss: torch.nn.CrossEntropyLoss\noutputs: 10\nmetrics: [f1]\n"
    )
    monkeypatch.chdir(tmp_path)
    config = plain(composed(tmp_path, "data.task=ranked", "model=softmax_regression"))
    assert list(build(config["model"]).task.metrics) == ["f1"]
    assert build(config["data"]).task == "ranked"
