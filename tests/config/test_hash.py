"""Two runs have one hash exactly where their results must be the same."""

from pathlib import Path

import pytest

from src.config.hash import config_hash
from src.config.plain import plain
from tests.config.test_groups import composed

SAME = [
    ["tags=[a]"],
    ["sweep=other"],
    ["retry_failed=true"],
    ["fail_fast=true"],
    ["run=elsewhere"],
    ["data_dir=elsewhere"],
    ["logger=[]"],
    ["logger.csv.folder=elsewhere"],
    ["~callback.progress"],
    ["callback.progress.refresh_s=9"],
    ["+callback=lr_monitor"],
    ["+callback=model_summary"],
    ["test=false"],
    ["trainer.log_every_n_steps=7"],
    ["data.workers=5"],
    ["data.cache=false"],
]
OTHER = [
    ["seed=1"],
    ["model=fashion_dnn"],
    ["model.net.dropout=0.5"],
    ["optimizer=sgd"],
    ["optimizer.lr=2e-3"],
    ["scheduler=step"],
    ["data=mnist"],
    ["data.batch_size=33"],
    ["data.split_seed=1"],
    ["data.val_fraction=0.2"],
    ["model.metrics=[f1]"],
    ["monitor=val/accuracy"],
    ["+callback=early_stopping"],
    ["trainer.max_epochs=11"],
    ["trainer.precision=bf16-mixed"],
    ["trainer.gradient_clip_val=1"],
    ["model.loss.label_smoothing=0.1"],
]


def hashed(folder: Path, *overrides: str) -> str:
    return config_hash(plain(composed(folder, *overrides)))


@pytest.mark.parametrize("overrides", SAME, ids=str)
def test_where_things_lie_and_how_they_are_shown_is_no_part_of_the_identity(
    overrides: list[str], tmp_path: Path
) -> None:
    assert hashed(tmp_path, *(o for o in overrides if not o.startswith("run="))) == hashed(tmp_path / "other")


def test_what_changes_the_result_changes_the_hash_and_no_two_agree(tmp_path: Path) -> None:
    hashes = {str(overrides): hashed(tmp_path, *overrides) for overrides in [[], *OTHER]}
    assert len(set(hashes.values())) == len(hashes)


def test_a_hash_is_64_hexadecimal_digits_and_does_not_depend_on_order() -> None:
    first, second = config_hash({"a": 1, "b": {"c": [1, 2]}}), config_hash({"b": {"c": [1, 2]}, "a": 1})
    assert first == second
    assert len(bytes.fromhex(first)) == 32
    assert first != config_hash({"a": 1, "b": {"c": [2, 1]}})


def test_hashing_leaves_the_config_as_it_is() -> None:
    config = {"run": "x", "data": {"data_dir": "y"}, "trainer": {"callbacks": [1]}}
    config_hash(config)
    assert config == {"run": "x", "data": {"data_dir": "y"}, "trainer": {"callbacks": [1]}}
