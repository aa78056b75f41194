"""Any error as the one line that a user gets: it names the key, the value and the nearest valid name."""

import errno
import re
import shlex
import sysconfig
import traceback
from difflib import get_close_matches
from pathlib import Path

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig

from src.config.meant import unknown
from src.config.schema import options

OURS = Path(__file__).parents[1]

# What torch says where its workers find no room for a batch; a Bus error is the same, met later.
SHARED = re.compile(r"shared memory|/dev/shm|/torch_\d+_|signal: Bus error|<torch_\S+> in read-write mode")

# What Lightning and torch say whose cure is a key of ours.
CURES = {
    "can't inject a (distributed) sampler": "trainer.use_distributed_sampler=true: the batch_sampler of the data's "
    "loader is no subclass of torch's BatchSampler, which each process could have its part of: derive it from that, or "
    "set trainer.use_distributed_sampler=false and let it share the samples itself",
    "parameters that were not used in producing the loss": "trainer.strategy.find_unused_parameters=false: a training "
    "step uses some of the model's parameters only: set trainer.strategy.find_unused_parameters=true",
    "Skipping the `training_step` by returning None": "trainer.devices: a training_step that returns None leaves out a "
    "batch, for which the other processes would wait: return a loss times 0 there, or set trainer.devices=1",
}

# Control characters, and what turns the order of letters: a terminal would obey those of a file's name.
OBEYED = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]")


def _first(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def one_line(error: Exception) -> str:
    r"""Return an error as one line that names the key, the value and the nearest valid name.

    What a terminal would obey is escaped: `\x1b`.
    """
    return OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), _lines(error))


def _lines(error: Exception) -> str:
    text = str(error)
    if SHARED.search(text) and not isinstance(error, ValueError):
        return f"the workers' shared memory (/dev/shm) is full: set data.workers=0, or make it larger: {_first(text)}"
    if cure := next((cure for words, cure in CURES.items() if words in text), None):
        return cure
    if (
        isinstance(error, OSError) and error.errno == errno.ENOSPC and "run=" not in text
    ):  # often not even a file's name
        text += ": make room on the disk; run= goes on from the last checkpoint"
    if not isinstance(
        error, (ValueError, OSError, HydraException)
    ):  # not one of ours: say what it is and where to look
        text = f"{type(error).__name__}: {text} (HYDRA_FULL_ERROR=1 shows the traceback)"
    if isinstance(error, MissingConfigException):
        return _missing_option(text)
    if isinstance(error, ConfigCompositionException):
        return _composition(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    place = own_place(error)
    return " ".join([*lines, f"(in {place})"] if place else lines)


def own_place(error: Exception) -> str | None:
    """Return the file and line of a user's own code that an error comes from, through libraries or not; else None."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    libraries = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    for frame in frames:
        if frame.filename.startswith((*libraries, "<")):
            continue
        return None if Path(frame.filename).is_relative_to(OURS) else f"{frame.filename}:{frame.lineno}"
    return None


def _missing_option(text: str) -> str:
    found = re.search(r"Could not (?:find|load) '(.+)/([^/']*)'", text)
    if not found:
        return text.splitlines()[0]
    group, option = found.groups()
    near = get_close_matches(option, options(group), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{group}={option}: no such option: {hint}(choose from {', '.join(options(group))})"


def _composition(error: Exception) -> str:
    cause = error.__cause__ or error
    if several := re.search(r"Ambiguous value for argument '((.+?)=(.*))'", str(error)):
        whole, key, values = several.groups()
        listed = shlex.quote(f"{key}=[{values}]")
        return f"{whole}: several values are several runs, with -m; a list of them is {listed}"
    if chosen := re.search(r"No match in the defaults list\.?\s.*use \+((.+?)=.*)", str(error), re.DOTALL):
        whole, group = chosen.groups()
        return (
            f"{whole}: no {group} can be chosen here: a recorded run keeps its own, of which {group}.KEY=... sets a key"
        )
    key, parent = getattr(cause, "full_key", None), getattr(cause, "parent_node", None)
    first, *rest = (str(error) or "the groups cannot be composed").splitlines()
    override = re.search(r"(?:Could not override '|Error merging override )(.+)", first)
    title = override[1].removesuffix(".").removesuffix("'") if override else first
    if key and isinstance(parent, DictConfig) and str(key).split(".")[-1] not in parent:
        return f"{title}: {unknown(str(key), parent, [str(name) for name in parent])}"
    if removed := re.search(r"Could not delete from config. '(.+)' does not exist", first):
        return f"~{removed[1]}: there is no such key to remove: --cfg job shows those there are"
    reason = str(cause).splitlines()[0] if cause is not error else next(iter(rest), first)
    return reason if reason == title else f"{title}: {reason}"
