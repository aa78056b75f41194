"""A disk that is full or read-only ends a run in one line, with its checkpoints good; with room again it goes on.

A small tmpfs in a mount namespace of its own is the disk; where that is not allowed these tests are skipped.
"""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from src.net.fashion_cnn import FashionCNN
from src.run.checkpoint_io import load
from src.run.disk import check_disk
from tests.conftest import ROOT
from tests.test_resume import assert_same

RUN = "model=fashion_dnn trainer.max_epochs=4 trainer.log_every_n_steps=7 callback.checkpoint.every_n_steps=5"
TRAIN = f"{sys.executable} -m src.train"
AMID = 'while ! grep -q "^6[0-9]," run/metrics.csv 2>/dev/null; do sleep 0.02; done'  # of 164 steps


def mounted(folder: Path, script: str, *, options: str = "size=16m") -> subprocess.CompletedProcess[str]:
    """Run a script with `folder`/disk, where it starts, on a disk of its own; skip where mounting is not allowed."""
    (folder / "disk").mkdir()
    mount = f"mount -t tmpfs -o {options} tmpfs disk || exit 99\ncd disk\n"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = ["unshare", "--mount", "bash", "-c", mount + script]
    if not shutil.which("unshare"):
        pytest.skip("no unshare here")
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    if ended.returncode in (1, 99) and (
        "Operation not permitted" in ended.stderr or "must be superuser" in ended.stderr
    ):
        pytest.skip(f"mounting is not allowed here: {ended.stderr.strip()}")
    return ended


def test_large_checkpoints_name_the_layer_that_makes_them_so(tmp_path, caplog):
    with torch.device("meta"):
        small, large = FashionCNN((3, 64, 64), 2), FashionCNN((3, 224, 224), 2)
    check_disk(tmp_path, small)
    assert not caplog.records
    with suppress(ValueError):  # where they do not fit here
        check_disk(tmp_path, large)
    share = f"{64 * 55 * 55 * 600:,} of 116,252,546"  # 55 = (224 / 2 - 2) / 2
    assert caplog.messages[0].startswith(f"head.1.weight has {share} parameters: smaller images, data.image_size=64")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "mend", "message"),
    [
        ("dd if=/dev/zero of=fill bs=1k 2>/dev/null", "rm fill", "No space left on device"),
        (
            "mount --bind run/checkpoints run/checkpoints; mount -o remount,bind,ro run/checkpoints",
            "umount run/checkpoints",
            "Read-only file system",
        ),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_fails_amid_a_run_leaves_good_checkpoints_to_go_on_from(spoil, mend, message, train, tmp_path):
    whole = train(*RUN.split(), "hydra.run.dir=whole").run
    ended = mounted(
        tmp_path,
        f"""
        {TRAIN} {RUN} hydra.run.dir=run >../out 2>../err &
        {AMID}
        {spoil}
        wait $!; echo $? >../code
        mkdir ../failed; cp -r run/checkpoints run/run.json ../failed
        {mend}
        {TRAIN} run=run 2>../again; cp -r run ../run
        """,
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "code").read_text() == "1\n"
    *_, line = (tmp_path / "err").read_text().splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert "run= goes on from" in line
    assert "Traceback" not in (tmp_path / "err").read_text()
    assert load(tmp_path / "failed" / "checkpoints" / "last.ckpt")["global_step"] >= 41
    assert not list((tmp_path / "failed").rglob("*.part"))
    assert "goes on from step" in (tmp_path / "again").read_text()
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow
def test_a_disk_too_small_for_the_checkpoints_is_refused_before_the_first_step(tmp_path: Path) -> None:
    ended = mounted(tmp_path, f"{TRAIN} {RUN} hydra.run.dir=run; cp run/metrics.csv ..", options="size=2m")
    assert "checkpoints of up to 1.2 MB each, 3 are kept" in ended.stderr
    assert "callback.checkpoint.folder=run/checkpoints: checkpoints need up to 4.8 MB more" in ended.stderr
    assert not (tmp_path / "metrics.csv").exists()


@pytest.mark.slow
def test_a_folder_that_is_read_only_is_one_line(tmp_path: Path) -> None:
    ended = mounted(tmp_path, f"{TRAIN} {RUN} hydra.run.dir=run", options="ro")
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert "Read-only file system" in line
