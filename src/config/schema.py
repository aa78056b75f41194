"""What stands at the top of each command's config, and the resolvers of our own; torch-free.

Groups (`model`, `data`, ...) are open: what their constructors take may be set without `+`, and the check before
compute catches what they do not take. The top level is closed: an unknown key is refused when the config is composed.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from src.config.meant import unknown
from src.config.own import own_conf

_PLACES = (Path(__file__).parents[1] / "conf", Path(__file__).parents[2] / "conf")  # installed; a checkout
CONF = next((path for path in _PLACES if path.is_dir()), _PLACES[1])
Group = dict[str, Any]


SAME = {"changes_no_result": True}  # of a key at the top: src.config.hash leaves it out


@dataclass
class Train:
    """A training run: the groups that compose it, and what is said once for all of them."""

    task: Group = field(
        default_factory=dict, metadata=SAME
    )  # what follows from data.task: the LightningModule, its loss, its outputs
    model: Group = field(default_factory=dict)
    data: Group = field(default_factory=dict)
    optimizer: Group = field(default_factory=dict)
    scheduler: Group = field(default_factory=dict)
    trainer: Group = field(default_factory=dict)
    callback: Group = field(default_factory=dict)
    logger: Group = field(default_factory=dict, metadata=SAME)
    search: Group = field(default_factory=dict, metadata=SAME)  # with -m: a space, and how trials are chosen
    expect: Group = field(default_factory=dict, metadata=SAME)  # what an experiment's figure is and should be
    needs: Group = field(default_factory=dict, metadata=SAME)  # keys to be runs of other experiments: src.reproduce
    seed: int = 0
    data_dir: str = field(default="data", metadata=SAME)
    monitor: str = "val/loss"  # what the best checkpoint is best in, and what `main` returns
    mode: str | None = None  # min or max; null: as the metric asks for
    test: bool = field(default=True, metadata=SAME)  # score the best checkpoint on the test split at the end
    tags: list[str] = field(default_factory=list, metadata=SAME)
    sweep: str = field(default="", metadata=SAME)  # the name of the folder a multirun goes to
    retry_failed: bool = field(default=False, metadata=SAME)  # a sweep's jobs that failed before are run again
    fail_fast: bool = field(default=False, metadata=SAME)  # a sweep ends at the first job that fails
    run: str | None = field(default=None, metadata=SAME)  # the run folder; filled in when it is claimed
    rerun: str | None = field(default=None, metadata=SAME)  # the run folder that this one repeats


@dataclass
class Eval(Train):
    """The config of a finished run, and which of its checkpoints is scored on which split."""

    checkpoint: str = "best"
    split: str = "test"
    out: str | None = None  # the folder that eval.csv goes to; null: the run folder


@dataclass
class Report:
    """Which runs are compared, and what is folded into one row."""

    run: str = "outputs"  # a run, a sweep, a folder of them, or last
    tags: list[str] = field(default_factory=list)  # only the runs that have all of these
    fold: list[str] = field(default_factory=lambda: ["seed", "data.fold"])  # keys whose values share a row
    latex: bool = False  # a LaTeX table too
    out: str | None = None  # the folder that `report` goes to; null: that of `run`


@dataclass
class Reproduce:
    """Which experiments are run, how, and where the table goes."""

    only: list[str] = field(default_factory=list)  # none stands for all
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    jobs: int = 1  # processes at once, which divide the processors
    overrides: list[str] = field(default_factory=list)  # of every run
    folder: str = "outputs/reproduce"
    out: str = "RESULTS.md"


@dataclass
class Explore(Train):
    """A run that is looked at before it trains: its data, its schedule, or an idea."""

    figure: str | None = None  # data, schedule, activations, neurons or convolution
    find_lr: bool = False  # test a range of learning rates instead
    out: str | None = None  # where the pictures go


@dataclass
class Predict(Train):
    """The config of a finished run, and what its net is to label."""

    checkpoint: str = "best"
    input: str | None = None  # a file, a folder, a pattern, or a split: test, val, predict; null: predict, if there is
    n: int | None = None  # so many of them, at random
    top_k: int = 3  # the classes listed for each
    out: str | None = None  # the folder that files go to; null: the run folder


@dataclass
class Explain(Train):
    """The config of a finished run, or of a net with or without given weights, and what of it is shown."""

    checkpoint: str = "best"
    input: str | None = None  # an image, or a folder or pattern of them
    method: Any = "feature_maps"  # or a list of methods
    layer: Any = None  # its name or a list of names; null: the first or the last that fits the method
    target: str | None = None  # the class to explain; null: the one predicted
    n: int | None = None  # the first so many channels; null: all
    out: str | None = None  # the folder that figures go to; null: the run folder


@dataclass
class Export(Train):
    """The config of a finished run, and the form in which its net is written."""

    checkpoint: str = "best"
    format: Any = "onnx"  # or torch_export, or a list of both
    preprocess: bool = True  # whether pixels go in as they are stored
    input: str | None = None  # samples to check the file on, as in Predict; null: test, else the split there is
    out: str | None = None  # the folder that the file goes to; null: the run folder


def added_conf() -> Path | None:
    """Return the person's own `conf`, which adds to each group; None where there is none but the framework's."""
    folder = own_conf()
    return None if folder is None or folder.resolve() == CONF.resolve() else folder


def options(group: str) -> list[str]:
    """Return the names of a group's options, the framework's and the person's, sorted."""
    folders = (CONF, own) if (own := added_conf()) else (CONF,)
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def register() -> None:
    """Make the schemas and the resolvers known to Hydra and OmegaConf; calling it again changes nothing.

    `${len:...}` counts, 0 for null, 1 for a text; `${job_folder:}` is a sweep job's folder, named by what the job is
    and not by its number, so that a reordered or extended sweep finds its jobs again.
    """
    OmegaConf.register_new_resolver(
        "len", lambda value: 1 if isinstance(value, str) else len(value or ()), replace=True
    )
    OmegaConf.register_new_resolver("job_folder", _job_folder, replace=True)
    store = ConfigStore.instance()
    # One for all: Hydra would copy it twice for every group that --help lists, half a second in all.
    ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]
    store.store(name="tasks", node={"task": tasks()})
    for schema in (Train, Eval, Predict, Explain, Explore, Export, Report, Reproduce):
        store.store(name=f"{schema.__name__.lower()}_schema", node=open_groups(schema))


