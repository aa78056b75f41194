"""The jobs of a grid, which Hydra's own sweeper makes of comma-separated values: alone they are known beforehand."""

from itertools import product

from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from omegaconf import DictConfig


def is_grid(hydra: DictConfig) -> bool:
    """Whether this is a grid, and no search that chooses its next jobs by the values of those before."""
    return _is_hydras("sweeper", hydra.sweeper._target_)


def is_alone(hydra: DictConfig) -> bool:
    """Whether one job runs after the other, in the process of the command."""
    return _is_hydras("launcher", hydra.launcher._target_)


def _is_hydras(kind: str, target: str) -> bool:
    """Whether a target is the `basic` one that Hydra itself stores."""
    Plugins.instance()  # it is stored where the plugins are looked for
    return target == ConfigStore.instance().load(f"hydra/{kind}/basic.yaml").node._target_


def runs_here(hydra: DictConfig) -> bool:
    """Whether the launcher is known to start its jobs on this machine, as Slurm's, on a login node, does not."""
    is_ours = hydra.launcher._target_.startswith("hydra_plugins.src.")
    return is_alone(hydra) or (is_ours and hydra.launcher.get("cluster") != "slurm")


def jobs(hydra: DictConfig) -> list[list[str]]:
    """Return the overrides of each job of a grid, in the order in which they are run.

    Raises ValueError where there is none.
    """
    given = [f"{key}={value}" for key, value in (hydra.sweeper.params or {}).items()] + list(hydra.overrides.task)
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())  # it knows a glob's options
    overrides = parser.parse_overrides(given)
    choices: dict[str, list[str]] = {}
    for override in overrides:
        sweeps = override.is_sweep_override()
        if sweeps and override.is_interval_sweep():
            raise ValueError(
                f"{override.input_line}: a sweep runs single values, choice(1,2) or range(1,4): draw from an interval "
                "with search=random"
            )
        values = override.sweep_string_iterator() if sweeps else [override.get_value_element_as_str()]
        key = override.get_key_element()
        choices[key] = [f"{key}={value}" for value in values]
    found = [list(words) for words in product(*choices.values())]
    if not found:
        empty = [each.input_line for each in overrides if each.is_sweep_override() and not [*each.sweep_iterator()]]
        raise ValueError(f"{', '.join(map(str, empty))}: nothing of that kind, and so no job: choose other values")
    return found
