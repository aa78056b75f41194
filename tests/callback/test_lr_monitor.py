"""The learning rate is logged once per step, also where gradients are accumulated."""

import csv

from tests.conftest import SHORT, Command


def test_a_step_of_several_batches_is_one_point(train: Command) -> None:
    accumulate = ("trainer.accumulate_grad_batches=4", "trainer.log_every_n_steps=1")
    ended = train(*SHORT, "+callback=lr_monitor", *accumulate)
    assert ended.code == 0, ended.err
    with (ended.run / "metrics.csv").open(newline="") as file:
        steps = [row["step"] for row in csv.DictReader(file) if row.get("lr-Adam")]
    assert len(steps) == len(set(steps)) > 5
