"""What is written beside the place where it is used is refused with the key that is used: what is recorded trained."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from src.command.check import check
from tests.config.test_groups import composed

BESIDE = {
    ("model.optimizer.lr=0.02",): r"^model\.optimizer\.lr=0\.02: set optimizer\.lr=0\.02$",
    ("model.scheduler.warmup=0.1",): r"^model\.scheduler\.warmup=0\.1: set scheduler\.warmup=0\.1$",
    ("model.optimizer=sgd",): r"^model\.optimizer=sgd: set optimizer=sgd$",
    ("model.task=binary",): r"^model\.task=binary: set data\.task=binary$",
    ("model.loss=cross",): r"^model\.loss=cross: set model\.loss\._target_=",
    ("model.outputs=5",): r"^model\.outputs=5: data\.task=multiclass has 10 with these data: leave it out$",
    ("trainer.callbacks=[]",): r"^trainer\.callbacks=\[\]: .* would be recorded and not used: callback\.NAME=",
    ("trainer.logger=false",): r"^trainer\.logger=False: .* would be recorded and not used: set logger=",
    ("data=wordnet", "model.net.vocabulary=10"): r"^model\.net\.vocabulary=10: .* 20000: .* set data\.vocabulary=10$",
    ("+callback=early_stopping", "callback.early_stopping.monitor=val/f2"): (
        r"^callback\.early_stopping\.monitor=val/f2: .* set callback\.early_stopping\.monitor="
    ),
    ("model.net.outputs=5",): r"expected \[2, 10\]",
}


@pytest.mark.parametrize("words", BESIDE)
def test_what_stands_beside_is_refused_with_the_right_key(words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=BESIDE[words]):
        check(composed(tmp_path, *words))


def test_a_rate_that_an_experiment_sets_in_the_model_and_one_typed_are_not_both_taken(tmp_path: Path) -> None:
    config = composed(tmp_path, "optimizer.lr=0.5")
    config.model.optimizer = OmegaConf.create({"_target_": "torch.optim.Adam", "_partial_": True, "lr": 0.02})
    with pytest.raises(ValueError, match=r"^optimizer\.lr=0\.5: model\.optimizer is set beside it, and is what trains"):
        check(config, typed=["optimizer.lr=0.5"])


def test_one_metric_is_a_list_of_one(tmp_path: Path) -> None:
    check(composed(tmp_path, "model.metrics=f1", "monitor=val/f1"))
