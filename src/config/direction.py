"""Which way a monitored score gets better, by its name or its metric; torch-free but for metrics of one's own."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from src.config.allow import resolve

LOWER, HIGHER = "min", "max"
WORDS = {  # the last of them in a name decides; tests/config/test_direction.py holds them against torchmetrics
    LOWER: "loss losses error errors err mse mae rmse mape nll bce perplexity ppl distance divergence deviance wer cer "
    "eer fid ranked crps",
    HIGHER: "accuracy acc auc auroc ap map precision recall f1 fbeta dice iou miou jaccard kappa corr match success "
    "explained similarity specificity sensitivity predictive r2 bleu rouge psnr ssim ndcg mrr",
}
DIRECTIONS = {word: mode for mode, words in WORDS.items() for word in words.split()}
WATCHERS = ("EarlyStopping", "ModelCheckpoint", "ReduceLROnPlateau")  # which take `mode`, min where it is not said


def direction(monitor: str, metrics: Any = None) -> str | None:
    """Return min or max, whichever is better of a score; None where nobody knows.

    `metrics` are the model's, of which one with a `_target_` is asked by its class.
    """
    return sure(monitor, metrics) or (HIGHER if "score" in _words(monitor) else None)


def sure(monitor: str, metrics: Any = None) -> str | None:
    """Return the direction of what is no mere score, of which some are better the lower they are."""
    name = monitor.rpartition("/")[2]
    for node in metrics if isinstance(metrics, list) else ():
        if isinstance(node, Mapping) and "_target_" in node and _is_named(node["_target_"], name):
            is_higher = getattr(resolve(node["_target_"]), "higher_is_better", None)
            if is_higher is not None:
                return HIGHER if is_higher else LOWER
    words = _words(monitor)
    if "neg" in words:  # what is better lower, turned round
        return None
    known = [DIRECTIONS.get(word) or DIRECTIONS.get(word.rstrip("0123456789")) for word in words]
    return next((mode for mode in reversed(known) if mode), None)


def directed(resolved: Any) -> Any:
    """Return a resolved config in which each `mode` that is null beside a `monitor` is what that score asks for.

    Where nobody knows it stays null at the top, for the check to ask, and is left out below. Callbacks and schedules of
    Lightning and torch that are told a monitor and no mode are told it.
    """
    model = resolved.get("model") if isinstance(resolved, dict) else None
    return _directed(resolved, model.get("metrics") if isinstance(model, dict) else None)


def check_modes(nodes: Iterable[tuple[str, Mapping[str, Any]]], metrics: Any) -> None:
    """Raise ValueError for a mode that is none, that nobody knows, or that is not the one of its score.

    `nodes` have a `monitor` and a `mode`, each with what stands before these names on the command line.
    """
    for start, node in nodes:
        monitor, mode = node["monitor"], node["mode"]
        right = sure(monitor, metrics)
        if mode is None:
            raise ValueError(f"{start}monitor={monitor}: say {start}mode=min or {start}mode=max")
        if mode not in (LOWER, HIGHER):
            raise ValueError(f"{start}mode={mode}: choose min or max")
        if right and mode != right:
            better = "higher" if right == HIGHER else "lower"
            raise ValueError(
                f"{start}mode={mode}: {monitor} is better the {better} it is: set {start}mode={right}, or leave it out"
            )


def _directed(node: Any, metrics: Any) -> Any:
    if isinstance(node, list):
        return [_directed(part, metrics) for part in node]
    if not isinstance(node, dict):
        return node
    inner = {key: _directed(value, metrics) for key, value in node.items()}
    watches = str(node.get("_target_")).endswith(WATCHERS)
    if isinstance(node.get("monitor"), str) and ("mode" in node or watches) and node.get("mode") is None:
        inner["mode"] = direction(node["monitor"], metrics)
        if inner["mode"] is None and "_target_" in node:
            del inner["mode"]
    return inner


def _words(monitor: str) -> list[str]:
    return re.findall(r"[a-z]+[0-9]*", re.sub(r"(?<=[a-z])(?=[A-Z][a-z0-9]|[A-Z]{2})", "_", monitor).lower())


def _is_named(target: str, name: str) -> bool:
    return target.rpartition(".")[2].lower() == name.replace("_", "").lower()
