"""Memory that the data takes in the second of two processes that hold the same, over the size of the data.

python -m tests.benchmarks.shared OVERRIDE...     holds the data until its input ends; prints bytes as JSON
"""

import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks.row import Row

ROOT = Path(__file__).parents[2]


def second_process(data_dir: Path, *, asked: float, rounds: int) -> Row:
    """Percent of its data that a second process holds for itself, beside what it holds without the cache."""
    images = "cifar10_folder" if (data_dir / "cifar10").is_dir() else "fashionmnist"  # files; or resized as a whole
    overrides = [f"data={images}", "data.image_size=32", f"data_dir={data_dir}"]
    with tempfile.TemporaryDirectory() as folder:
        shares = [_share(overrides, folder) for _ in range(rounds)]
        alone = _share([*overrides, "data.cache=false"], folder)
    return Row(
        f"{images}: memory that a second process takes for its data",
        shares,
        asked,
        at_most=True,
        unit=" %",
        sides=f"{alone:.0f} % with data.cache=false",
    )


def _share(overrides: list[str], cache: str) -> float:
    """Start two processes; return what the second one takes, in percent of the data."""
    command = [sys.executable, "-m", "tests.benchmarks.shared", *overrides]
    with ExitStack() as both:
        for _ in range(2):
            process = both.enter_context(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=os.environ | {"CACHE_DIR": cache},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            assert process.stdout is not None
            sizes = json.loads(process.stdout.readline())
    return 100 * sizes["own"] / sizes["data"]


def private_bytes() -> int:
    """What this process has in memory and no other one: Private_Clean and Private_Dirty."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def hold(overrides: list[str]) -> None:
    """Set up the data, let every sample be seen once, print what that took, and wait."""
    from hydra import compose, initialize_config_dir

    from src.config.build import build
    from src.config.plain import plain
    from src.config.schema import CONF, register

    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = plain(compose("train", [*overrides, "run=."]))
    data = build(config["data"])
    seen(build(config["data"] | {"val_fraction": 0.999}), "fit")  # libraries and buffers, but hardly any data
    before = private_bytes()
    size = sum(seen(data, stage) for stage in ("fit", "test"))
    print(json.dumps({"own": private_bytes() - before, "data": size}), flush=True)
    sys.stdin.read()


def seen(data: Any, stage: str) -> int:
    """Look at every sample that a stage serves; return the bytes of what is stored of them."""
    data.setup(stage)
    splits = ("train", "val") if stage == "fit" else ("test",)
    for split in splits:
        for _ in data.in_order(split):
            pass
    return sum(data.samples(split, [0]).nbytes * len(data.indices[split]) for split in splits)


if __name__ == "__main__":
    hold(sys.argv[1:])
