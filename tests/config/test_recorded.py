"""What a run of any option records can be read again: to resume it, to score it and to repeat it."""

from pathlib import Path

import pytest
from omegaconf import DictConfig

from src.config.confine import REMOTE
from src.config.plain import plain
from src.config.recorded import recorded
from src.config.renamed import FORMAT
from src.config.schema import CONF
from src.run.record import Record, keep
from tests.config.test_groups import ASKED, composed, options, pairs

GROUPS = ("model", "data", "optimizer", "scheduler", "trainer", "callback", "logger", "debug", "search", "experiment")
ELSEWHERE = {"local", "task"}  # parts of every config


def recording(folder: Path, *overrides: str) -> DictConfig:
    """The config of a run, recorded in its folder as src.train does."""
    config = composed(folder, "sweep=one", *overrides)  # the default is the time
    keep(folder, "config", config)
    Record(folder).update(format=FORMAT, state="done")
    return config


@pytest.mark.parametrize(("group", "option"), pairs(*GROUPS))
def test_what_a_run_of_an_option_records_is_read_again_as_it_was(group: str, option: str, tmp_path: Path) -> None:
    words = [f"{group}=[{option}]" if group in ("callback", "logger") else f"{group}={option}"]
    words += ASKED.get(option, [])
    config = recording(tmp_path, *words)
    for trains in (False, True):
        sends = [str(node._target_) for node in config.logger.values() if REMOTE.match(str(node._target_))]
        if sends and trains:  # which a recorded config may not do by itself
            with pytest.raises(ValueError, match="may not send elsewhere by itself"):
                recorded(tmp_path, trains=trains)
            continue
        assert plain(recorded(tmp_path, trains=trains)) == plain(config)


def test_every_group_is_tried() -> None:
    assert {*GROUPS} == {path.parent.name for path in CONF.glob("*/*.yaml")} - ELSEWHERE
    assert all(options(group) for group in GROUPS)


def test_every_model_on_a_graph_reads_it_by_name(tmp_path: Path) -> None:
    config = recording(tmp_path, "model=gcn", "data=karate", "monitor=train/loss")
    graph = plain(recorded(tmp_path, trains=True))["model"]["net"]["graph"]
    assert graph == plain(config)["data"]["graph"]
    assert graph["_target_"]
