"""Checkpoints on disk: written atomically, each with its sha256; loaded as plain data only."""

import hashlib
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from src.run.archive import check_archive, check_content
from src.run.plain_data import plain_checkpoint
from src.run.write import forget_killed, sync, whole

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class CheckpointIO(TorchCheckpointIO):
    """Lightning's reader and writer of checkpoints, with a checksum and an atomic write.

    A new `last.ckpt` keeps the one before it as `previous.ckpt`.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Write the checkpoint and its sha256; raises OSError where that fails, with the old ones as they were.

        The old file or the new one is there after a crash, never half of one, nor one with the other's sha256.
        """
        target = Path(path)
        buffer = io.BytesIO()
        torch.save(plain_checkpoint(checkpoint), buffer)
        content = buffer.getbuffer()
        digest = f"{hashlib.sha256(content).hexdigest()}  {target.name}\n".encode()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file, its_digest = _pair(target)
            forget_killed(file)  # it can be gigabytes each time
            with whole(its_digest) as digest_part, whole(file) as part:  # the checkpoint takes its name first
                for path, said in ((part, content), (digest_part, digest)):
                    path.write_bytes(said)
                    sync(path)  # on the disk before an old one makes room
                _make_room(target)
        except OSError as error:
            reason = f"checkpoint {target} cannot be written: {error.strerror or error}"
            raise OSError(
                error.errno, f"{reason}: those written before are as they were, run= goes on from them"
            ) from error

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Return what `load` returns; `weights_only` cannot be switched off."""
        return load(Path(path), map_location=map_location or "cpu")

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Delete a checkpoint and its sha256."""
        for file in _pair(Path(path)):
            file.unlink(missing_ok=True)


def link(source: Path, target: Path) -> None:
    """Let `target` be the checkpoint that `source` is now, without a copy where the disk can do without."""
    file, its_digest = _pair(target)
    digest = _pair(source)[1].read_text().split()[0]
    with whole(its_digest) as digest_part, whole(file) as part:
        digest_part.write_text(f"{digest}  {target.name}\n")
        part.unlink()
        try:
            os.link(source, part)
        except OSError:  # a disk without hard links
            shutil.copyfile(source, part)
        its_digest.unlink(missing_ok=True)


def load(path: Path, *, map_location: Any = "cpu") -> dict[str, Any]:
    """Return a checkpoint's plain containers and tensors; nothing in it can run code, or unpack to more than the file.

    Raises ValueError where the file is missing, is not what was written (sha256), or is no checkpoint.
    """
    if not path.is_file():
        there = ", ".join(sorted(found.name for found in path.parent.glob("*.ckpt"))) or "none"
        raise ValueError(f"checkpoint {path} does not exist: checkpoints there: {there}")
    _, digest = _pair(path)
    if digest.exists() and digest.read_bytes().split()[:1] != [sha256(path).encode()]:
        raise ValueError(
            f"checkpoint {path} is damaged: its sha256 is not the one in {digest.name}: use another checkpoint"
        )
    try:
        check_archive(path)
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
        check_content(checkpoint, size=path.stat().st_size)
    except Exception as error:  # a zip error, a pickle error, an EOF: torch does not settle on one
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(f"checkpoint {path} does not load as plain data: {reason}") from error
    if isinstance(checkpoint, dict) and checkpoint and all(isinstance(v, torch.Tensor) for v in checkpoint.values()):
        return {"state_dict": checkpoint}  # a file of weights alone, as torch's own tutorials save
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise ValueError(f"checkpoint {path} holds no state_dict: give one that src.train wrote")
    return checkpoint


def load_weights(module: torch.nn.Module, path: Path, *, data: object = None) -> dict[str, Any]:
    """Load a checkpoint's weights into `module`, its own state into a LightningDataModule, and return the checkpoint.

    As Lightning does, with the module's `on_load_checkpoint` first. Raises ValueError where they are of another net,
    or where a module's or a data module's own code cannot take what the checkpoint holds.
    """
    checkpoint = load(path)
    strict = True
    if isinstance(module, lightning.LightningModule):
        strict = module.strict_loading
        if "pytorch-lightning_version" in checkpoint:  # which a file of weights alone lacks
            _taken(module.on_load_checkpoint, checkpoint, path)
    try:
        module.load_state_dict(checkpoint["state_dict"], strict=strict)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"checkpoint {path} is of another net: {reason}") from error
    name = type(data).__qualname__
    if isinstance(data, lightning.LightningDataModule) and name in checkpoint:
        _taken(data.load_state_dict, checkpoint[name], path)
    return checkpoint


def _taken(take: Callable[[dict[str, Any]], object], state: dict[str, Any], path: Path) -> None:
    try:
        take(state)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"checkpoint {path}: {take.__qualname__} cannot take what it holds: {reason}") from error


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pair(path: Path) -> tuple[Path, Path]:
    """A checkpoint and the file that holds its sha256, as `sha256sum --check` reads it."""
    return path, path.with_name(f"{path.name}.sha256")


def _make_room(target: Path) -> None:
    """Keep an old `last.ckpt` as the one before it, and take away the old sha256.

    A crash right after leaves a checkpoint, the old or the new one, without a sha256 that is the other's.
    """
    old, digest = _pair(target)
    if target.name == LAST and old.exists():
        previous, its_digest = _pair(target.with_name(PREVIOUS))
        its_digest.unlink(missing_ok=True)
        old.replace(previous)
        if digest.exists():
            digest.replace(its_digest)
    digest.unlink(missing_ok=True)
