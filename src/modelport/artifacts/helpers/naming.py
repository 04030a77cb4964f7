"""Lists of column names, given to the pieces that were fitted without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from modelport.artifacts.helpers.chain import Target
from modelport.artifacts.helpers.labels import numbered_classes
from modelport.artifacts.helpers.members import Member, texts_of
from modelport.artifacts.helpers.steps import Step, read_step
from modelport.errors import ArtifactError


def give_names(
    lists: Sequence[Member], target: Target, steps: Sequence[Step]
) -> tuple[list[Member], Target, list[Step]]:
    """Which lists name columns, and the model and the transformers with the names that they get from them.

    A list is of those that take as many columns. Raises ArtifactError where two lists disagree, where one could as well
    name the classes, and where whoever takes as many columns was fitted on others.
    """
    named: dict[int, Member] = {}
    used = []
    for member in lists:
        names = texts_of(member.thing) or []
        owners: list[Target | Step] = [
            *([target] if target.takes == len(names) else []),
            *(s for s in steps if s.takes == len(names)),
        ]
        others = {name for m in lists if m is not member for name in texts_of(m.thing) or ()}
        known = others.union(target.reads or (), *(step.reads or () for step in steps))
        if not owners or (known.isdisjoint(names) and _names_classes(member, names, owners, target)):
            continue
        _refuse_others(member, names, owners)
        _refuse_second(member, named.setdefault(len(names), member))
        used.append(member)
    return used, _named_target(target, named), [_named_step(step, named) for step in steps]


def _names_classes(member: Member, names: Sequence[str], owners: Sequence[Target | Step], target: Target) -> bool:
    """Whether it is no list of columns, although it has the length of one."""
    if numbered_classes(target.member.thing) != len(names):
        return False
    if all(owner.reads for owner in owners):
        return True
    raise ArtifactError(
        f"{member} has {len(names)} names, as many as {owners[0].member} takes columns and as {target.member} has classes: say "
        'what they are. Columns: --features A,B,…; classes: a dict, {"0": "A", "1": "B", …}'
    )


def _refuse_others(member: Member, names: Sequence[str], owners: Sequence[Target | Step]) -> None:
    if any(owner.reads is None or set(owner.reads) == set(names) for owner in owners):
        return
    fitted = owners[0].reads or ()
    odd = next(name for name in names if name not in fitted)
    raise ArtifactError(
        f"{member} names the column {odd!r}, on which {owners[0].member} was not fitted: {', '.join(fitted[:12])}"
    )


def _refuse_second(member: Member, first: Member) -> None:
    if texts_of(member.thing) != texts_of(first.thing):
        raise ArtifactError(f"{first} and {member} name the same number of columns differently: leave one of them out")


def _named_target(target: Target, named: dict[int, Member]) -> Target:
    if target.reads or target.takes not in named:
        return target
    return replace(target, reads=tuple(texts_of(named[target.takes].thing) or ()))


def _named_step(step: Step, named: dict[int, Member]) -> Step:
    if step.reads or step.takes not in named:
        return step
    return read_step(step.member, tuple(texts_of(named[step.takes].thing) or ()))
