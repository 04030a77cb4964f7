"""`modelport compare`: the same model behind Flask, FastAPI and Modelport, measured here, and a report of it."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.compare import cases, contestants, generators
from modelport.compare.baseline import changes, doubts, need_same_model
from modelport.compare.comparison import Setting, Teller, build_environments, start
from modelport.compare.continuation import continue_from
from modelport.compare.forecast import fitted
from modelport.compare.generation import able
from modelport.compare.guests import GUESTS, guests_of
from modelport.compare.machine import choose_cores, need_linux
from modelport.compare.plan import Plan
from modelport.compare.report import render
from modelport.compare.results import Results, read_results
from modelport.compare.run import run
from modelport.compare.subject import read_subject, train_music
from modelport.compare.verdict import sentences
from modelport.config import ServeOptions
from modelport.errors import ConfigError


@dataclass(frozen=True)
class Choice:
    """What the command line said; None where it said nothing."""

    quick: bool
    out: Path
    only: tuple[str, ...]
    cases: tuple[str, ...]
    rounds: int | None
    seconds: float | None
    minutes: float | None
    resume: bool
    slots: int
    cores: int
    price: float | None
    baseline: Path | None
    guests: tuple[str, ...] = ()
    keep_code: bool = False

    @property
    def results(self) -> Path:
        """Where the samples go."""
        return self.out / "results.json"


def run_compare(model: Path | None, options: ServeOptions, choice: Choice) -> int:
    """Measure and write report.html and results.json; of a run that is complete, resumed, write the report alone.

    0 well, 1 for a regression, 130 where it was interrupted.
    """
    if choice.minutes is not None and choice.seconds is not None:
        raise ConfigError("--minutes chooses how long each load is, and so does --seconds: give one of them")
    earlier = None if choice.baseline is None else read_results(choice.baseline)  # before hours of work, not after
    begun = _begun(choice)
    if begun is not None and begun.complete:
        print("the run in this folder is complete: nothing is measured, its report is written anew", file=sys.stderr)
        return _publish(begun, choice, False, earlier)
    need_linux()
    generators.need_tools()
    setting = _setting(model, options, choice)
    with _telling() as teller:
        if generators.offer():
            teller.say(generators.offer())
        environments = build_environments(setting, teller)
        results, trials = start(setting, environments)
        if begun is not None:
            continue_from(results, begun)
        if earlier is not None:
            need_same_model(results, earlier)
        interrupted = _measured(setting, results, trials, teller)
    results.write(choice.results)
    return _publish(results, choice, interrupted, earlier)


def _setting(model: Path | None, options: ServeOptions, choice: Choice) -> Setting:
    if model is None and not choice.quick:
        raise ConfigError("give the file of your model, or --quick, which brings one:  modelport compare --quick")
    usual = contestants.QUICK if choice.quick else tuple(c.name for c in contestants.CONTESTANTS)
    names = (*(choice.only or usual), *guests_of(choice.guests))
    wanted = choice.cases or (cases.QUICK if choice.quick else tuple(c.name for c in cases.CASES))
    known, asked = contestants.select(names, GUESTS), cases.select(wanted)  # refused before anything is written
    chosen = tuple(c for c in known if not c.only_cases or {*c.only_cases} & {case.name for case in asked})
    plan = _plan(choice)
    if choice.minutes is not None:
        plan = fitted(chosen, asked, plan, choice.minutes)
    if model is None:
        model, options = train_music(choice.out / "model", options)
    able_ones, subject = able(chosen, read_subject(model, options))
    return Setting(
        subject=subject,
        contestants=able_ones,
        cases=asked,
        plan=plan,
        out=choice.out,
        command=shlex.join(["modelport", *sys.argv[1:]]),
        keep_code=choice.keep_code,
    )


def _begun(choice: Choice) -> Results | None:
    """The run to go on with."""
    if not choice.resume:
        return None
    if not choice.results.exists():
        raise ConfigError(
            f"--resume: there is no {choice.results}, so no run to go on with; begin one without --resume"
        )
    begun = read_results(choice.results)
    if not (begun.complete or choice.keep_code) and any(c.get("edited") for c in begun.contestants):
        raise ConfigError("--resume: code of this run was edited, and would be written anew; say --keep-code again")
    return begun


def _plan(choice: Choice) -> Plan:
    rounds = choice.rounds or (3 if choice.quick else 5)
    seconds = choice.seconds or (2.5 if choice.quick else 5.0)
    return Plan(
        rounds=rounds,
        warm_up_s=1.0 if choice.quick else 2.0,
        capacity_s=seconds,
        latency_s=seconds,
        rates=3 if choice.quick else 6,
        work_rates=3,
        slots=choice.slots,
        cores=choose_cores(os.sched_getaffinity(0), choice.cores),
    )


def _measured(setting: Setting, results: Results, trials: list[Any], teller: Teller) -> bool:
    """Whether it was interrupted: what was measured until then is kept."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(setting, results, trials, teller, lambda: results.write(setting.out / "results.json"))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second one would leave no report
        return True
    return False


def _publish(results: Results, choice: Choice, interrupted: bool, earlier: Results | None) -> int:
    page = choice.out / "report.html"
    page.write_text(render(results, choice.price), encoding="utf-8")
    for sentence in sentences(results):
        print(sentence)
    print(f"\n{page}")
    if interrupted:
        print("modelport: interrupted: the report holds what was measured until then", file=sys.stderr)
        if results.done:
            print("the same command with --resume goes on from there", file=sys.stderr)
        return 130
    return 0 if earlier is None else _judged(results, earlier)


def _judged(results: Results, earlier: Results) -> int:
    """1 where Modelport got worse than the intervals allow."""
    for doubt in doubts(results, earlier):
        print(f"modelport: not the same machine: {doubt}", file=sys.stderr)
    found = changes(results, earlier)
    for change in found:
        print(change.in_words())
    return 1 if any(change.is_regression for change in found) else 0


@contextmanager
def _telling() -> Iterator[Teller]:
    """A bar on a terminal, lines elsewhere; all of it on standard error."""
    if not sys.stderr.isatty():
        yield Teller(lambda text: print(text, file=sys.stderr, flush=True), lambda done, total: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("measuring"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=None)
        yield Teller(
            lambda text: progress.console.print(text, highlight=False, markup=False),
            lambda done, total: progress.update(task, completed=done, total=total),
        )
