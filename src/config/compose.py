"""The config of one job of several, composed once more with the job's own overrides."""

from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, open_dict


def compose(config: DictConfig, number: int, overrides: list[str]) -> DictConfig:
    """Return the config of a job as its launcher will compose it."""
    composed = GlobalHydra.instance().config_loader().load_sweep_config(config, overrides)
    with open_dict(composed):
        composed.hydra.job.num = composed.hydra.job.id = number
    return composed
