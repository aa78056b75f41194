"""Whether the checkpoints of a run fit on its disk."""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

KEPT = 3  # best, last and the one before it


def check_disk(folder: Path, module: "nn.Module") -> None:
    """Show how large the checkpoints will be; raise ValueError where they do not fit on the disk."""
    weights = [*module.parameters(), *module.buffers()]
    size = sum(w.nbytes * (3 if w.requires_grad else 1) for w in weights)  # 3: with Adam's two moments
    kept = KEPT * size - sum(path.stat().st_size for path in folder.glob("*.ckpt"))
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    log.info("checkpoints of up to %s each, %d are kept; %s are free", _shown(size), KEPT, _shown(free))
    if free < kept + size:  # a new one lies beside those that it will replace
        raise ValueError(
            f"callback.checkpoint.folder={folder}: checkpoints need up to {_shown(kept + size)} more, {_shown(free)} "
            "are free: make room, or put the run elsewhere with hydra.run.dir="
        )


def _shown(size: float) -> str:
    unit, name = next(
        (unit, name) for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")) if size >= unit or name == "kB"
    )
    return f"{size / unit:.1f} {name}"
