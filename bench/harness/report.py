"""Turn a run into its raw JSON, a report for the terminal, and a page of documentation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.harness.comparison import number
from bench.harness.gates import Verdict
from bench.harness.samples import Sample, Summary
from bench.harness.tables import Table
from bench.harness.trial import Contestant, Plan


@dataclass(frozen=True)
class Run:
    """Everything that is known about one run of a benchmark."""

    name: str
    command: str
    date: str
    machine: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]
    plan: Plan
    contestants: Sequence[Contestant]
    samples: Sequence[Sample]
    summaries: Mapping[str, Summary]
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Page:
    """The hand-written words of a page around its measured numbers."""

    title: str
    introduction: str
    method: str
    tables: Sequence[Table]
    losses: Sequence[str]


def write_json(run: Run, path: Path) -> None:
    """Write every single sample, so that a reader can compute other statistics than ours."""
    content = {
        "name": run.name,
        "command": run.command,
        "date": run.date,
        "machine": run.machine,
        "versions": run.versions,
        "plan": asdict(run.plan),
        "contestants": [asdict(contestant) for contestant in run.contestants],
        "gates": [_gate(verdict) for verdict in run.verdicts],
        "summaries": {name: asdict(summary) for name, summary in run.summaries.items()},
        "samples": [asdict(sample) for sample in run.samples],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def gate_table(verdicts: Sequence[Verdict]) -> Table:
    """Return what was promised and what was measured."""
    rows = [
        [
            verdict.gate.title,
            f"{verdict.gate.relation} {verdict.gate.limit:g}{verdict.gate.unit}",
            "" if verdict.gate.aim is None else f"{verdict.gate.aim:g}{verdict.gate.unit}",
            "–" if verdict.value is None else f"{number(verdict.value)}{verdict.gate.unit}",
            verdict.word,
        ]
        for verdict in verdicts
    ]
    return Table("Promises", ["promise", "limit", "aim", "measured", "verdict"], rows)


def miss_sentence(verdict: Verdict) -> str:
    """Say which promise was missed, and by how much."""
    gate = verdict.gate
    assert verdict.value is not None
    return f"missed: {gate.title}: {verdict.value:.3f}{gate.unit}, promised {gate.relation} {gate.limit:g}{gate.unit}"


def terminal_report(run: Run, page: Page) -> str:
    """Return all tables as plain text."""
    tables = [*page.tables, gate_table(run.verdicts)]
    return "\n\n".join(table.plain() for table in tables)


def markdown_page(run: Run, page: Page) -> str:
    """Return the page of documentation, rendered from the run alone."""
    parts = [
        f"# {page.title}",
        f"*Rendered by `{run.command}` on {run.date}. Do not edit: run the command again.*",
        page.introduction,
        gate_table(run.verdicts).markdown(),
        *(table.markdown() for table in page.tables),
        _where_we_lose(run, page),
        _contestants(run.contestants),
        f"## How it was measured\n\n{page.method}",
        _machine(run),
        _versions(run),
    ]
    return "\n\n".join(parts) + "\n"


def _gate(verdict: Verdict) -> dict[str, object]:
    gate = verdict.gate
    return {
        "title": gate.title,
        "relation": gate.relation,
        "limit": gate.limit,
        "aim": gate.aim,
        "unit": gate.unit.strip(),
        "value": verdict.value,
        "verdict": verdict.word,
    }


def _where_we_lose(run: Run, page: Page) -> str:
    missed = [f"{miss_sentence(verdict).capitalize()}." for verdict in run.verdicts if verdict.missed]
    short = [
        f"Aim not reached: {verdict.gate.title}: {number(verdict.value or 0)}{verdict.gate.unit}, "
        f"aimed at {verdict.gate.aim:g}{verdict.gate.unit}."
        for verdict in run.verdicts
        if verdict.aim_missed
    ]
    lines = [*missed, *short, *(f"{loss}." for loss in page.losses)]
    text = "\n".join(f"- {line}" for line in lines) or "No number of this run is better elsewhere, the echoes excepted."
    return f"## Where we lose\n\n{text}"


def _contestants(contestants: Sequence[Contestant]) -> str:
    rows = [[f"`{c.name}`", c.description, f"`{' '.join(c.command)}`"] for c in contestants]
    lines = ["| name | what it is | started as |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(["## Contestants", "", *lines])


def _machine(run: Run) -> str:
    return "\n".join(["## Machine", "", *(f"- {key}: {value}" for key, value in run.machine.items())])


def _versions(run: Run) -> str:
    """List what each environment holds in full: an upgrade of a small dependency has changed results before."""
    lines = [
        f"- **{environment}**: {', '.join(f'{name} {version}' for name, version in sorted(packages.items()))}"
        for environment, packages in run.versions.items()
    ]
    return "\n".join(["## Versions", "", *lines])
