"""In which order transformers come before a model: by the widths and the names that they were fitted with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from modelport.artifacts.helpers.members import Member
from modelport.artifacts.helpers.steps import Step
from modelport.errors import ArtifactError

MOST_STEPS = 6
"""Whose orders are tried: 720."""


@dataclass(frozen=True, slots=True)
class Target:
    """The model: how many columns it takes where it says so, and their names."""

    member: Member
    takes: int | None
    reads: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Order:
    """The steps, first one first. `chosen` says that others would have fitted, too, and the user's order decided."""

    steps: tuple[Step, ...]
    chosen: bool = False


def find_order(steps: Sequence[Step], target: Target) -> Order | None:
    """The order in which each takes what the one before it gives, and the last gives what the model takes; None without one.

    Raises ArtifactError where several would do and the user's files say nothing of their order.
    """
    if not steps:
        return Order(())
    if len(steps) > MOST_STEPS:
        raise ArtifactError(f"{len(steps)} transformers for {target.member}: at most {MOST_STEPS} can be put in order")
    fitting = [order for order in permutations(steps) if _fits(order, target)]
    best = max((_agreements(order, target) for order in fitting), default=0)
    fitting = [order for order in fitting if _agreements(order, target) == best]
    if len(fitting) < 2:
        return Order(fitting[0]) if fitting else None
    if all(step.member.ordered for step in steps):
        given = next((order for order in fitting if order == tuple(steps)), None)
        if given is not None:
            return Order(given, chosen=True)
    raise ArtifactError(_ambiguous(fitting, target))


def _ambiguous(fitting: Sequence[Sequence[Step]], target: Target) -> str:
    orders = "; or ".join(", then ".join(step.member.label for step in order) for order in fitting[:4])
    flags = " ".join(f"--with {name}" for name in ("FIRST", "SECOND", "THIRD")[: len(fitting[0])])
    return (
        f"the transformers for {target.member} fit in several orders: {orders}. Save each to a file of its own and name "
        f"them in the order in which they were applied:  {flags}"
    )


def _links(order: Sequence[Step], target: Target) -> list[tuple[Step, int | None, tuple[str, ...] | None]]:
    """Each step with the width and the names that whatever follows it was fitted with."""
    following = [(step.takes, step.reads) for step in order[1:]] + [(target.takes, target.reads)]
    return [(step, width, names) for step, (width, names) in zip(order, following, strict=True)]


def _fits(order: Sequence[Step], target: Target) -> bool:
    if any(step.takes is None for step in order[1:]):  # texts are read first, or never
        return False
    return all(
        (width is None or step.gives in (None, width)) and not _contradict(step, names)
        for step, width, names in _links(order, target)
    )


def _contradict(step: Step, names: tuple[str, ...] | None) -> bool:
    """Whether the same columns are wanted behind a step, but others or in another order.

    Names that have nothing in common were given anew in between.
    """
    if names is None or step.makes is None or not step.keeps_columns:
        return False
    return step.makes != names and not set(step.makes).isdisjoint(names)


def _agreements(order: Sequence[Step], target: Target) -> int:
    return sum(names is not None and step.makes == names for step, _, names in _links(order, target))
