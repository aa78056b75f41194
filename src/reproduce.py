"""Runs the experiments and writes what was published beside what came out: `python -m src.reproduce`; torch-free."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import IO, Any

from omegaconf import DictConfig

from src.command.entry import command
from src.run.write import write
from src.sweep.experiment import Expect, Job, names, paths, plan

log = logging.getLogger(__name__)

CODE = Path(__file__).parents[1]  # what the processes import is what this command was started from
HEADER = ("system", "command", "metric", "published", "asked", "ours", "met", "time", "machine")


@command("reproduce")
def main(cfg: DictConfig) -> None:
    """Run what is missing, write the table, and say which runs failed."""
    if not cfg.seeds or cfg.jobs < 1:
        raise ValueError(f"seeds={list(cfg.seeds)}, jobs={cfg.jobs}: at least one of each")
    jobs = plan(names(cfg.only), cfg.seeds, overrides=cfg.overrides, folder=Path(cfg.folder))
    failures = run(jobs, at_once=cfg.jobs)
    out = Path(cfg.out)
    write(out, "\n".join(page(jobs, called=called(cfg))) + "\n")
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
            for job in [job for job, process in running.items() if process.has_ended]:
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
        self.output: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115  # a pipe would fill up and block
        new = [*job.given, *paths(job.needs), *paths([("hydra.run.dir", job)])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(CODE), os.environ.get("PYTHONPATH", "")])}
        if threads:
            environment["OMP_NUM_THREADS"] = str(max(1, threads))
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "src.train", *([f"run={job.folder}"] if job.record else new)],
            env=environment,
            process_group=0,  # Ctrl-C reaches this command alone, which passes it on, once
            stdout=subprocess.DEVNULL,
            stderr=self.output,
        )

    @property
    def has_ended(self) -> bool:
        """Whether the process is over."""
        return self.process.poll() is not None

    def close(self) -> str | None:
        """Return why the process failed, in its own words where it found some; None where it did not."""
        with self.output:
            self.output.seek(0)
            errors = [line.removeprefix("error: ") for line in self.output if line.startswith("error: ")]
        if self.process.returncode == 0 and self.job.is_done:
            return None
        return errors[-1].strip() if errors else f"exit code {self.process.returncode}"

    def interrupt(self) -> None:
        """Stop the process as Ctrl-C would, and wait until its run is recorded as interrupted."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.output.close()


def called(cfg: DictConfig) -> str:
    """The command without what changes no number: `jobs`, `folder`, `out`."""
    lists = {"only": cfg.only, "seeds": cfg.seeds, "overrides": cfg.overrides}
    given = [f"{key}=[{','.join(map(str, values))}]" for key, values in lists.items() if values]
    return " ".join(["python -m src.reproduce", *given])


def page(jobs: Sequence[Job], *, called: str) -> Iterator[str]:
    """Yield the lines of the table as Markdown, from the run folders alone: the same runs give the same text."""
    systems: dict[str, list[Job]] = {}
    for job in sorted(jobs, key=lambda job: (job.experiment, job.seed)):
        systems.setdefault(job.experiment, []).append(job)
    yield from ("# Results", "", f"Written by `{called}` from the runs' run.json.", "")
    yield from ("Ours is the mean ± the standard deviation over seeds, time the mean of a run.", "")
    for cells in (HEADER, ["---"] * len(HEADER), *(row(runs) for runs in systems.values())):
        yield f"| {' | '.join(cells)} |"
    notes = {name: runs[0].expect.note for name, runs in systems.items() if runs[0].expect.note}
    if notes:
        yield from ("", "## What is not comparable, and why", "")
        yield from (f"- `{name}`: {note}" for name, note in notes.items())


def row(runs: Sequence[Job]) -> tuple[str, ...]:
    """Return the cells of one system; a shortfall and a missing run stand out in bold."""
    expect = runs[0].expect
    ended = [job.record for job in runs if job.is_done and job.expect.metric in job.record["metrics"]]
    values = [record["metrics"][expect.metric] for record in ended]
    spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
    count = f"n = {len(values)}" if len(values) == len(runs) else f"**{len(values)} of {len(runs)} runs**"
    words = [word for word in runs[0].given if not word.startswith("seed=")]
    words += [f"{key}=RUN_OF_{needed.experiment}" for key, needed in runs[0].needs]
    machines = sorted({machine(record["host"]) for record in ended})
    return (
        runs[0].experiment,
        f"`python -m src.train {' '.join(words)}`",
        expect.metric,
        "" if expect.published is None else f"{expect.published:g}",
        expect.asked,
        f"{mean(values):.4f}{spread} ({count})" if values else count,
        verdict(expect, values),
        f"{mean(record['seconds'] for record in ended):.1f} s" if ended else "",
        "; ".join(machines),
    )


def verdict(expect: Expect, values: Sequence[float]) -> str:
    """Whether the figures are what was asked, and how many of them where a share is; empty without a bound."""
    if not values or not expect.asked:
        return ""
    word = "yes" if expect.is_met(values) else "**NO**"
    return word if expect.share is None else f"{word}, {expect.kept(values)} of {len(values)}"


def machine(host: dict[str, Any]) -> str:
    """The processor, its threads and the GPUs of a run, in one line."""
    threads = f"{host['threads']} thread{'s' if host['threads'] != 1 else ''}"
    return ", ".join([host["cpu"], threads, *host["gpus"]])


if __name__ == "__main__":
    main()
