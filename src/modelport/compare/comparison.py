"""A comparison from beginning to end: environments, contestants on disk, answers checked, rounds."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import modelport
from modelport.compare import generators
from modelport.compare.cases import Case
from modelport.compare.contestants import Contestant
from modelport.compare.environments import Environment, reason_in, stamp_of
from modelport.compare.forecast import apps_of, asked_of
from modelport.compare.generation import Entry, write_contestants
from modelport.compare.machine import is_busy, machine, share_a_core
from modelport.compare.plan import Plan
from modelport.compare.results import Results
from modelport.compare.subject import Subject
from modelport.compare.trial import Trial
from modelport.errors import SetupError

REQUIREMENTS = Path(__file__).with_name("requirements")


@dataclass(frozen=True)
class Teller:
    """What a run says while it goes on: a line, and how many seconds of work are done of how many."""

    say: Callable[[str], None]
    progress: Callable[[float, float], None]


@dataclass(frozen=True)
class Setting:
    """Who is compared, on what, how, and where the files go."""

    subject: Subject
    contestants: tuple[Contestant, ...]
    cases: tuple[Case, ...]
    plan: Plan
    out: Path
    command: str
    keep_code: bool = False
    """Whether code that lies in the folder already is measured as it is, edits and all."""


def cache_folder() -> Path:
    """Where environments are kept from run to run."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelport" / "compare"


def build_environments(setting: Setting, teller: Teller) -> dict[str, Environment]:
    """Those that the contestants need, each from its own requirements; built once, and again where these change.

    What cannot be installed is told, and whoever needs it left out. Raises SetupError where nobody but Modelport is left.
    """
    found = {}
    for name in dict.fromkeys(c.environment for c in setting.contestants if c.environment):
        wanted = _requirements(setting, name)
        stamp = stamp_of(wanted)
        found[name] = Environment(cache_folder() / f"{name}-{stamp[:12]}")
        if not found[name].is_current(stamp):
            teller.say(f"installing {wanted.name} into {found[name].folder}; this is done once")
            try:
                found[name].build(stamp, "-r", str(wanted))
            except SetupError as error:
                found[name] = replace(found[name], problem=reason_in(str(error)))
                teller.say(f"{wanted.name} cannot be installed here: {found[name].problem}")
    if found and all(environment.problem for environment in found.values()):
        raise SetupError(
            "`pip install` brought none of the contestants here:\n" + "\n".join(e.problem for e in found.values())
        )
    return found


def _requirements(setting: Setting, name: str) -> Path:
    """The file that an environment is made of: what the framework needs, and what the model does."""
    compiled = any(c.compiled for c in setting.contestants if c.environment == name)
    pins = setting.subject.graph_pins if compiled else setting.subject.pins
    wanted = setting.out / "contestants" / f"requirements-{name}.txt"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    shipped = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    wanted.write_text(shipped + "".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    return wanted


def start(setting: Setting, environments: dict[str, Environment]) -> tuple[Results, list[Trial]]:
    """Write the contestants and begin the sheet of results."""
    work = setting.out / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    problems = {c.name: environments[c.environment].problem for c in setting.contestants if c.environment}
    present = [c for c in setting.contestants if not problems.get(c.name)]
    folder, slots = setting.out / "contestants", setting.plan.slots
    entries = write_contestants(present, setting.subject, environments, folder, slots, setting.keep_code)
    results = Results(
        about=_about(setting, environments),
        contestants=[_plain(entry) for entry in entries],
        cases=[dataclasses.asdict(case) for case in setting.cases],
        failed={name: problem for name, problem in problems.items() if problem},
    )
    trials = [
        Trial(entry, setting.subject, asked, setting.plan, work)
        for app, cases in apps_of(setting.cases).items()
        for entry in entries
        if (asked := asked_of(entry.contestant, app, cases))
    ]
    return results, trials


def _plain(entry: Entry) -> dict[str, Any]:
    c = entry.contestant
    return {
        "name": c.name,
        "title": c.title,
        "setup": c.setup,
        "slots": entry.slots,
        "ours": c.is_ours,
        "environment": c.environment or "the environment of this command",
        "command": list(entry.command),
        "folder": f"contestants/{c.name}",
        "edited": dict(entry.edited),
    }


def _about(setting: Setting, environments: dict[str, Environment]) -> dict[str, Any]:
    plan = setting.plan
    return {
        "command": setting.command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "modelport": modelport.__version__,
        "model": {
            "name": setting.subject.name,
            "version": setting.subject.described["version"],
            "form": setting.subject.described.get("form", "original"),
            "rows": len(setting.subject.rows),
            "inputs": len(setting.subject.fields),
        },
        "machine": machine(),
        "generator": generators.found_generator(),
        "plan": dataclasses.asdict(plan),
        "versions": {name: e.versions() for name, e in environments.items() if not e.problem},
        "notes": [*setting.subject.notes, *_warnings(plan)],
    }


def _warnings(plan: Plan) -> list[str]:
    found = []
    if is_busy():
        found.append(f"The machine was busy before the run (load {os.getloadavg()[0]:.2f}); every number may suffer.")
    if generators.offer():
        found.append(generators.offer())
    if share_a_core(plan.cores):
        found.append("The generator's core is the other thread of one of the server's: both slow each other.")
    return found
