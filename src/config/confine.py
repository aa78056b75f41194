"""What a recorded config may not do: call what is not allowed, write elsewhere, send, or read the environment."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.allow import check_name, check_recorded, extended, is_known
from src.config.plain import plain

WRITERS = ("trainer", "callback", "logger")  # the groups whose classes write files
# A model or data of Lightning's own, which write nothing: its demos, and what makes data of datasets.
WRITER = re.compile(
    r"lightning\.(?!pytorch\.demos\.)(?!(\w+\.)*LightningDataModule\.from_datasets$)"
    r"|src\.(callback|fit|strategy|run)\."
)
REMOTE = re.compile(r"lightning\.pytorch\.loggers\.(?!CSVLogger|TensorBoardLogger|csv_logs\.|tensorboard\.)")
PLACE = re.compile(
    r"(?<!sub_)(dir|dirpath|folder|path|root|uri|url|location)$"
)  # arguments that are paths of their own
ELSEWHERE = re.compile(r"[/\\~]|[A-Za-z]:[/\\]|\w+://\S+$|(.*[/\\])?\.\.([/\\]|$)", re.DOTALL)

ESCAPED = re.compile(r"(?<!\\)(\\\\)*\\\$\{")  # a name's own: nothing is put in its place
NODE = re.compile(r"\$\{[\w.\[\]]+\}")
RESOLVER = re.compile(
    r"\$\{(len:\w+|oc\.dict\.values:[\w.]+|oc\.select:[\w.]+(,\w+)?|now:[^${}]*"
    r"|oc\.env:(DATA_DIR|HOME|USER|SCRATCH|WORK|TMPDIR)(,[^${}]*)?)\}"  # places; other variables may be secrets
)


def confine(config: DictConfig, *, overrides: Sequence[str], trains: bool) -> None:
    """Raise ValueError for what could read the environment, or write outside of `config.run`, or send to a server.

    A key that one of `overrides` sets or removes is not judged: its user says what it is.
    """
    for path, value in _leaves(OmegaConf.to_container(config, resolve=False)):
        if isinstance(value, str):
            _check_interpolations(path, value)
    root = Path(config.run).resolve()
    if config.get("trainer") and not config.trainer.get("default_root_dir"):
        config.trainer.default_root_dir = "${run}"  # Lightning's own default is the current folder
    said, removed = _said(overrides)
    for path, value in _leaves(_resolved(config)):
        group, _, key = path.partition(".")
        if not isinstance(value, str) or path in said or path.startswith(removed):
            continue
        if key.endswith("_target_"):
            _check_target(path, value, group, trains=trains)
        elif group in WRITERS:
            _check_place(path, value, root)


def _check_interpolations(path: str, value: str) -> None:
    """Raise unless `value` consists of nodes and the few resolvers, inside each other or not."""
    rest, before = value, ""
    while rest != before:
        before, rest = rest, RESOLVER.sub("x", NODE.sub("x", rest))
    if "${" in ESCAPED.sub("", rest):  # last: inside of a resolver's arguments a backslash escapes nothing
        raise ValueError(f"{path}={value}: a recorded config may not call this resolver: put its value there")


def _check_target(path: str, target: str, group: str, *, trains: bool) -> None:
    check_name(target)
    check_recorded(target)
    if not is_known(target) or extended(target):
        return
    if group not in WRITERS and WRITER.match(target):
        raise ValueError(f"{path}={target}: not in a recorded {group}: only {', '.join(WRITERS)} may name it")
    if trains and REMOTE.match(target):
        raise ValueError(
            f"{path}={target}: a run folder may not send elsewhere by itself: set ALLOWED_TARGETS=lightning.pytorch."
            f"loggers in the environment, or remove it with ~{path.removesuffix('._target_')}"
        )


def _check_place(path: str, value: str, root: Path) -> None:
    """Raise where `value` is a path that is not below `root`; a relative one is, unless its key is a folder's."""
    is_place = PLACE.search(re.sub(r"\[\d+\]", "", path))
    local = re.sub(r"^(sqlite:///|file://)", "", value)
    inside = "://" not in local and Path(local).expanduser().resolve().is_relative_to(root)
    if not inside and (is_place or ELSEWHERE.match(local)):
        raise ValueError(f"{path}={value} lies outside of the run folder: say it on the command line to allow it")


def _said(overrides: Sequence[str]) -> tuple[set[str], tuple[str, ...]]:
    """Return the keys that overrides set, and the starts of those that they remove."""
    keys = [override.partition("=")[0] for override in overrides]
    return {key.lstrip("+") for key in keys}, tuple(f"{key[1:]}." for key in keys if key.startswith("~"))


def _resolved(config: DictConfig) -> Any:
    """Return the config as plain containers, without what stands for a whole group that is judged by itself."""
    judged = copy.deepcopy(config)
    judged.sweep = ""  # ${now:...}, which Hydra alone knows
    for key, group in (("callbacks", "callback"), ("logger", "logger")):
        node = OmegaConf.to_container(judged, resolve=False)["trainer"]  # type: ignore[index, call-overload]
        if isinstance(node, Mapping) and node.get(key) == f"${{oc.dict.values:{group}}}":
            judged.trainer[key] = None
    return plain(judged)


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of everything in `node` that is no container."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _leaves(value, f"{path}[{index}]")
    else:
        yield path, node
