"""Which form of a saved model serves: compiled code, or the original with the library it was trained with.

Workers look whether the answer is known; the supervisor decides once for all of them, and starts the compiler where it is not.
A decision stands until the next start or reload. Told the time; starts nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

COMPILE_SECONDS = 30.0
"""How long a first start waits for the compiler before the original serves. The compiler goes on, for the next start."""

COMPILED, ORIGINAL, UNKNOWN = "compiled", "original", "unknown"

Source = dict[str, Any]
"""A saved model as it crosses to other processes: its file as `target`, its `options`, and the `folder` of whoever declares it."""

Form = dict[str, Any]
"""As it crosses to the workers: `form`, its `executor` and the `reason`, the `folder` of a compiled one, and `why` it is not;
the `version` of what was looked at."""


@dataclass(slots=True)
class FormDecision:
    """One decision. `start_compiler` is called at most once; `decide` at most once, with the form that serves."""

    start_compiler: Callable[[], None]
    decide: Callable[[Form], None]
    limit_s: float = COMPILE_SECONDS
    decided: Form | None = None
    planned: Form | None = None
    compiling_until: float = 0.0

    @property
    def compiling(self) -> bool:
        """Whether workers wait for the compiler."""
        return self.decided is None and self.compiling_until > 0

    def reported(self, form: Form, now: float) -> None:
        """A worker has looked. The first one that knows decides."""
        if self.decided is not None or self.compiling_until:
            return None
        if form["form"] != UNKNOWN:
            return self._settle(form)
        self.planned, self.compiling_until = form, now + self.limit_s
        return self.start_compiler()

    def compiler_said(self, form: Form) -> None:
        """The compiler is done, one way or the other."""
        if self.compiling:
            self._settle(form)

    def compiler_ended(self, how: str) -> None:
        """Without a word."""
        if self.compiling:
            self._settle(self._original(f"the compiler ended: {how}"))

    def watch(self, now: float) -> None:
        """Wait no longer than is bearable."""
        if self.compiling and now > self.compiling_until:
            self._settle(self._original(TOO_LONG))

    def wait_on(self) -> None:
        """Without limit: what is compiled cannot serve in another form."""
        self.compiling_until = inf if self.compiling else self.compiling_until

    def _original(self, why: str) -> Form:
        return {**(self.planned or {}), "form": ORIGINAL, "why": why}

    def _settle(self, form: Form) -> None:
        self.decided = form
        self.decide(form)


TOO_LONG = f"compiling takes more than {COMPILE_SECONDS:g} s; if it succeeds, the next start serves the compiled form"
