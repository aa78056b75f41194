"""One process per device, each with a copy of the net, whose gradients are averaged: PyTorch's DDP."""

from datetime import timedelta
from functools import cached_property

from lightning.pytorch.strategies import DDPStrategy, StrategyRegistry

from src.strategy.launcher import Launcher, own_environment


@StrategyRegistry.register("ddp", description="one process per device, gradients averaged", override=True)
class DDP(DDPStrategy):
    """Lightning's DDP, started by our launcher; a rank that does not answer for `timeout_s` ends the run."""

    changes_no_result = ("timeout_s",)

    def __init__(
        self,
        *,
        timeout_s: float = 1800.0,
        process_group_backend: str | None = None,
        find_unused_parameters: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
    ):
        if timeout_s <= 0:
            raise ValueError(f"trainer.strategy.timeout_s={timeout_s}: above 0")
        super().__init__(
            cluster_environment=own_environment(),
            timeout=timedelta(seconds=timeout_s),
            process_group_backend=process_group_backend,
            find_unused_parameters=find_unused_parameters,
            gradient_as_bucket_view=gradient_as_bucket_view,
            static_graph=static_graph,
        )
        self.timeout_s = timeout_s

    @cached_property
    def launcher(self) -> Launcher:  # type: ignore[override]
        """Ours, around the one that Lightning has made when it first asks."""
        processes = {"num_processes": self.num_processes, "num_nodes": self.num_nodes}
        return Launcher(super().launcher, **processes, timeout_s=self.timeout_s)
