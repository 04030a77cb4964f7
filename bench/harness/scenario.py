"""What the engine's scenarios share: options, servers that are ready, a sheet of findings, and the page of them all."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bench.harness import environment
from bench.harness.comparison import number
from bench.harness.errors import BenchError
from bench.harness.gates import Gate, Verdict
from bench.harness.report import gate_table, miss_sentence
from bench.harness.tables import Table
from bench.lineup import OURS, PEERS
from modelport.compare.client import fetch_status
from modelport.compare.processes import ServerProcess, serving

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("bench/results")
WORK = Path("build/bench")
CONSTRAINTS = Path("constraints.txt")
REQUIREMENTS = Path("bench/requirements.txt")
READY_LIMIT_S = 120.0

PAGES = {
    "engine": (
        Path("docs/performance-engine.md"),
        """\
# Performance: the engine

What happens to callers when a model blocks, dies, is flooded or replaced. Each section is one command; every server runs
on the same machine in the same run, FastAPI on Uvicorn as its documentation starts it. Gates are ours alone: the control
is measured, not judged.""",
    ),
    "services": (
        Path("docs/performance-services.md"),
        """\
# Performance: services in Python

What models in Python gain over the same function in a FastAPI endpoint, and what ordinary routes and mounted applications
cost. Each section is one command; both servers run on the same machine in the same run. Gates are ours alone: the control is
measured, not judged.""",
    ),
    "compile": (
        Path("docs/performance-compile.md"),
        """\
# Performance: compiled models

What [compilation](how-to/compile.md) gains. Each section is one command; both servers run on the same machine in the same run.
Gates are ours alone: the control is measured, not judged.""",
    ),
    "ship": (
        Path("docs/performance-ship.md"),
        """\
# Performance: the shipped image

What [`modelport ship docker`](how-to/ship-docker.md) makes, beside what a careful user of FastAPI would write by the same
recipe. Gates are ours alone: the control is measured, not judged.""",
    ),
    "returns": (
        Path("docs/performance-returns.md"),
        """\
# Performance: answers

