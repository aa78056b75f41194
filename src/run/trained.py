"""A finished run in one line: `from src.run import load; trained = load("outputs/...")`.

Shapes: B batch, C channels, H height, W width, K classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.run.folder import find

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Trained:
    """A trained model with what is needed to use it.

    `model` is in eval mode, on the CPU. `net` is what it calls so, the plain architecture; `classes` are the names of
    its outputs, None for regression. `preprocess` turns an image, PIL or uint8 (C, H, W), or a batch of uint8
    (B, C, H, W), of any size, into the float batch (B, C, H, W) that the net was trained on. A model and data of one's
    own may have none of the three: None.
    """

    model: Any
    net: Any
    classes: list[str] | None
    preprocess: "Callable[[Any], Tensor] | None"


def load(run: str | Path, *, checkpoint: str = "best") -> Trained:
    """Return the model of a run folder (or `last`, the newest), with its `best` or `last` weights.

    Nothing in the folder can run code: `_target_` is allow-listed and checkpoints are loaded as plain data. Raises
    ValueError where the folder is no run, or the checkpoint is missing, damaged or of another net.
    """
    from src.config.plain import plain
    from src.config.recorded import recorded
    from src.config.schema import register

    register()
    folder = find(str(run))
    config = recorded(folder)
    groups = {"model": plain(config.model), "data": plain(config.data)}
    model, data = restore(groups, folder / "checkpoints" / f"{checkpoint}.ckpt")
    classes = _offered(data, "classes")
    return Trained(
        model=model,
        net=_offered(model, "net"),
        classes=list(classes) if isinstance(classes, list | tuple) else None,
        preprocess=_offered(data, "preprocess"),
    )


def _offered(thing: object, name: str) -> Any:
    try:
        return getattr(thing, name)
    except Exception:  # none, or a property of theirs that has nothing yet to look at
        return None


def restore(config: Mapping[str, Any], checkpoint: Path) -> tuple[Any, Any]:
    """Return the model and the data of a plain config with what a checkpoint holds, the model in eval mode."""
    from src.config.build import build
    from src.run.checkpoint_io import load_weights

    model, data = build(config["model"]), build(config["data"])
    load_weights(model, checkpoint, data=data)
    return model.eval(), data
