"""Which form serves: decided once, by whoever knows first, and never later than is bearable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from modelport.runtime.forms import COMPILE_SECONDS, COMPILED, ORIGINAL, UNKNOWN, Form, FormDecision

KNOWN = {"form": COMPILED, "executor": "inline", "reason": "small", "why": "", "folder": "f"}
NOT_KNOWN = {"form": UNKNOWN, "executor": "process", "reason": "its library", "why": "", "folder": ""}


@dataclass
class Seen:
    """What a decision has done."""

    started: int = 0
    decided: list[Form] = field(default_factory=list)
    decision: FormDecision = field(init=False)

    def __post_init__(self) -> None:
        self.decision = FormDecision(self._start, self.decided.append)

    def _start(self) -> None:
        self.started += 1


def test_a_form_that_is_known_serves_at_once() -> None:
    seen = Seen()
    seen.decision.reported(KNOWN, 0.0)
    assert (seen.started, seen.decided, seen.decision.compiling) == (0, [KNOWN], False)


def test_what_is_not_known_is_compiled_and_waited_for() -> None:
    seen = Seen()
    seen.decision.reported(NOT_KNOWN, 0.0)
    seen.decision.watch(COMPILE_SECONDS - 0.1)
    assert (seen.started, seen.decided, seen.decision.compiling) == (1, [], True)
    seen.decision.compiler_said(KNOWN)
    assert (seen.decided, seen.decision.compiling) == ([KNOWN], False)


def test_the_original_serves_where_compiling_takes_too_long_and_says_so() -> None:
    seen = Seen()
    seen.decision.reported(NOT_KNOWN, 0.0)
    seen.decision.watch(COMPILE_SECONDS + 0.1)
    (form,) = seen.decided
    assert (form["form"], form["executor"], form["reason"]) == (ORIGINAL, "process", "its library")
    assert "the next start" in form["why"]
    seen.decision.compiler_said(KNOWN)  # late: for the next start
    assert seen.decided == [form]


def test_the_original_serves_where_the_compiler_dies_and_says_how() -> None:
    seen = Seen()
    seen.decision.reported(NOT_KNOWN, 0.0)
    seen.decision.compiler_ended("killed by SIGSEGV")
    assert seen.decided[0]["form"] == ORIGINAL
    assert "SIGSEGV" in seen.decided[0]["why"]


def test_what_an_earlier_compiler_says_decides_nothing() -> None:
    seen = Seen()
    seen.decision.compiler_said(KNOWN)
    seen.decision.compiler_ended("exit code 0")
    assert seen.decided == []


events = st.lists(
    st.one_of(
        st.tuples(st.just("reported"), st.sampled_from([KNOWN, NOT_KNOWN])),
        st.tuples(st.just("said"), st.sampled_from([KNOWN, {**NOT_KNOWN, "form": ORIGINAL, "why": "a row"}])),
        st.tuples(st.just("ended"), st.just({})),
        st.tuples(st.just("watch"), st.floats(0, 100)),
    ),
    max_size=20,
)


@given(events)
def test_whatever_happens_one_form_is_decided_at_most_and_the_compiler_started_at_most_once(
    happened: list[tuple[str, Any]],
) -> None:
    seen = Seen()
    for what, value in happened:
        if what == "reported":
            seen.decision.reported(value, 0.0)
        elif what == "said" and seen.started:
            seen.decision.compiler_said(value)
        elif what == "ended" and seen.started:
            seen.decision.compiler_ended("exit code 1")
        elif what == "watch":
            seen.decision.watch(value)
    assert seen.started <= 1
    assert len(seen.decided) <= 1
    assert seen.decision.decided == (seen.decided[0] if seen.decided else None)
