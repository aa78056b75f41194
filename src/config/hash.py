"""The identity of a run's result: a hash over everything in its config that changes it."""

import copy
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from src.config.direction import directed

# Where things are, how they are shown, what a run is called: none of it changes a result.
IRRELEVANT = (
    "task",  # a table; what is used of it stands where it is used
    "run",
    "rerun",
    "sweep",
    "search",
    "retry_failed",
    "fail_fast",
    "tags",
    "test",
    "expect",
    "needs",
    "logger",
    "callback.progress",
    "callback.model_summary",
    "callback.lr_monitor",
    "callback.checkpoint.folder",
    "callback.checkpoint.every_n_steps",
    "callback.checkpoint.every_minutes",
    "callback.guard",
    "callback.predictions",
    "callback.figures",
    "callback.hparams",
    "callback.samples",
    "callback.histograms",
    "callback.graph",
    "callback.pr_curves",
    "callback.embeddings",
    "data_dir",
    "data.data_dir",
    "data.workers",
    "data.cache",
    "data.axes",
    "trainer.callbacks",
    "trainer.logger",
    "trainer.default_root_dir",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.profiler",
    "trainer.log_every_n_steps",
    "trainer.strategy.timeout_s",
)


def config_hash(config: Mapping[str, Any]) -> str:
    """Return the sha256, in hexadecimal, of a resolved config without what does not change the result."""
    return hashlib.sha256(json.dumps(relevant(config), sort_keys=True).encode()).hexdigest()


def relevant(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a resolved config without what does not change the result."""
    kept = directed(copy.deepcopy(dict(config)))
    data, data_dir = kept.get("data"), str(kept.get("data_dir"))
    if isinstance(data, dict) and "root" in data:  # which folder matters, where it lies does not
        data["root"] = str(data["root"]).removeprefix(data_dir)
    for path in IRRELEVANT:
        *parents, key = path.split(".")
        node: Any = kept
        for parent in parents:
            node = node.get(parent, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict):
            node.pop(key, None)
    return kept