def tasks() -> dict[str, Any]:
    """Return what each file of conf/task says, the person's own among them, by its name, which `data.task` chooses."""
    folders = [folder / "task" for folder in (CONF, own_conf()) if folder]
    return {path.stem: OmegaConf.load(path) for folder in folders for path in sorted(folder.glob("*.yaml"))}


def open_groups(schema: type) -> DictConfig:
    """Return the schema as a config in which groups, but not the top level, take new keys."""
    config = OmegaConf.structured(schema)
    for entry in fields(schema):
        if entry.type == Group:
            OmegaConf.set_struct(config[entry.name], False)
    return config


def unchanging(schema: type) -> set[str]:
    """Return the keys at the top of a schema that change no run's result."""
    return {entry.name for entry in fields(schema) if entry.metadata.get("changes_no_result")}


def check_top(config: DictConfig, schema: type) -> None:
    """Raise ValueError for a key at the top that `schema` does not have, as `+key=` lets through."""
    known = [entry.name for entry in fields(schema)]
    for key in map(str, config):
        if key not in known:
            raise ValueError(f"{key}: {unknown(key, config, known)}")


def _job_folder(*, _root_: DictConfig) -> str:
    from src.config.hash import config_hash  # which asks this schema
    from src.config.plain import fill, plain

    job = OmegaConf.masked_copy(_root_, [str(key) for key in _root_ if key != "hydra"])
    if job.data.get("task", "") is None:  # the model follows from what the data tell
        fill(job)
    return config_hash(plain(job))[:12]
