"""Which of a run's processes this one is, where torchrun or srun started them; torch-free."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

PORTS = range(15_000, 25_000)  # for srun, which gives none: below those that Linux hands out by itself


@dataclass(frozen=True)
class Ranks:
    """The `rank` of this process among `world_size`, `local_world_size` of them on this node, and who started them."""

    starter: str
    rank: int
    world_size: int
    local_rank: int
    local_world_size: int

    @property
    def nodes(self) -> int:
        """The number of nodes, each of which has as many processes."""
        return self.world_size // self.local_world_size


def outside(environment: Mapping[str, str] = os.environ) -> Ranks | None:
    """Return this process's place where something else started several of the run; None where it is alone.

    A batch script of SLURM is no step of srun, although it has the number of tasks in its environment.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        found = Ranks("torchrun", *(int(environment[name]) for name in names))
    elif "SLURM_STEP_ID" in environment and environment.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        nodes, world_size = (int(environment.get(name, 1)) for name in ("SLURM_NNODES", "SLURM_NTASKS"))
        place = (int(environment.get(name, 0)) for name in ("SLURM_PROCID", "SLURM_LOCALID"))
        rank, local_rank = place
        found = Ranks("srun", rank, world_size, local_rank, world_size // nodes)
    else:
        return None
    return found if found.world_size > 1 else None


def srun_port(environment: Mapping[str, str] = os.environ) -> int:
    """Return the port at which the processes of a step of srun meet: another one for each step of each job."""
    job, step = (int(environment.get(name, 0)) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return PORTS[(job * 31 + step) % len(PORTS)]
