"""A run of every model, dataset, callback, schedule, optimizer and experiment: scored, made longer and repeated."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from src.run.record import read
from tests.config.test_groups import cured, pairs
from tests.conftest import Command
from tests.toy import wordnet_files

FEW = [f"trainer.limit_{split}_batches=2" for split in ("train", "val", "test")]
SHORT = [*FEW, "trainer.max_epochs=1", "trainer.val_check_interval=1.0", "data.batch_size=8", "~callback.figures"]
DATA = {"gcn": "karate", "rnn": "wordnet", "transformer": "wordnet", "unet": "discs_squares", "tabular": "iris"}
OWN = ("csv", "image_csv", "image_folder", "masks", "text", "torchvision")  # which need files of somebody's
GROUPS = ("model", "data", "optimizer", "scheduler", "callback", "experiment")


def choices() -> Iterator[Any]:
    for group, option in pairs(*GROUPS):
        if option not in OWN:
            yield pytest.param(group, option, id=f"{group}-{option}")


def words_of(group: str, option: str, folder: Path) -> list[str]:
    """What is typed for a short run of an option."""
    if group == "experiment":
        return [f"experiment={option}", *FEW, "trainer.max_epochs=1", "trainer.val_check_interval=1.0"]
    if group == "model":
        return cured(folder, f"model={option}", f"data={DATA.get(option, 'digits')}", *SHORT)
    if group == "data":
        net = {data: model for model, data in DATA.items() if model != "transformer"}.get(option)
        words = [f"data={option}", *([f"model={net}"] if net else []), *SHORT]
        return cured(folder, *words, *(["monitor=train/loss"] if option == "karate" else []))
    named = f"+callback={option}" if group == "callback" else f"{group}={option}"
    usual = group == "callback" and option in ("checkpoint", "guard", "progress", "predictions", "hparams", "figures")
    return [*([] if usual else [named]), f"model={'airbench' if option == 'whiten' else 'softmax_regression'}", *SHORT]


@pytest.mark.soak
@pytest.mark.parametrize(("group", "option"), list(choices()))
def test_a_run_of_an_option_is_scored_goes_on_and_is_repeated(
    group: str, option: str, tmp_path: Path, train: Command, evaluate: Command
) -> None:
    wordnet_files(tmp_path / "toy")
    words = words_of(group, option, tmp_path)
    if "data=wordnet" in words:
        words.append(f"data.root={tmp_path / 'toy' / 'wordnet'}")
    ended = train(*words)
    if "DATA_DIR" in ended.err or "cannot be fetched" in ended.err:
        pytest.skip("its data or its weights are not here")
    assert ended.code == 0, ended.err
    run, before = ended.run, read(ended.run)["metrics"]
    again = evaluate(f"run={run}", f"split={'test' if 'test/loss' in before else 'val'}")
    assert again.code == 0 or "no checkpoint" in again.err, again.err
    repeated = train(f"rerun={run}")
    assert repeated.code == 0, repeated.err
    longer = train(f"run={run}", "trainer.max_epochs=2")
    assert longer.code == 0, longer.err
    assert read(run)["state"] == "done"
