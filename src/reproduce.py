"""Runs the experiments and writes what was published beside what came out: `python -m src.reproduce`; torch-free."""

import logging
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from src.command.entry import command
from src.run.child import Child
from src.run.write import check_writable, write
from src.sweep.experiment import Job, names, paths, plan
from src.sweep.published import page

log = logging.getLogger(__name__)

CODE = Path(__file__).parents[1]  # what the processes import is what this command was started from
PLAIN = re.compile(r"[\w.=,:/+\[\]-]+")  # what a shell leaves as it is, where no file is called so


@command("reproduce")
def main(cfg: DictConfig) -> None:
    """Run what is missing, write the table, and say which runs failed."""
    if not cfg.seeds or cfg.jobs < 1:
        raise ValueError(f"seeds={list(cfg.seeds)}, jobs={cfg.jobs}: at least one of each")
    check_writable(Path(cfg.folder), cure="folder=DIR puts the runs elsewhere")
    check_writable(Path(cfg.out).parent, cure="out=FILE puts the table elsewhere")
    said = any(word.startswith("seeds=") for word in HydraConfig.get().overrides.task)
    jobs = plan(names(cfg.only), cfg.seeds, overrides=cfg.overrides, folder=Path(cfg.folder), tops_up=not said)
    failures = run(jobs, at_once=cfg.jobs)
    out = Path(cfg.out)
    before = out.read_text(encoding="utf-8") if out.is_file() else ""
    write(out, "\n".join(page(jobs, called=called(cfg), before=before)) + "\n")
    log.info("the table is in %s", out)
    if failures:
        reasons = "; ".join(f"{job.title}: {reason}" for job, reason in failures.items())
        raise ValueError(f"{len(failures)} of {len(jobs)} runs failed, the same command tries them again: {reasons}")


def run(jobs: Sequence[Job], *, at_once: int) -> dict[Job, str]:
    """Run the jobs that are not done, `at_once` processes at a time; return why some failed.

    A job starts when those that it needs are done, and fails with them. When this function is interrupted, so are its
    processes.
    """
    waiting = [job for job in jobs if not job.is_done]
    if done := len(jobs) - len(waiting):
        log.info("%d of %d runs are done already", done, len(jobs))
    failures: dict[Job, str] = {}
    running: dict[Job, Process] = {}
    on_terminate = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: leave no process behind
    try:
        while waiting or running:
            for job in [job for job in waiting if any(needed in failures for _, needed in job.needs)]:
                waiting.remove(job)
                failures[job] = "a run that it needs failed"
            for job in _startable(waiting, running, at_once - len(running)):
                waiting.remove(job)
                running[job] = Process(job, threads=(os.cpu_count() or 1) // at_once if at_once > 1 else None)
            for job in [job for job, process in running.items() if process.child.has_ended]:
                if reason := running.pop(job).close():
                    failures[job] = reason
                log.info("%d of %d  %s  %s", len(jobs) - len(waiting) - len(running), len(jobs), job.title, _end(job))
            time.sleep(0.05)
    finally:
        for process in running.values():
            process.interrupt()
        signal.signal(signal.SIGTERM, on_terminate)
    return failures


def _startable(waiting: Sequence[Job], running: Iterable[Job], free: int) -> list[Job]:
    """The first `free` jobs that wait for no other."""
    unfinished = {*waiting, *running}
    return [job for job in waiting if not any(needed in unfinished for _, needed in job.needs)][:free]


def _end(job: Job) -> str:
    if not job.is_done:
        return "failed"
    value = job.record["metrics"].get(job.expect.metric, float("nan"))
    return f"{job.expect.metric} {value:.4f}  {job.record['seconds']:.1f} s"


class Process:
    """A run as a process of its own: a new one, or the one that lies in the job's folder, continued."""

    def __init__(self, job: Job, *, threads: int | None):
        self.job = job
        new = [*job.given, *paths(job.needs), *paths([("hydra.run.dir", job)])]
        environment = {"PYTHONPATH": os.pathsep.join([str(CODE), os.environ.get("PYTHONPATH", "")])}
        if threads:
            environment["OMP_NUM_THREADS"] = str(max(1, threads))
        words = [f"run={job.folder}"] if job.record else new
        self.child = Child("src.train", *words, environment=environment, errors=True)

    def close(self) -> str | None:
        """Return why the process failed, in its own words where it found some; None where it did not."""
        lines = self.child.printed().splitlines()
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        self.child.end(None)
        if self.child.code == 0 and self.job.is_done:
            return None
        return errors[-1].strip() if errors else f"its process {self.child.fate()}"

    def interrupt(self) -> None:
        """Stop the process as Ctrl-C would, and wait until its run is recorded as interrupted."""
        self.child.signal(signal.SIGINT)
        self.child.end(None)


def called(cfg: DictConfig) -> str:
    """The command without what changes no number: `jobs`, `folder`, `out`."""
    lists = {"only": cfg.only, "seeds": cfg.seeds, "overrides": cfg.overrides}
    given = [f"{key}=[{','.join(map(str, values))}]" for key, values in lists.items() if values]
    return " ".join(["python -m src.reproduce", *(word if PLAIN.fullmatch(word) else quote(word) for word in given)])


if __name__ == "__main__":
    main()
