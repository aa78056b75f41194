"""Checkpoints: whole on disk, known by their sha256, and plain data whoever wrote them."""

import hashlib
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn

from src.run.checkpoint_io import CheckpointIO, load, load_weights
from src.run.resume import newest_checkpoint


class Touch:
    """Unpickled without care it makes a file."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "last.ckpt"
    CheckpointIO().save_checkpoint({"state_dict": nn.Linear(20, 10).state_dict(), "epoch": 0}, path)
    return path


def test_what_is_saved_comes_back_bit_for_bit(saved: Path) -> None:
    net = nn.Linear(20, 10)
    load_weights(net, saved)
    assert all(torch.equal(net.state_dict()[key], value) for key, value in load(saved)["state_dict"].items())


def test_the_sha256_beside_a_checkpoint_is_the_one_that_coreutils_would_check(saved: Path) -> None:
    digest, name = saved.with_name("last.ckpt.sha256").read_text().split()
    assert digest == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert name == "last.ckpt"


def test_a_new_last_keeps_the_one_before_it_with_its_sha256(saved: Path) -> None:
    CheckpointIO().save_checkpoint({"state_dict": {}, "epoch": 1}, saved)
    assert load(saved)["epoch"] == 1
    assert load(saved.with_name("previous.ckpt"))["epoch"] == 0
    names = {f"{stem}.ckpt{end}" for stem in ("last", "previous") for end in ("", ".sha256")}
    assert {path.name for path in saved.parent.iterdir()} == names


class Stop(BaseException):
    """As sudden as a kill."""


@pytest.fixture(scope="module")
def disk() -> dict[str, Any]:
    """Set `left` to n: the n-th change below `folder` is not made, but raises Stop."""
    state: dict[str, Any] = {"left": 0, "folder": ""}

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in ("os.rename", "os.remove") or (event == "open" and "w" in str(arguments[1]))
        if state["left"] and changes and state["folder"] in str(arguments[0]):
            state["left"] -= 1
            if not state["left"]:
                raise Stop

    sys.addaudithook(watch)  # for good: a hook cannot be removed
    return state


def stopped(disk: dict[str, Any], path: Path, epoch: int, change: int) -> bool:
    """Save a checkpoint, stopped before its n-th change on the disk; whether it has so many."""
    disk.update(left=change, folder=str(path.parent))
    try:
        CheckpointIO().save_checkpoint({"state_dict": {}, "epoch": epoch}, path)
    except Stop:
        return True
    finally:
        disk["left"] = 0
    return False


def sound(path: Path) -> list[int]:
    """The epochs of those that resuming looks at, and takes."""
    found = []
    for name in ("last.ckpt", "previous.ckpt"):
        with suppress(ValueError):
            found.append(load(path.with_name(name))["epoch"])
    return found


def test_wherever_it_is_stopped_twice_a_sound_checkpoint_is_there_and_the_next_can_be_saved(
    disk: dict[str, Any], tmp_path: Path
) -> None:
    for first, second in product(range(1, 20), (2, 5)):
        path = tmp_path / f"{first}-{second}" / "last.ckpt"
        for epoch in (0, 1):
            CheckpointIO().save_checkpoint({"state_dict": {}, "epoch": epoch}, path)
        if not stopped(disk, path, 2, first):
            assert first > 5
            break
        assert max(sound(path)) >= 1
        stopped(disk, path, 3, second)
        assert max(sound(path)) >= 1
        CheckpointIO().save_checkpoint({"state_dict": {}, "epoch": 4}, path)
        assert load(path)["epoch"] == 4
        assert len(sound(path)) == 2


def test_every_single_flipped_bit_is_noticed(saved: Path) -> None:
    content = saved.read_bytes()
    for position in range(0, len(content), 97):
        saved.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(ValueError, match="is damaged: its sha256"):
            load(saved)


@pytest.mark.parametrize("eighths", range(8))
@pytest.mark.parametrize("has_digest", [True, False])
def test_a_truncated_checkpoint_is_refused_with_and_without_its_sha256(
    eighths: int, has_digest: bool, saved: Path
) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: len(content) * eighths // 8])
    if not has_digest:
        saved.with_name("last.ckpt.sha256").unlink()
    with pytest.raises(ValueError, match=r"last\.ckpt (is damaged|does not load)"):
        load(saved)


@pytest.mark.parametrize("how", ["torch.save", "pickle"])
def test_a_pickle_with_code_is_refused_and_does_not_run(how: str, tmp_path: Path) -> None:
    path, mark = tmp_path / "evil.ckpt", tmp_path / "mark"
    evil = {"state_dict": {"weight": Touch(mark)}}
    torch.save(evil, path) if how == "torch.save" else path.write_bytes(pickle.dumps(evil))
    for read in (load, CheckpointIO().load_checkpoint, lambda p: CheckpointIO().load_checkpoint(p, weights_only=False)):
        with pytest.raises(ValueError, match="does not load as plain data"):
            read(path)
    assert not mark.exists()


def test_a_file_of_something_else_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "list.ckpt")
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match="holds no state_dict"):
            load(path)


def test_a_missing_checkpoint_names_those_that_are_there(saved: Path) -> None:
    with pytest.raises(ValueError, match=r"best\.ckpt does not exist: .*last\.ckpt"):
        load(saved.with_name("best.ckpt"))


def test_a_checkpoint_of_another_net_is_named_and_leaves_one_line(saved: Path) -> None:
    with pytest.raises(ValueError, match="is of another net") as caught:
        load_weights(nn.Linear(20, 9), saved)
    assert "\n" not in str(caught.value)


def test_a_crash_while_writing_leaves_the_old_checkpoint_whole(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    best = saved.with_name("best.ckpt")
    saved.rename(best)
    saved.with_name("last.ckpt.sha256").unlink()
    before = best.read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        CheckpointIO().save_checkpoint({"state_dict": {}}, best)
    assert best.read_bytes() == before


def test_a_removed_checkpoint_takes_its_sha256_along(saved: Path) -> None:
    CheckpointIO().remove_checkpoint(saved)
    assert list(saved.parent.iterdir()) == []


class PowerCut(BaseException):
    """Nothing more happens."""


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_power_cut_between_any_two_file_operations_leaves_the_new_or_the_last_one(
    at: int, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def cut(original: Callable[..., None]) -> Callable[..., None]:
        def counted(*arguments: Any, **options: Any) -> None:
            nonlocal calls
            calls += 1
            if calls >= at:
                raise PowerCut
            original(*arguments, **options)

        return counted

    def step() -> int:
        return newest_checkpoint(tmp_path)[1] if name == "last.ckpt" else load(path)["global_step"]

    path = tmp_path / "checkpoints" / name
    for number in (1, 2):
        CheckpointIO().save_checkpoint({"state_dict": {}, "global_step": number, "rows": 0}, path)
    with monkeypatch.context() as patched, suppress(PowerCut):
        for operation in ("replace", "unlink", "fsync"):
            patched.setattr(os, operation, cut(getattr(os, operation)))
        CheckpointIO().save_checkpoint({"state_dict": {}, "global_step": 3, "rows": 0}, path)
    assert calls >= at
    assert step() in (2, 3)

    CheckpointIO().save_checkpoint({"state_dict": {}, "global_step": 4, "rows": 0}, path)  # what is left does no harm
    assert step() == 4
    assert not list(path.parent.glob("*.part"))
    if name == "last.ckpt":
        assert load(path.with_name("previous.ckpt"))["global_step"] in (2, 3)


class Adapted(lightning.LightningModule):
    """Keeps a threshold in the checkpoint by Lightning's hooks, and of its weights only those that it trains."""

    strict_loading = False

    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.head, self.threshold = nn.Linear(2, 2), nn.Linear(2, 1), 0.5

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.threshold = checkpoint["threshold"]


