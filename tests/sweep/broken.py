"""A callback of Hydra's, somebody's own, that fails."""

from hydra.experimental.callback import Callback


class Broken(Callback):
    """Fails before the first job."""

    def on_run_start(self, **kwargs: object) -> None:
        """Fail."""
        raise RuntimeError("out of order")

    def on_multirun_start(self, **kwargs: object) -> None:
        """Fail."""
        raise RuntimeError("out of order")
