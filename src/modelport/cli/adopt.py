"""`modelport adopt`: what a Flask or FastAPI application does, what breaks in it, and the service that takes its place."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelport.adopt.facts import LEVELS, Finding, ModelFile, Report, Route
from modelport.adopt.reading import read_app
from modelport.adopt.writing import default_path, plan_service, service_text, write_service

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT = "service.py"
_COLOURS = {"breaks": "red", "wrong": "magenta", "risk": "yellow", "note": "dim"}


def run_adopt(path: Path, write: Path | None, force: bool, as_json: bool) -> int:
    """Read, print, and write `service.py` where that is asked for."""
    report, analysis = read_app(path)
    moves = plan_service(report, analysis)
    if write is not None:
        target = default_path(analysis) if write == Path(DEFAULT) else write
        write_service(target, service_text(report, analysis, moves, target), analysis, force)
        report.written = str(target)
    if as_json:
        print(json.dumps(plain(report), indent=2, ensure_ascii=False, default=str))
    else:
        _print(report)
    return 0


def plain(report: Report) -> dict[str, Any]:
    """A report as `--json` prints it."""
    told = dataclasses.asdict(report)
    for model in told["models"]:
        model.pop("key")
    told["findings"] = [
        {**f, "place": str(finding.place)} for f, finding in zip(told["findings"], report.findings, strict=True)
    ]
    for key in ("routes", "models"):
        for entry, fact in zip(told[key], getattr(report, key), strict=True):
            entry["place"] = str(fact.place)
    return told


def _print(report: Report) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    console.print(f"{report.app} makes a {_NAMES[report.framework]} application, {report.variable}.", markup=False)
    console.print(f"Read, not run: {', '.join(report.files)}\n", markup=False)
    _print_routes(console, report.routes)
    _print_models(console, report.models)
    _print_findings(console, report.findings)
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    _print_moves(console, report)


def _print_moves(console: Console, report: Report) -> None:
    """What the written service does, or would."""
    predicting = [route for route in report.routes if route.moved or route.stays]
    if predicting:
        console.print("\n[bold]Routes that predict[/bold]")
    for route in predicting:
        what = "moves into the service, typed and batched" if route.moved else f"stays mounted: {route.stays}"
        console.print(f"  {'|'.join(route.methods)} {route.path}  {what}", markup=False, soft_wrap=True)
    if report.written:
        console.print(
            f"\nWrote {report.written}. Serve it:  modelport serve {report.written}", markup=False, soft_wrap=True
        )
    elif predicting:
        console.print(f"\nWrite the service:  modelport adopt {report.app} --write", markup=False, soft_wrap=True)


_NAMES = {"flask": "Flask", "fastapi": "FastAPI"}


def _print_routes(console: Console, routes: list[Route]) -> None:
    from rich.table import Table

    table = Table(title="Routes", title_justify="left")
    for heading in ("route", "handler", "takes", "model", "gives"):
        table.add_column(heading, overflow="fold")  # a path that is cut short leads nowhere
    for route in routes:
        table.add_row(
            *map(_safe, (f"{'|'.join(route.methods)} {route.path}", f"{route.handler}\n{route.place}", _takes(route))),
            _safe("\n".join(filter(None, [", ".join(route.models), _order(route)]))),
            _safe("\n".join(route.answers)),
        )
    console.print(table)


def _safe(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _takes(route: Route) -> str:
    lines = []
    for entry in route.inputs:
        names = ", ".join(entry.names[:8]) + (f", … {len(entry.names) - 8} more" if len(entry.names) > 8 else "")
        lines.append(f"{entry.source}{f' {entry.type}' if entry.type else ''}{': ' if names else ''}{names}")
    return "\n".join(lines) or "nothing"


def _order(route: Route) -> str:
    who = {"client": "in the client's order", "code": "", "schema": "in the order of the class"}.get(route.order, "")
    named = [name for name in route.features if name]
    shown = ", ".join(named[:8]) + (" …" if len(named) > 8 else "")
    return "\n".join(filter(None, [shown, who]))


def _print_models(console: Console, models: list[ModelFile]) -> None:
    from rich.table import Table

    if not models:
        console.print("No file is loaded that holds a model.")
        return
    table = Table(title="Models and helper files", title_justify="left")
    for heading in ("file", "is", "loaded", "holds"):
        table.add_column(heading, overflow="fold")
    for model in models:
        when = _WHEN.get(model.when, "where nothing calls it")
        written = model.written or "a path that only a run would tell"
        table.add_row(
            *map(
                _safe,
                (written, f"{model.role}\n{model.variable}", f"{when}\n{model.loader}\n{model.place}", _holds(model)),
            )
        )
    console.print(table)


_WHEN = {
    "import": "at import",
    "main": "only as __main__",
    "startup": "at start-up",
    "request": "at every request",
    "lazily": "once, when first needed",
}


def _holds(model: ModelFile) -> str:
    stored = model.stored
    if model.path is None:
        return "not there" if model.written else ""
    if stored is None or stored.error:
        return stored.error if stored else ""
    saved = f"{stored.library} {stored.version}".strip()
    head = f"{stored.cls.rpartition('.')[2]}{f' of {saved}' if stored.version else ''}"
    names = [name for name, _ in stored.fields] or list(stored.features)
    shown = ", ".join(names[:8]) + (f", … {len(names) - 8} more" if len(names) > 8 else "")
    return "\n".join(filter(None, [head, shown]))


def _print_findings(console: Console, findings: list[Finding]) -> None:
    if not findings:
        console.print("\nNothing was found that breaks or is wrong under today's versions.")
        return
    for level, meaning in LEVELS.items():
        found = [f for f in findings if f.level == level]
        if found:
            console.print(f"\n[bold {_COLOURS[level]}]{level}[/] ({len(found)}): {meaning}")
        for finding in found:
            console.print(f"  [bold]{_safe(str(finding.place))}[/bold]  {_safe(finding.what)}", soft_wrap=True)
            console.print(f"      {_safe(finding.remedy)}  [dim]{finding.rule}[/dim]", soft_wrap=True)
