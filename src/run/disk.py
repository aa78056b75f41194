"""Whether the checkpoints of a run fit on its disk."""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

KEPT = 3  # best, last and the one before it
LARGE = 1e9  # bytes of a checkpoint


def check_disk(folder: Path, module: "nn.Module") -> None:
    """Show how large the checkpoints will be; raise ValueError where they do not fit on the disk."""
    weights = [*module.parameters(), *module.buffers()]
    size = sum(w.nbytes * (3 if w.requires_grad else 1) for w in weights)  # 3: with Adam's two moments
    kept = KEPT * size - sum(path.stat().st_size for path in folder.glob("*.ckpt"))
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    log.info("checkpoints of up to %s each, %d are kept; %s are free", _shown(size), KEPT, _shown(free))
    if size > LARGE:
        _name_largest(module)
    if free < kept + size:  # a new one lies beside those that it will replace
        raise ValueError(
            f"callback.checkpoint.folder={folder}: checkpoints need up to {_shown(kept + size)} more, {_shown(free)} "
            "are free: make room, or put the run elsewhere with hydra.run.dir="
        )


def _name_largest(module: "nn.Module") -> None:
    """Say where one layer has most of the weights, as one has that takes a large image's pixels one by one."""
    counts = {name: weight.numel() for name, weight in module.named_parameters()}
    name = max(counts, key=counts.__getitem__)
    if 2 * counts[name] > sum(counts.values()):
        log.warning(
            "%s has %s of %s parameters: smaller images, data.image_size=64, or a net that pools, model=resnet18, "
            "need less",
            *(name, f"{counts[name]:,}", f"{sum(counts.values()):,}"),
        )


def _shown(size: float) -> str:
    unit, name = next(
        (unit, name) for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if size >= unit or name == "kB"
    )
    return f"{size / unit:.1f} {name}"
