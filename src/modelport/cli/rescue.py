"""`modelport rescue`: a model that another version saved, proven and bundled."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from modelport.cli.banner import form_lines
from modelport.config import ServeOptions, refuse_remote


def run_rescue(source: Path, out: Path, options: ServeOptions, force: bool, as_json: bool) -> int:
    """Write the bundle; print the report."""
    from modelport.assembly.rescue import rescue

    refuse_remote(str(source), options)
    with _progress() as progress:
        rescued = rescue(source, out, options, force, progress)
    manifest = rescued.bundle.manifest
    if as_json:
        print(
            json.dumps({"bundle": str(rescued.bundle.path), "compiled": manifest.compiled, **rescued.proof}, indent=2)
        )
        return 0
    print(rescued.report)
    form = {"form": "compiled", **rescued.bundle.measured()} if manifest.compiled else {}
    for line in form_lines(form):
        print(line)
    print(f"\nmodelport serve {rescued.bundle.path}")
    return 0


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """A bar where somebody looks at it, else a line for each step."""
    if not sys.stderr.isatty():
        yield _tell_steps()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda what, done: bar.update(task, description=what, completed=done)


def _tell_steps() -> Callable[[str, float], None]:
    told: list[str] = []

    def tell(what: str, done: float) -> None:
        if what not in told:
            told.append(what)
            print(what, file=sys.stderr, flush=True)

    return tell
