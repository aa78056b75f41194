"""Peak memory of a run over the peak after imports, in a process of its own.

The model's own memory is what a bare training step of the same net adds: parameters, gradients, Adam, activations.

python -m tests.benchmarks.memory fashion_dnn DATA_DIR     one run in the current folder; prints bytes as JSON
python -m tests.benchmarks.memory fashion_dnn              bare steps of its net
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from itertools import repeat
from pathlib import Path

from tests.benchmarks.row import Row

ROOT = Path(__file__).parents[2]
TRAINING_SET_MB = 60_000 * 28 * 28 / 1e6
IMPORTS = (
    "matplotlib.backends.backend_agg",
    "torch.utils.tensorboard",
    "lightning.pytorch.loggers",
    "src.fit.checkpoint",
    "src.callback.figures",
    "src.callback.hparams",
    "src.callback.predictions",
    "src.fit.progress",
    "src.fit.recorder",
    "src.data.read.mnist",
    "src.data.module",
    "src.model.supervised",
    "src.task.multiclass",
    "src.run.checkpoint_io",
)


def peak(model: str, data_dir: Path, *, times: float, rounds: int) -> Row:
    """What `src.train data=fashionmnist` adds to its peak, against the raw training set `times` and the model's own."""
    own = _added_mb(model)
    added = [_added_mb(model, str(data_dir)) for _ in range(rounds)]
    sides = f"{times:g} x {TRAINING_SET_MB:.0f} MB + {own:.0f} MB that bare steps add"
    return Row(
        f"{model}: peak memory over imports",
        added,
        times * TRAINING_SET_MB + own,
        at_most=True,
        unit=" MB",
        sides=sides,
    )


def _added_mb(*arguments: str) -> float:
    """What the probe adds to its process's peak, in megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        answer = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.memory", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    sizes = json.loads(answer.splitlines()[-1])
    return (sizes["after"] - sizes["before"]) / 1e6


def peak_bytes() -> int:
    """The largest resident size of this process so far.

    Linux's VmHWM where there is one: `ru_maxrss` outlives exec, so that a child starts with its parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes


def probe(model: str, data_dir: str | None = None) -> None:
    """Import what a run needs, note the peak, run (or do bare steps, without `data_dir`), and print both peaks."""
    import torch
    import torch.utils.tensorboard

    from tests.benchmarks.loops import Loop
    from tests.benchmarks.task import CLASSES, tasks

    torch.set_num_threads(2)
    before = peak_bytes()
    if data_dir:
        run(model, data_dir)
    else:
        task = tasks(Path())[model]
        net, batch = task.net(), (torch.rand(task.batch_size, 1, 28, 28), torch.randint(CLASSES, (task.batch_size,)))
        Loop(net, torch.nn.functional.cross_entropy, torch.optim.Adam(net.parameters()), lambda: repeat(batch, 30))()
    print(json.dumps({"before": before, "after": peak_bytes()}))


def run(model: str, data_dir: str) -> None:
    """Train for a hundred batches, validate and test, as from the command line."""
    from src.train import main

    overrides = [f"model={model}", "data=fashionmnist", "trainer=cpu", "trainer.max_epochs=1", f"data_dir={data_dir}"]
    sys.argv = ["src/train.py", *overrides, "trainer.limit_train_batches=100"]
    main()


if __name__ == "__main__":
    probe(*sys.argv[1:])
