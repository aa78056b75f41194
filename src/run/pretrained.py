"""What a net starts from: the weights of a run, of a checkpoint, or those that torchvision publishes."""

import logging
import re
from pathlib import Path

from torch import Tensor, nn

from src.run.checkpoint_io import load
from src.run.folder import find

log = logging.getLogger(__name__)

NAME = re.compile(r"[A-Z0-9_]+")  # IMAGENET1K_V1, DEFAULT: how torchvision names what it publishes


def start_from(net: nn.Module, weights: str) -> None:
    """Load `weights` into `net`: a name of torchvision's, a run folder's best checkpoint, or a checkpoint file.

    Tensors of the head that have another shape, for another number of classes, are left as they are. Raises ValueError
    where others differ or are missing, FileNotFoundError where there is nothing to load.
    """
    found, own = _state(net, weights), net.state_dict()
    head = tuple(f"{name}." for name in getattr(net, "parts", {}).get("head", ()))
    fitting = {name: value for name, value in found.items() if name in own and value.shape == own[name].shape}
    for name in [*own, *found]:
        if name not in fitting and not name.startswith(head or "\n"):
            mine, theirs = (list(state[name].shape) if name in state else "missing" for state in (own, found))
            raise ValueError(
                f"model.weights={weights} is of another net: {name} is {theirs} there and {mine} here: "
                f"choose the model it was trained as"
            )
    net.load_state_dict(fitting, strict=False)
    log.info("model.weights=%s: %d of %d tensors loaded", weights, len(fitting), len(own))


def _state(net: nn.Module, weights: str) -> dict[str, Tensor]:
    if NAME.fullmatch(weights) and not Path(weights).exists():
        published = getattr(net, "published", None)
        if published is None:
            raise ValueError(
                f"model.weights={weights}: {type(net).__name__} has no published weights: "
                f"give a run folder or a checkpoint, or choose a net of torchvision"
            )
        return published(weights)
    path = Path(weights)
    if path.is_dir() or weights == "last":
        path = find(weights) / "checkpoints" / "best.ckpt"
    state = load(path)["state_dict"]
    return {name.removeprefix("net."): value for name, value in state.items() if name.startswith("net.")} or state
