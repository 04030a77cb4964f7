"""A repair: which classes of which saved and installed versions it is for, why it is right, and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_NUMBERS = re.compile(r"\d+")
_BOUND = re.compile(r"(>=|<)\s*([\d.]+)")

Mend = Callable[[Any, Any], Any]
"""Takes the object and the state that it is to get; gives the state to use instead, or None where there is nothing to mend."""


@dataclass(frozen=True, slots=True)
class Repair:
    """`classes` are names of classes; what is derived from them is mended, too. `reason` is a sentence for reports."""

    name: str
    classes: tuple[str, ...]
    saved: str
    installed: str
    reason: str
    mend: Mend

    def fits(self, saved: str, installed: str) -> bool:
        """Whether it is for files of the one version, read by the other."""
        return within(saved, self.saved) and within(installed, self.installed)


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, to compare it by: (0, 22, 2) of 0.22.2.post1. What tells none is older than all."""
    return tuple(int(number) for number in _NUMBERS.findall(version.partition(".post")[0].partition("rc")[0])[:3])


def within(version: str, bounds: str) -> bool:
    """Whether a version is within bounds such as `>=1.0,<1.5`; series are meant, so patches of 1.4 are below 1.5."""
    own = release(version)
    return all((own < release(bound)) == (sign == "<") for sign, bound in _BOUND.findall(bounds))


def repair(*classes: str, saved: str, installed: str = ">=1.4", reason: str) -> Callable[[Mend], Repair]:
    """Make a repair of a function; it is called as the function is, with dashes."""

    def make(mend: Mend) -> Repair:
        return Repair(mend.__name__.replace("_", "-"), classes, saved, installed, reason, mend)

    return make


def repairs_in(module: Any) -> list[Repair]:
    """Those of a module, in the order in which they are written."""
    return [thing for thing in vars(module).values() if isinstance(thing, Repair)]


def renamed(name: str, *classes: str, saved: str, reason: str, **attributes: str) -> Repair:
    """A repair that only gives attributes their new names: `old="new"`."""

    def mend(_: Any, state: Any) -> Any:
        found = {old: new for old, new in attributes.items() if old in state and new not in state}
        if not found:
            return None
        return {found.get(key, key): value for key, value in state.items()}

    return Repair(name, classes, saved, ">=1.4", reason, mend)


def revalued(name: str, *classes: str, saved: str, reason: str, parameter: str, values: dict[str, str]) -> Repair:
    """A repair that only says a parameter's value in its new word."""

    def mend(_: Any, state: Any) -> Any:
        value = state.get(parameter)
        return {**state, parameter: values[value]} if isinstance(value, str) and value in values else None

    return Repair(name, classes, saved, ">=1.4", reason, mend)
