"""Which transformers see all columns, one after the other, and which only some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from modelport.artifacts.helpers.chain import MOST_STEPS, Order, Target, find_order
from modelport.artifacts.helpers.columns import Stage, plan_stage
from modelport.artifacts.helpers.steps import Step
from modelport.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class Placed:
    """`partial` see some of the columns, as `stage` says; `order` come after them and see all."""

    order: tuple[Step, ...] = ()
    partial: tuple[Step, ...] = ()
    stage: Stage | None = None
    chosen: bool = False


def place_steps(steps: Sequence[Step], target: Target) -> Placed:
    """Every transformer in its place, as few of them on some columns only as possible. Raises ArtifactError where there is none."""
    if len(steps) > MOST_STEPS:
        raise ArtifactError(f"{len(steps)} transformers for {target.member}: at most {MOST_STEPS} can be put in order")
    for count in range(len(steps) + 1):
        found = list(_with_partial(count, steps, target))
        if len(found) > 1:
            ways = "; or ".join(", ".join(step.member.label for step in placed.partial) for placed in found[:4])
            raise ArtifactError(
                f"the transformers for {target.member} fit in several ways, on some columns only: {ways}. Save a Pipeline"
            )
        if found:
            return found[0]
    raise ArtifactError(_no_place(steps, target))


def _with_partial(count: int, steps: Sequence[Step], target: Target) -> Iterator[Placed]:
    for partial in combinations(steps, count):
        rest = [step for step in steps if step not in partial]
        order = find_order(rest, target)
        if order is None:
            continue
        if not partial:
            yield Placed(order.steps, chosen=order.chosen)
        elif (stage := _stage(partial, order, target)) is not None:
            yield Placed(order.steps, partial, stage, order.chosen)


def _stage(partial: Sequence[Step], order: Order, target: Target) -> Stage | None:
    entrance = order.steps[0].reads if order.steps else target.reads
    return plan_stage(partial, entrance) if entrance else None


def _no_place(steps: Sequence[Step], target: Target) -> str:
    model = f"{target.member} was fitted on {target.takes} columns"
    if len(steps) == 1:
        (step,) = steps
        if step.gives == target.takes:
            return f"{step.member} makes the columns {_listed(step.makes)}, but {model}: {_listed(target.reads)}"
        some = (
            ""
            if step.reads and target.reads
            else (". If it reads some of the columns only, fit both on DataFrames, whose names say which")
        )
        return f"{step.member} gives {step.gives} columns, but {model}{some}"
    return f"no order fits: {'; '.join(map(str, steps))}; {model}. Leave out what was not used to train it"


def _listed(names: Sequence[str] | None) -> str:
    return ", ".join((names or ())[:8]) + (", …" if names and len(names) > 8 else "")
