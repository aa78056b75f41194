"""The table of RESULTS.md: what was published beside what came out, a row for each system."""

import re
from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from src.sweep.experiment import Expect, Job

HEADER = ("system", "command", "metric", "published", "asked", "ours", "met", "time", "machine", "source")
NOTES = "## What is not comparable, and why"
TITLE = ("# Results", "", "Written by `python -m src.reproduce` from the runs' run.json; each row names its call.", "")
INTRODUCTION = "Ours is the mean ± the standard deviation over seeds, time the mean of a run."


def page(jobs: Sequence[Job], *, called: str, before: str = "") -> Iterator[str]:
    """Yield the lines of the table as Markdown: the same runs give the same text.

    Rows, notes and paragraphs of the file as it was `before` stay, but for the systems of the jobs.
    """
    systems: dict[str, list[Job]] = {}
    for job in sorted(jobs, key=lambda job: (job.experiment, job.seed)):
        systems.setdefault(job.experiment, []).append(job)
    found = rows(before) | {name: row(runs, called=called) for name, runs in systems.items()}
    noted = notes(before) | {name: runs[0].expect.note or "" for name, runs in systems.items()}
    yield from (*TITLE, INTRODUCTION, "", *paragraphs(before))
    for cells in (HEADER, ["---"] * len(HEADER), *(found[name] for name in sorted(found))):
        yield f"| {' | '.join(cells)} |"
    if any(noted.values()):
        yield from ("", NOTES, "")
        yield from (f"- `{name}`: {note}" for name, note in sorted(noted.items()) if note)


def rows(text: str) -> dict[str, tuple[str, ...]]:
    """Return the rows of a table that was written before, by system; those of an earlier form get a source."""
    lines = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in text.splitlines() if line.startswith("| ")]
    if not lines:
        return {}
    called = re.search(r"^Written by (`.+`) from", text, re.MULTILINE)
    default = {"source": called[1] if called else ""}
    cells = [default | dict(zip(lines[0], line, strict=False)) for line in lines[2:]]
    return {line["system"]: tuple(line.get(name, "") for name in HEADER) for line in cells if "system" in line}


def notes(text: str) -> dict[str, str]:
    """Return the notes below a table that was written before, by system."""
    return dict(re.findall(r"^- `(.+?)`: (.+)$", text.partition(NOTES)[2], re.MULTILINE))


def paragraphs(text: str) -> list[str]:
    """Return what somebody wrote between the introduction and the table, with an empty line behind it."""
    found = text.partition(f"{INTRODUCTION}\n")[2].partition("| system")[0].strip()
    return [*found.splitlines(), ""] if found else []


def row(runs: Sequence[Job], *, called: str) -> tuple[str, ...]:
    """Return the cells of one system; a shortfall and a missing run stand out in bold."""
    expect = runs[0].expect
    ended = [job.record for job in runs if job.is_done and job.expect.metric in job.record["metrics"]]
    values = [record["metrics"][expect.metric] for record in ended]
    spread = f" ± {stdev(values):.4f}" if len(values) > 1 else ""
    count = f"n = {len(values)}" if len(values) == len(runs) else f"**{len(values)} of {len(runs)} runs**"
    count += f", {expect.runs} are asked" if len(runs) < expect.runs else ""
    words = [word for word in runs[0].given if not word.startswith("seed=")]
    words += [f"{key}=RUN_OF_{needed.experiment}" for key, needed in runs[0].needs]
    day = max((record["ended"][:10] for record in ended), default="")
    cells = (
        runs[0].experiment,
        f"`python -m src.train {' '.join(words)}`",
        expect.metric,
        "" if expect.published is None else f"{expect.published:g}",
        expect.asked,
        f"{mean(values):.4f}{spread} ({count})" if values else count,
        verdict(expect, values),
        f"{mean(record['seconds'] for record in ended):.1f} s" if ended else "",
        "; ".join(sorted({machine(record["host"]) for record in ended})),
        ", ".join(filter(None, [f"`{called}`", day])),
    )
    return tuple(text.replace("|", r"\|").replace("\n", " ") for text in cells)


def verdict(expect: Expect, values: Sequence[float]) -> str:
    """Whether the figures are what was asked, and how many of them where a share is; empty without a bound."""
    if not values or not expect.asked:
        return ""
    word = "yes" if expect.is_met(values) else "**NO**"
    return word if expect.share is None else f"{word}, {expect.kept(values)} of {len(values)}"


def machine(host: Mapping[str, Any]) -> str:
    """The processor, its threads and the GPUs of a run, in one line."""
    threads = f"{host['threads']} thread{'s' if host['threads'] != 1 else ''}"
    return ", ".join([host["cpu"], threads, *host["gpus"]])
