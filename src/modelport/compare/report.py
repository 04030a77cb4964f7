"""`report.html`: one file, made from the results alone, that asks for nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from modelport.compare import figure_sections, sections
from modelport.compare.method import doubts, method
from modelport.compare.results import Results
from modelport.compare.verdict import sentences

CSS = Path(__file__).with_name("report.css")


def render(results: Results, price: float | None = None) -> str:
    """The whole page."""
    model = results.about["model"]
    title = f"Flask, FastAPI, Modelport: {model['name']}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">Measured on {escape(results.about["date"])} by <code>{escape(results.about["command"])}</code></p>',
        f'<div class="verdict">{"".join(f"<p>{escape(s)}</p>" for s in sentences(results))}</div>',
        *_notes(results),
        sections.speed(results),
        sections.latency(results),
        sections.losing(results),
        figure_sections.hardships(results),
        sections.memory(results),
        figure_sections.memory(results),
        sections.conduct(results),
        sections.claims_table(results),
        sections.cost_table(results, price),
        sections.lineup(results),
        method(results),
        _raw(results),
    ]
    return _page(title, body)


def _page(title: str, body: Sequence[str]) -> str:
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{CSS.read_text(encoding='utf-8')}</style></head><body>"
    )
    return head + "\n".join(part for part in body if part) + "</body></html>\n"


def _notes(results: Results) -> list[str]:
    notes = list(results.about["notes"])
    if not results.complete:
        notes.insert(0, "This run was interrupted: what follows is what had been measured by then.")
    found = [f"<p>{escape(note)}</p>" for note in (*notes, *doubts(results))]
    found += [_failure(f"{results.title(name)} ({name})", why) for name, why in results.failed.items()]
    return [f'<div class="note">{"".join(found)}</div>'] if found else []


def _failure(who: str, why: str) -> str:
    """What went wrong in a line, and what was said of it below."""
    first, _, rest = why.strip().partition("\n")
    more = f"<details><summary>What it said</summary><pre>{escape(rest)}</pre></details>" if rest else ""
    return f"<p>{escape(f'{who} is not measured whole: {first}')}</p>{more}"


def _raw(results: Results) -> str:
    versions: dict[str, dict[str, Any]] = results.about["versions"]
    listed = "".join(
        f'<h3><a href="contestants/requirements-{escape(name)}.txt">{escape(name)}</a></h3>'
        f"<p>{escape(', '.join(f'{p} {v}' for p, v in sorted(packages.items())))}</p>"
        for name, packages in versions.items()
    )
    shown = json.dumps(results.about["plan"], indent=1)
    return (
        "<h2>Raw data, and how to measure again</h2>"
        '<p><a href="results.json">results.json</a> holds every sample, latencies as counts in buckets of 1 %.</p>'
        f"<pre>{escape(results.about['command'])}</pre><details><summary>The plan</summary><pre>{escape(shown)}</pre></details>"
        f"<details><summary>Versions of every package</summary>{listed}</details>"
    )
