"""Names for the classes of a model that was trained on numbers: an encoder of the label, a list of names, or a dict."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.artifacts.helpers.codes import is_label_encoder, labels_of
from modelport.artifacts.helpers.members import Member
from modelport.artifacts.helpers.steps import names_of, refuse_unfitted, width_of
from modelport.artifacts.loaders.sklearn_parts import stored
from modelport.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class Labels:
    """The names of the classes 0, 1, …, and who gave them."""

    names: tuple[Any, ...]
    members: tuple[Member, ...]


def numbered_classes(model: Any) -> int:
    """How many classes a model has, where they are 0, 1, 2, …; 0 for any other model."""
    classes = stored(model, "classes_")
    if classes is None or (isinstance(classes, list) and any(np.ndim(c) for c in classes)):
        return 0
    table = np.asarray(classes)
    return len(table) if table.dtype.kind in "iuf" and np.array_equal(table, np.arange(len(table))) else 0


def is_of_label(member: Member, model: Any) -> bool:
    """Whether it has one column with as many categories as the model has classes, and there is no column for it to be."""
    if type(member.thing).__name__ != "OrdinalEncoder" or width_of(model) == 1 or width_of(member.thing) != 1:
        return False
    count = numbered_classes(model)
    if not count or labels_of(member.thing, count) is None:
        return False
    names, inputs = names_of(member.thing), names_of(model)
    return inputs is None or names is None or names[0] not in inputs


def find_labels(left: Sequence[Member], model: Any, columns: Collection[str]) -> Labels | None:
    """What names the classes. Raises ArtifactError where it might be about one of the columns, or where two disagree."""
    for member in left:
        if is_label_encoder(member.thing):
            refuse_unfitted(member)
    count = numbered_classes(model)
    found = {m: names for m in left if count and (names := labels_of(m.thing, count)) is not None}
    for member in found:
        _refuse_column(member, columns)
    if len(set(found.values())) > 1:
        raise ArtifactError(
            f"{' and '.join(map(str, found))} both could name the {count} classes of the model: leave all but one out, or "
            'save those of columns as {"NAME OF THE COLUMN": encoder}'
        )
    return Labels(next(iter(found.values())), tuple(found)) if found else None


def _refuse_column(member: Member, columns: Collection[str]) -> None:
    words = f" {re.sub(r'[^0-9a-z]+', ' ', member.key.lower())} "
    named = next((c for c in columns if f" {re.sub(r'[^0-9a-z]+', ' ', c.lower()).strip()} " in words), None)
    if named is not None:
        raise ArtifactError(
            f"{member} could name the classes of the model or encode its input {named!r}: if it is of the input, save "
            f'{{"{named}": encoder}}; if it is of the label, under a name in which {named!r} is not'
        )