What it costs to write what models return. Both servers run on the same machine in the same run.""",
    ),
}
"""Pages of results, by the kind of a scenario."""

KINDS = {
    "async_model": "services",
    "batched_function": "services",
    "mounted_flask": "services",
    "ordinary_route": "services",
    "large_bodies": "returns",
}
"""Of scenarios whose name does not begin with their kind."""


def kind_of(name: str) -> str:
    """The kind of a scenario."""
    return KINDS.get(name, name.partition("_")[0])


class Sheet:
    """The findings of one scenario: numbers beside the control's, promises, and remarks."""

    def __init__(self, name: str, title: str, introduction: str, control: str = "FastAPI + Uvicorn") -> None:
        self.name, self.title, self.introduction, self.control = name, title, introduction, control
        self.machine = environment.machine()
        self.rows: list[list[str]] = []
        self.verdicts: list[Verdict] = []
        self.notes: list[str] = []

    def compare(self, what: str, ours: object, control: object = None, unit: str = "") -> None:
        """One line of the table: numbers or texts; None where the control was not asked."""
        self.rows.append([what, _shown(ours, unit), "–" if control is None else _shown(control, unit)])

    def promise(
        self, title: str, value: float, relation: Literal["at least", "at most"], limit: float, unit: str = ""
    ) -> None:
        """A number that must hold."""
        self.verdicts.append(Verdict(Gate(title, lambda _: value, relation, limit, unit), value))

    def note(self, text: str) -> None:
        """Something to know beside the numbers."""
        self.notes.append(text)

    def table(self) -> Table:
        """Ours beside the control."""
        return Table("Observed", ["what", "Modelport", self.control], self.rows)

    def content(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Everything, for the results file."""
        promises = gate_table(self.verdicts)
        return {
            "name": self.name,
            "title": self.title,
            "introduction": self.introduction,
            "command": f"python -m bench.{self.name}",
            "options": dict(vars(arguments)),
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": self.machine,
            "observed": {"header": self.table().header, "rows": self.rows},
            "promises": {"header": promises.header, "rows": promises.rows},
            "notes": self.notes,
        }


def _shown(value: object, unit: str) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,}{unit}" if isinstance(value, int) else f"{number(value)}{unit}"


Measure = Callable[[argparse.Namespace, Sheet], None]


def main(
    sheet: Sheet, parser: argparse.ArgumentParser, measure: Measure, arguments: Sequence[str] | None = None
) -> int:
    """Run a scenario; 0 where every promise was kept, 1 on a miss, 2 where there is no result."""
    parser.prog = f"python -m bench.{sheet.name}"
    parser.add_argument("--short", action="store_true", help="a quick run, whose result is not published")
    parser.add_argument(
        "--here", action="store_true", help="run the package of this environment, not an installed copy"
    )
    parser.add_argument("--no-control", action="store_true", help="leave out the control")
    parser.add_argument("--cores", default="0,1", help="of the servers; default 0,1")
    options = parser.parse_args(arguments)
    os.chdir(ROOT)
    WORK.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the finally blocks: no server stays behind
    try:
        _prepare(options)
        measure(options, sheet)
    except BenchError as error:
        print(f"{sheet.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{sheet.name}: interrupted, nothing written", file=sys.stderr)
        return 130
    return publish(sheet, options)


def _prepare(options: argparse.Namespace) -> None:
    if environment.is_busy():
        say(f"the machine was busy just now (load {os.getloadavg()[0]:.2f}): if it stays so, every number suffers")
    if not options.no_control:
        environment.ensure_environment(PEERS, REQUIREMENTS, CONSTRAINTS)
    if not options.here:
        environment.install_tree(OURS, ".[onnx,sklearn]", CONSTRAINTS)


def publish(sheet: Sheet, options: argparse.Namespace) -> int:
    """Print the findings, write them, render the page anew, and return the exit status."""
    print(f"{sheet.title}\n\n{gate_table(sheet.verdicts).plain()}\n\n{sheet.table().plain()}")
    for note in sheet.notes:
        print(f"- {note}")
    partial = options.short or options.no_control
    path = RESULTS / f"{sheet.name}{'.partial' if partial else ''}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sheet.content(options), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"wrote {path}")
    if not partial:
        kind = kind_of(sheet.name)
        PAGES[kind][0].write_text(page(kind), encoding="utf-8")
        say(f"wrote {PAGES[kind][0]}")
    missed = [verdict for verdict in sheet.verdicts if verdict.missed]
    for verdict in missed:
        print(miss_sentence(verdict), file=sys.stderr)
    return 1 if missed else 0


def page(kind: str) -> str:
    """The page of all scenarios of a kind that have a published result."""
    files = sorted(
        path for path in RESULTS.glob("*.json") if ".partial" not in path.name and kind_of(path.stem) == kind
    )
    sections = [_section(json.loads(path.read_text(encoding="utf-8"))) for path in files]
    return "\n\n".join([PAGES[kind][1], *sections]) + "\n"


def _section(content: dict[str, Any]) -> str:
    machine = ", ".join(f"{key} {value}" for key, value in content["machine"].items())
    parts = [
        f"## {content['title']}",
        f"*`{content['command']}` on {content['date']}; {machine}.*",
        content["introduction"],
        _table(content["promises"]),
        _table(content["observed"]),
    ]
    if content["notes"]:
        parts.append("\n".join(f"- {note}" for note in content["notes"]))
    return "\n\n".join(parts)


def _table(content: dict[str, Any]) -> str:
    return Table("", content["header"], content["rows"]).markdown().partition("\n\n")[2]


# -- servers -----------------------------------------------------------------------------------------------------------


@contextmanager
def ours(
    options: argparse.Namespace, target: str, *flags: str, name: str = "ours", port: int | None = None
) -> Iterator[ServerProcess]:
    """Modelport with an app of `bench/contestants`, or an artifact, ready."""
    python = sys.executable if options.here else environment.python_of(OURS)
    path = target if "/" in target else f"bench/contestants/{target}.py"
    command = [python, "-m", "modelport", "serve", path, "--port", "{port}", *flags]
    with serving(command, core=options.cores, cwd=ROOT, log=WORK / f"{name}.log", port=port) as server:
        wait_until(server, "/readyz")
        yield server


@contextmanager
def control(
    options: argparse.Namespace, app: str, *flags: str, name: str = "control", port: int | None = None
) -> Iterator[ServerProcess]:
    """FastAPI on Uvicorn with an app of `bench/contestants`, ready."""
    target = f"bench.contestants.{app}_fastapi:app"
    command = [environment.python_of(PEERS), "-m", "uvicorn", target, "--port", "{port}", "--no-access-log", *flags]
    with serving(command, core=options.cores, cwd=ROOT, log=WORK / f"{name}.log", port=port) as server:
        wait_until(server, "/livez")
        yield server


def wait_until(server: ServerProcess, path: str) -> None:
    """Until the server answers 200 there."""
    end = time.monotonic() + READY_LIMIT_S
    while fetch_status(server.port, path) != 200:
        server.check_alive()
        if time.monotonic() > end:
            raise BenchError(f"not ready within {READY_LIMIT_S:g} s:\n{server.log_tail()}")
        time.sleep(0.02)


def say(text: str) -> None:
    """Tell what is going on without mixing it into the report."""
    print(text, file=sys.stderr, flush=True)
