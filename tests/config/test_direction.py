"""Whether a score gets better up or down follows from its metric, in every place, and is asked where nobody knows."""

from pathlib import Path

import pytest

from src.command.check import check
from src.config.direction import direction
from src.config.hash import config_hash
from src.config.plain import plain
from src.task import binary, multiclass, regression
from src.task.metric import snake_case
from tests.config.test_groups import composed

NAMED = {snake_case(name): cls for task in (binary, multiclass, regression) for name, cls in task.METRICS.items()}

MANY = ("fairness", "group_stat_rates")  # numbers, and no score
SURE = [name for name, cls in NAMED.items() if cls.higher_is_better is not None and name not in MANY]


@pytest.mark.parametrize("name", SURE)
def test_the_direction_of_a_named_metric_is_that_of_its_class(name: str) -> None:
    assert direction(f"val/{name}") == ("max" if NAMED[name].higher_is_better else "min")


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("val_loss", "min"),
        ("Held-out error (%)", "min"),
        ("valPPL", "min"),
        ("val_acc_top1", "max"),
        ("valMeanIoU", "max"),
        ("map50", "max"),
        ("neg_mean_squared_error", None),
        ("val/elbo", None),
        ("epoch", None),
    ],
)
def test_names_that_others_give_are_known_or_asked_for(monitor: str, mode: str | None) -> None:
    assert direction(monitor) == mode


def test_a_metric_of_ones_own_says_it_by_its_class() -> None:
    node = [{"_target_": "torchmetrics.classification.MulticlassHammingDistance"}]
    assert direction("val/multiclass_hamming_distance", node) == "min"
    assert direction("val/kl", [{"_target_": "torchmetrics.Metric"}]) is None


@pytest.mark.parametrize(("monitor", "mode"), [("val/loss", "min"), ("val/accuracy", "max")])
def test_everything_that_watches_is_told_and_the_hash_is_that_of_the_same_mode_typed(
    monitor: str, mode: str, tmp_path: Path
) -> None:
    words = (f"monitor={monitor}", "+callback=early_stopping")
    config = plain(composed(tmp_path, *words))
    watching = [node for node in [config, *config["callback"].values()] if "monitor" in node]
    assert [node["mode"] for node in watching] == [mode] * 4  # itself, checkpoint, figures, early_stopping
    assert config_hash(config) == config_hash(plain(composed(tmp_path, *words, f"mode={mode}")))


def test_a_callback_with_a_monitor_of_its_own_has_a_mode_of_its_own(tmp_path: Path) -> None:
    words = ("+callback=early_stopping", "callback.early_stopping.monitor=val/accuracy")
    config = plain(composed(tmp_path, *words))
    assert (config["mode"], config["callback"]["early_stopping"]["mode"]) == ("min", "max")
    with pytest.raises(ValueError, match=r"callback\.early_stopping\.mode=min: val/accuracy is better the higher"):
        check(composed(tmp_path, *words, "callback.early_stopping.mode=min"))


def test_lightnings_own_callbacks_that_are_told_no_mode_are_told_the_right_one(tmp_path: Path) -> None:
    stopping = "{_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: val/accuracy}"
    config = plain(composed(tmp_path, f"+callback.theirs={stopping}"))
    assert config["callback"]["theirs"]["mode"] == "max"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["monitor=val/accuracy", "mode=min"], "mode=min: val/accuracy is better the higher it is: set mode=max"),
        (["mode=max"], "mode=max: val/loss is better the lower it is: set mode=min, or leave it out"),
        (["mode=maximum", "~callback.checkpoint"], "mode=maximum: choose min or max"),
    ],
)
def test_a_mode_that_is_not_the_scores_is_refused(words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        check(composed(tmp_path, *words))


def test_a_score_that_nobody_knows_needs_a_mode(tmp_path: Path) -> None:
    words = ("model.metrics=[{_target_: torchmetrics.SumMetric}]", "monitor=val/sum_metric")
    with pytest.raises(ValueError, match="monitor=val/sum_metric: say mode=min or mode=max"):
        check(composed(tmp_path, *words))
    check(composed(tmp_path, *words, "mode=max"))