class Words(lightning.LightningDataModule):
    """Knows after its `setup` for training alone which words there are, as a data module with a vocabulary does."""

    words: tuple[str, ...] = ()

    def state_dict(self) -> dict[str, Any]:
        return {"words": list(self.words)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.words = tuple(state["words"])


def adapted(path: Path, **more: Any) -> Path:
    head = {name: value + 1 for name, value in Adapted().state_dict().items() if name.startswith("head")}
    checkpoint = {"state_dict": head, "pytorch-lightning_version": lightning.__version__, "threshold": 0.9} | more
    CheckpointIO().save_checkpoint(checkpoint | {"Words": {"words": ["a", "b"]}}, path)
    return path


def test_what_lightnings_hooks_kept_in_a_checkpoint_comes_back_with_the_weights(tmp_path: Path) -> None:
    module, data = Adapted(), Words()
    checkpoint = load_weights(module, adapted(tmp_path / "best.ckpt"), data=data)
    assert module.threshold == 0.9
    assert data.words == ("a", "b")
    assert torch.equal(module.head.weight, checkpoint["state_dict"]["head.weight"])


def test_a_checkpoint_that_a_hook_cannot_take_is_one_line(tmp_path: Path) -> None:
    saved = adapted(tmp_path / "best.ckpt")
    checkpoint = torch.load(saved, weights_only=True)
    del checkpoint["threshold"]
    CheckpointIO().save_checkpoint(checkpoint, saved)
    with pytest.raises(ValueError, match=r"best\.ckpt: Adapted\.on_load_checkpoint cannot take .*'threshold'"):
        load_weights(Adapted(), saved)


def test_a_file_of_weights_alone_needs_no_hook(tmp_path: Path) -> None:
    torch.save(Adapted().state_dict(), tmp_path / "w.pt")
    module = Adapted()
    load_weights(module, tmp_path / "w.pt", data=Words())
    assert module.threshold == 0.5
