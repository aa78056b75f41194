"""Peak memory of a run over the peak after imports, in a process of its own.

python -m tests.benchmarks.memory fashion_dnn DATA_DIR     one run in the current folder; prints bytes as JSON
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.benchmarks.row import Row

ROOT = Path(__file__).parents[2]
TRAINING_SET_MB = 60_000 * 28 * 28 / 1e6
IMPORTS = (
    "torch.utils.tensorboard",
    "lightning.pytorch.loggers",
    "src.callback.checkpoint",
    "src.callback.progress",
    "src.callback.recorder",
    "src.data.mnist",
    "src.data.module",
    "src.model.multiclass",
    "src.run.checkpoint",
)
STATES = 4  # of a parameter under Adam: its value, its gradient, two running means


def peak(model: str, data_dir: Path, *, times: float, rounds: int) -> Row:
    """What `src.train data=fashionmnist` adds to its peak, against the raw training set `times` and the model's own."""
    added, own = [], 0.0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            answer = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.memory", model, str(data_dir)],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        sizes = json.loads(answer.splitlines()[-1])
        own = STATES * sizes["parameters"] * 4 / 1e6
        added.append((sizes["after"] - sizes["before"]) / 1e6)
    sides = f"{times:g} x {TRAINING_SET_MB:.0f} MB + {own:.1f} MB of parameters, gradients, Adam"
    return Row(
        f"{model}: peak memory over imports",
        added,
        times * TRAINING_SET_MB + own,
        at_most=True,
        unit=" MB",
        sides=sides,
    )


def peak_bytes() -> int:
    """The largest resident size of this process so far.

    Linux's VmHWM where there is one: `ru_maxrss` outlives exec, so that a child starts with its parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes


def probe(model: str, data_dir: str) -> None:
    """Import what a run needs, note the peak, run, and print both peaks with the number of parameters."""
    for name in IMPORTS:
        import_module(name)
    import torch

    from src.run.folder import find
    from src.run.record import read
    from src.train import main

    torch.set_num_threads(2)
    before = peak_bytes()
    overrides = [f"model={model}", "data=fashionmnist", "trainer=cpu", "trainer.max_epochs=1", f"data_dir={data_dir}"]
    sys.argv = ["src/train.py", *overrides, "trainer.limit_train_batches=100"]
    main()
    parameters = read(find("last"))["parameters"]["total"]
    print(json.dumps({"before": before, "after": peak_bytes(), "parameters": parameters}))


if __name__ == "__main__":
    probe(*sys.argv[1:])
