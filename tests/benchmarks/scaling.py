"""What a sample costs against the size of the dataset and of a batch, as a row each and as a plot.

Shapes: P points.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from src.plot.style import BLUE, GREY
from tests.benchmarks.dataset import write
from tests.benchmarks.loops import bare
from tests.benchmarks.row import Row
from tests.benchmarks.task import TRAIN_BATCHES, Task
from tests.benchmarks.turns import Turns, normal_run

TIMES = (1, 2, 4, 8)
BATCH_SIZES = (32, 100, 256, 1024)


def over_size(task: Task, scratch: Path, *, asked: float, rounds: int, picture: Path) -> Row:
    """The cost of a sample at 8 times Fashion-MNIST over that at once, whole epochs; all sizes in each round."""
    tasks = []
    for times in TIMES:
        write(scratch / f"x{times}", times)
        tasks.append(Task(task.name, scratch / f"x{times}", steps=min(task.steps, TRAIN_BATCHES) * times))
    costs_P = [[_cost_us(each) for each in tasks] for _ in range(rounds)]
    medians = [median(column) for column in zip(*costs_P, strict=True)]
    _plot(TIMES, {"normal run": medians}, "size of the dataset, times 60,000").savefig(picture)
    sides = ", ".join(f"{times}x {cost:.1f}" for times, cost in zip(TIMES, medians, strict=True))
    ratios = [costs[-1] / costs[0] for costs in costs_P]
    return Row(f"{task.name}: a sample's cost at 8x the data / at 1x", ratios, asked, at_most=True, sides=f"{sides} µs")


def over_batch_size(task: Task, *, rounds: int, picture: Path) -> Row:
    """The speed of a normal run over that of the bare loop at the largest batch size; all sizes in `sides`."""
    costs: dict[str, list[float]] = {"normal run": [], "bare loop": []}
    for size in BATCH_SIZES:
        each = task.but(batch_size=size, steps=max(1, task.samples // size))
        turns = Turns(bare(each))
        normal_run(each.run, turns, epochs=rounds + 1)
        for side, seconds in zip(costs, (turns.run_seconds, turns.other_seconds), strict=True):
            costs[side].append(1e6 * median(seconds[1:]) / each.samples)
    _plot(BATCH_SIZES, costs, "batch size").savefig(picture)
    ratios = [theirs / ours for ours, theirs in zip(*costs.values(), strict=True)]
    sides = ", ".join(f"{size}: {ratio:.2f}" for size, ratio in zip(BATCH_SIZES, ratios, strict=True))
    return Row(f"{task.name}: normal run / bare loop, by batch size", ratios, None, sides=sides)


def _cost_us(task: Task) -> float:
    turns = Turns(lambda: None)
    normal_run(task.run, turns, epochs=2)
    return 1e6 * turns.run_seconds[1] / task.samples  # the first epoch warms up


def _plot(value_P: Sequence[int], costs: dict[str, list[float]], label: str) -> Figure:
    figure = Figure(figsize=(5, 3.2), dpi=100, layout="constrained")
    panel = figure.subplots()
    for (side, cost_P), color in zip(costs.items(), (BLUE, GREY), strict=False):
        panel.plot(value_P, cost_P, "o-", color=color, label=side)
    panel.set_xscale("log", base=2)
    panel.set_xticks(value_P, [str(value) for value in value_P])
    panel.set_ylim(0, 1.1 * max(max(cost_P) for cost_P in costs.values()))
    panel.set_xlabel(label)
    panel.set_ylabel("µs per sample")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=9, loc="lower left")
    return figure
