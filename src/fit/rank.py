"""What a run's ranks above 0 do: build what rank 0 built, from the config that it hands them, and train beside it.

`python -m src.fit.rank` is started by `src.strategy.launcher`; under torchrun and srun `src.train` comes here. No
Hydra, no folder claimed, nothing written.
"""

import logging
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from src.run.child import end_with_parent
from src.strategy.ranks import outside

if TYPE_CHECKING:  # torch takes seconds to import
    from src.strategy.meeting import Meeting

HEARD_S = 20  # for rank 0 to hear why a rank ends, before torchrun or srun ends rank 0


def main() -> None:
    """Work for the rank 0 that started this process, and no longer than that lives."""
    end_with_parent(lambda: os._exit(1))
    from src.strategy.meeting import Meeting

    work(Meeting.joined(), rank=int(os.environ["RANK"]))


@contextmanager
def leading(*, sweeps: bool) -> Iterator[None]:
    """Where torchrun or srun starts several of a command, let rank 0 alone into the block.

    The others work for it and end. `sweeps` says that the command is a sweep, whose jobs are runs of their own.
    """
    ranks = outside()
    if ranks is None:
        yield
        return
    if sweeps:
        message = f"error: -m under {ranks.starter}: leave that out, trainer=ddp starts the processes of each job"
        raise SystemExit(1 if ranks.rank else message)
    from src.strategy.meeting import Meeting

    meeting = Meeting.joined(ranks)
    if ranks.rank:
        work(meeting, rank=ranks.rank)
        raise SystemExit(0)
    try:
        yield
    finally:
        meeting.publish(None)  # lets the others go where there was nothing to do, or an error before it


def work(meeting: "Meeting", *, rank: int) -> None:
    """Do the job of `meeting`, if there is one; report the error that ends it."""
    from torch.distributed import destroy_process_group, is_initialized

    from src.strategy.meeting import is_echo

    job = meeting.job()
    if job is None:
        return
    try:
        train(**job, arrive=lambda: meeting.arrive(rank))
    except Exception as error:
        if is_echo(error) and outside():  # rank 0 says what it is the echo of
            os._exit(1)
        traceback.print_exc()
        if not is_echo(error):
            meeting.report(rank, error)
        if outside():
            destroy_process_group()  # where rank 0 waits for this rank, it waits no longer
            with suppress(Exception):  # rank 0 is gone
                meeting.wait_for_end(HEARD_S)
        os._exit(1)
    finally:
        if is_initialized():
            destroy_process_group()


def train(
    *,
    config: dict[str, Any],
    checkpoint: str | None,
    test: bool,
    threads: int,
    judged: dict[str, Any],
    arrive: Callable[[], None],
) -> None:
    """Build and run what rank 0 does, whose weights the strategy brings; call `arrive` in between."""
    import lightning
    import torch

    from src.fit.generators import Streams
    from src.fit.life import accompany, built
    from src.fit.replay import TEST
    from src.run.quiet import quiet

    for name in ("lightning.pytorch", "lightning.fabric"):  # as in conf/hydra/job_logging
        logging.getLogger(name).setLevel(logging.WARNING)
    torch.set_num_threads(threads)
    lightning.seed_everything(config["seed"], workers=True, verbose=False)
    with quiet():
        model, data, trainer = built(config)
        accompany(trainer, seed=config["seed"], **judged)
        arrive()
        trainer.fit(model, data, ckpt_path=checkpoint, weights_only=True)
        if test:
            with Streams(config["seed"], trainer.global_rank, TEST):
                trainer.test(model, data, verbose=False)


if __name__ == "__main__":
    main()
