"""Whether a model stands several calls at once: asked from several threads, with different inputs, as hard as it goes."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from modelport.assembly.direct import direct_call
from modelport.errors import ConfigError
from modelport.testing.equality import same_answer

THREADS, CALLS, HANG_S = 8, 50, 30.0
SWITCH_S = 1e-6
"""How often the interpreter turns to another thread: a thousand times as often as it usually does, so that races show."""
WORTH_IT = 1.5
"""So many times the work of one thread is more than chance."""
MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Concurrency:
    """What a model did under several threads. `wrong`, `raised` and `stuck` say it call by call, each in one line."""

    name: str
    threads: int
    calls: int
    wrong: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    unsteady: tuple[str, ...] = ()
    """Examples that got different answers one after the other, with nobody beside them: what others did to them cannot be told."""
    speedup: float = 1.0
    """How many times the work of one thread all of them did."""

    @property
    def safe(self) -> bool:
        """Whether every call got the answer that it gets alone."""
        return not (self.wrong or self.raised or self.stuck)

    @property
    def advice(self) -> str:
        """What to declare, and why."""
        if self.unsteady and self.safe:
            return "give the model a fixed seed for this check: mix-ups hide behind answers that differ anyway"
        if not self.safe:
            return (
                "leave parallel=… out: by default one call runs at a time. Or keep what belongs to one call in local variables, "
                "not on self or in a global; or guard it with a lock"
            )
        if self.speedup < WORTH_IT:
            return (
                f"parallel={self.threads} does no harm, and gains nothing: the calls held one another up, as code does that holds "
                "the interpreter; batch=True may gain more"
            )
        return f"parallel={self.threads} may be declared: the threads did {self.speedup:.1f} times the work of one"

    def check(self) -> None:
        """Raise AssertionError where it is not safe."""
        if not self.safe:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        verdict = "stood" if self.safe else "is not safe under"
        lines = [f"{self.name} {verdict} {self.calls:,} calls from {self.threads} threads"]
        found = (
            ("wrong answers", self.wrong),
            ("raised", self.raised),
            ("stuck", self.stuck),
            ("unsteady", self.unsteady),
        )
        for title, texts in found:
            if texts:
                lines.append(f"  {title}: {len(texts):,}")
                lines += [f"    {text}" for text in texts[:MOST_TOLD]]
        return "\n".join([*lines, f"  advice: {self.advice}"])


def check_concurrency(
    model: Any,
    examples: Sequence[Any],
    *,
    threads: int = THREADS,
    calls: int = CALLS,
    hang_s: float = HANG_S,
) -> Concurrency:
    """Ask a model from `threads` threads, `calls` times each, and hold every answer against the one that it gives alone.

    `model`: the handle of a declared model, the class or function itself, an object with `predict`, or the path of a saved
    model. `examples`: at least two different inputs, else no mix-up would show. `hang_s`: with no answer for so long, those
    that still run count as stuck. That it found nothing is no proof; what it found is one.

    Raises SetupError where the model cannot be loaded, or fails when it is asked alone.
    """
    if len(examples) < 2 or threads < 2:
        raise ConfigError(
            "check_concurrency wants at least two different examples and two threads: else no mix-up would show"
        )
    ask, name = direct_call(model), _name(model)
    started = monotonic()
    expected = [_alone(ask, example, index) for index, example in enumerate(examples)]
    one_s = (monotonic() - started) / len(examples)
    again = [_alone(ask, example, index) for index, example in enumerate(examples)]
    unsteady = [i for i, pair in enumerate(zip(expected, again, strict=True)) if not same_answer(*pair)]
    trial = _Trial(ask, examples, expected, frozenset(unsteady), threads, calls)
    seconds = trial.run(hang_s)
    return Concurrency(
        name,
        threads,
        trial.done,
        tuple(trial.wrong),
        tuple(trial.raised),
        tuple(trial.stuck),
        tuple(f"example {i}" for i in unsteady),
        one_s * trial.done / seconds if seconds else 1.0,
    )


def _name(model: Any) -> str:
    said = model if isinstance(model, str) else getattr(model, "name", None) or getattr(model, "__name__", None)
    return str(said or type(model).__name__)


def _alone(ask: Callable[[Any], Any], example: Any, index: int) -> Any:
    try:
        return ask(example)
    except Exception as error:
        raise ConfigError(
            f"example {index} fails when it is asked alone: {type(error).__name__}: {error}; give examples that are answered"
        ) from error


@dataclass
class _Trial:
    ask: Callable[[Any], Any]
    examples: Sequence[Any]
    expected: Sequence[Any]
    unsteady: frozenset[int]
    threads: int
    calls: int
    wrong: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    over: bool = False

    def __post_init__(self) -> None:
        self._counts = [0] * self.threads

    @property
    def done(self) -> int:
        return sum(self._counts)

    def run(self, hang_s: float) -> float:
        """Seconds that it took."""
        barrier = threading.Barrier(self.threads + 1)
        workers = [
            threading.Thread(target=self._work, args=(index, barrier), name=f"modelport-check-{index}", daemon=True)
            for index in range(self.threads)
        ]
        for worker in workers:
            worker.start()
        with _switching_often():
            barrier.wait()
            started = monotonic()
            self._join(workers, hang_s)
            return monotonic() - started

    def _work(self, thread: int, barrier: threading.Barrier) -> None:
        barrier.wait()
        for call in range(self.calls):
            if self.over:
                return
            self._ask_one((thread + call) % len(self.examples))
            self._counts[thread] += 1

    def _ask_one(self, index: int) -> None:
        try:
            got = self.ask(self.examples[index])
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            self.raised.append(f"example {index}: {type(error).__name__}: {error} ({last.filename}:{last.lineno})")
            return
        if index not in self.unsteady and not same_answer(self.expected[index], got):
            whose = next((i for i, e in enumerate(self.expected) if i != index and same_answer(e, got)), None)
            told = f", the answer to example {whose}" if whose is not None else ""
            self.wrong.append(f"example {index}: expected {self.expected[index]!r:.80}, got {got!r:.80}{told}")

    def _join(self, workers: Sequence[threading.Thread], hang_s: float) -> None:
        """Until all have ended, or none has got an answer for long."""
        done, since = self.done, monotonic()
        while any(worker.is_alive() for worker in workers):
            next(worker for worker in workers if worker.is_alive()).join(0.05)
            if self.done != done:
                done, since = self.done, monotonic()
            elif monotonic() - since > hang_s:
                self.over = True
                self.stuck += [_where(worker) for worker in workers if worker.is_alive()]
                return


@contextmanager
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _where(worker: threading.Thread) -> str:
    frame = sys._current_frames().get(worker.ident or 0)
    last = traceback.extract_stack(frame)[-1] if frame else None
    return f"{worker.name} at {last.filename}:{last.lineno}: {last.line}" if last else worker.name
