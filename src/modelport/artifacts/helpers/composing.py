"""One estimator out of the pieces that a model was saved in. Each finds its place by what it is, never by its name alone.

    columns in the caller's names
      → encoders of single columns      {"genre": LabelEncoder()}
      → transformers of some columns    by the names that they were fitted with
      → transformers of all columns     by the widths and names that they were fitted with
      → the model
      → names for its classes           a LabelEncoder of the label, or what it was made of by hand

What has no place is refused: a model without its scaler answers, and wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from modelport.artifacts.helpers.chain import Target
from modelport.artifacts.helpers.codes import column_encoder, is_column_codes, is_label_encoder
from modelport.artifacts.helpers.columns import Stage, build_stage
from modelport.artifacts.helpers.labels import Labels, find_labels, is_of_label
from modelport.artifacts.helpers.members import Member, is_container, kind_of_thing, texts_of, unpack
from modelport.artifacts.helpers.naming import give_names
from modelport.artifacts.helpers.outcome import find_target_scaler, scale_back
from modelport.artifacts.helpers.placing import Placed, place_steps
from modelport.artifacts.helpers.steps import Step, is_step, names_of, read_step, refuse_unfitted, width_of
from modelport.artifacts.loaders.sklearn_parts import all_parts, has_method
from modelport.errors import ArtifactError
from modelport.kernel.ports import Hints


@dataclass(frozen=True, slots=True)
class Composed:
    """The whole model, with what is now known of its inputs and classes, and how it was put together."""

    estimator: Any
    hints: Hints
    notes: tuple[str, ...] = ()


def compose(thing: Any, path: Path, helpers: Sequence[Member], hints: Hints) -> Composed:
    """Put together what a file holds and what lies beside it. Raises ArtifactError naming the piece that has no place."""
    if not helpers and not is_container(thing):
        return Composed(thing, hints)
    members = unpack(Member(path.name, thing))
    model = _find_model(members, helpers, path)
    return _Whole(model, [m for m in (*members, *helpers) if m is not model], hints).compose()


def is_model(thing: Any) -> bool:
    """Whether it is something that predicts, not a class of such."""
    return has_method(thing, "predict") and not isinstance(thing, type)


def _find_model(members: Sequence[Member], helpers: Sequence[Member], path: Path) -> Member:
    models = [member for member in members if is_model(member.thing)]
    if len(models) == 1:
        return models[0]
    held = "; ".join(f"{m.label.removeprefix(path.name)}: {kind_of_thing(m.thing)}".lstrip(": ") for m in members[:12])
    if models:
        raise ArtifactError(
            f"{path} holds {len(models)} models ({', '.join(map(str, models[:4]))}): save each to a file of its own"
        )
    other = next((m for m in helpers if is_model(m.thing)), None)
    if other is not None:
        raise ArtifactError(
            f"{path} holds no model ({held}), but {other} is one: name its file first, and {path} with --with"
        )
    what = "nothing" if not members else held
    raise ArtifactError(f"{path} holds no model, which is something with a predict method. It holds {what}")


@dataclass(slots=True)
class _Whole:
    """The pieces around a model: `left` are those that have no place yet."""

    model: Member
    left: list[Member]
    hints: Hints
    notes: list[str] = field(default_factory=list)
    lists: list[Member] = field(default_factory=list)  # that name columns

    def compose(self) -> Composed:
        """Find a place for each."""
        thing = self.model.thing
        target = Target(self.model, width_of(thing), names_of(thing))
        self._refuse_second_models()
        columns = self._take_column_encoders(target)
        steps = [read_step(m) for m in self._take(lambda m: is_step(m.thing) and not is_of_label(m, thing))]
        self._refuse_doubles(steps)
        scaling, steps = find_target_scaler(steps, target)
        target, steps = self._give_names(target, steps)
        self._take_labels(target, steps)
        placed = place_steps(steps, target)
        if placed.chosen:
            order = ", then ".join(step.member.label for step in placed.order)
            self.notes.append(f"applied in the order in which they were given, though others fit, too: {order}")
        estimator = self._assemble(placed, columns, target)
        if scaling is not None:
            estimator = scale_back(estimator, scaling)
            self.notes.append(f"answers scaled back by {scaling.member}, which does not fit the inputs")
        self._refuse_the_rest(target)
        return Composed(estimator, self.hints, tuple(self.notes))

    def _take(self, wanted: Callable[[Member], bool]) -> list[Member]:
        taken = [member for member in self.left if wanted(member)]
        self.left = [member for member in self.left if member not in taken]
        return taken

    # -- names and classes ---------------------------------------------------------------------------------------

    def _take_column_encoders(self, target: Target) -> list[Member]:
        """Those that lie in a dict under the name of a column that another piece knows, too."""
        known = {*(target.reads or ()), *self.hints.features}
        for member in self.left:
            known |= {*(names_of(member.thing) or ()), *(texts_of(member.thing) or ())}
        found = self._take(lambda m: m.key in known and (is_label_encoder(m.thing) or is_column_codes(m.thing)))
        for member in found:
            if is_label_encoder(member.thing):
                refuse_unfitted(member)
        return found

    def _give_names(self, target: Target, steps: list[Step]) -> tuple[Target, list[Step]]:
        told = [Member(self.hints.named_by, list(self.hints.features))] if self.hints.features else []
        lists = [m for m in (*told, *self.left) if texts_of(m.thing)]
        used, target, steps = give_names(lists, target, steps)
        self.lists = used
        self._take(lambda m: m in used)
        if used:
            self.notes.append(f"names of columns from {', '.join(m.label for m in used)}")
        return target, steps

    def _take_labels(self, target: Target, steps: Sequence[Step]) -> None:
        known = {*(target.reads or ()), *(name for step in steps for name in step.reads or ())}
        labels: Labels | None = find_labels(self.left, self.model.thing, known)
        if labels is None:
            return
        self._take(lambda m: m in labels.members)
        self.hints = replace(self.hints, classes=self.hints.classes or labels.names)
        shown = ", ".join(f"{i} is {name}" for i, name in enumerate(labels.names[:6]))
        self.notes.append(f"names of the classes from {labels.members[0].label}: {shown}")

    # -- putting together ----------------------------------------------------------------------------------------

    def _assemble(self, placed: Placed, encoders: Sequence[Member], target: Target) -> Any:
        entrance = placed.order[0].reads if placed.order else target.reads
        stages = [placed.stage] if placed.stage else []
        names = placed.stage.names if placed.stage else entrance
        if encoders:
            stages.insert(0, _encoder_stage(encoders, names, target))
        parts = [part for i, stage in enumerate(stages) for part in build_stage(stage, named=i == 0)]
        parts += [step.member.thing for step in placed.order]
        members = [*encoders, *(s.member for s in placed.partial), *(s.member for s in placed.order), self.model]
        if stages:
            self.hints = replace(self.hints, features=())  # what comes in has its names already
        elif entrance and (names_of(parts[0] if parts else target.member.thing)) is None:
            first = placed.order[0].member if placed.order else target.member
            who = next((m for m in self.lists if texts_of(m.thing) == list(entrance)), first)
            self.hints = replace(self.hints, features=tuple(entrance), named_by=who.label)
        if not parts:
            return self.model.thing
        from sklearn.pipeline import make_pipeline

        self.notes.insert(0, f"put together: {' → '.join(map(str, members))}")
        return make_pipeline(*parts, self.model.thing)

    # -- refusals ------------------------------------------------------------------------------------------------

    def _refuse_second_models(self) -> None:
        second = next((m for m in self.left if is_model(m.thing)), None)
        if second is not None:
            raise ArtifactError(
                f"{second} is a second model beside {self.model}: serve one, and leave the other out or in a file of its own"
            )

    def _refuse_doubles(self, steps: Sequence[Step]) -> None:
        inside = {(type(part), width_of(part)) for part in all_parts(self.model.thing)}
        double = next((s for s in steps if (type(s.member.thing), s.takes) in inside), None)
        if double is not None:
            name = type(double.member.thing).__name__
            raise ArtifactError(
                f"{self.model} has a {name} of {double.takes} columns in it already: leave {double.member} out"
            )

    def _refuse_the_rest(self, target: Target) -> None:
        """What changes inputs or answers, and what the user has named, may not be left out. The rest is only told."""
        lost = next((m for m in self.left if m.told or _does_something(m.thing)), None)
        if lost is not None:
            raise ArtifactError(f"{lost} has no place beside {self.model}{_looked_for(lost, target)}")
        if self.left:
            shown = ", ".join(map(str, self.left[:8]))
            self.notes.append(f"not used: {shown}{', …' if len(self.left) > 8 else ''}")


def _encoder_stage(encoders: Sequence[Member], names: Sequence[str] | None, target: Target) -> Stage:
    missing = [m.key for m in encoders if m.key not in (names or ())]
    if names is None or missing:
        raise ArtifactError(
            f"{encoders[0]} encodes the column {(missing or [encoders[0].key])[0]!r}, but {target.member} does not say "
            "which of its inputs that is: give the names of all, in training order, with --features or a list of columns"
        )
    twice = next((m for i, m in enumerate(encoders) if m.key in [e.key for e in encoders[:i]]), None)
    if twice is not None:
        raise ArtifactError(f"{twice} is a second encoder of the column {twice.key!r}: leave one of them out")
    parts = tuple((column_encoder(m), (m.key,), (m.key,)) for m in encoders)
    return Stage(parts, tuple(names), tuple(names))


def _does_something(thing: Any) -> bool:
    return any(has_method(thing, name) for name in ("transform", "inverse_transform", "predict"))


def _looked_for(member: Member, target: Target) -> str:
    """What would have given it a place."""
    thing = member.thing
    width = "" if target.takes is None else f" ({target.takes})"
    if is_label_encoder(thing):
        count = len(thing.classes_)
        classes = getattr(target.member.thing, "classes_", None)
        own = "predicts no classes" if classes is None else f"has the classes {_shown(classes)}"
        return (
            f": it has {count} labels, and the model {own}, so it is not of the label. If it encodes a column, say which: "
            f'joblib.dump({{"NAME OF THE COLUMN": encoder}}, "encoders.pkl")'
        )
    if texts_of(thing):
        return f": a list of names has as many as the model has inputs{width}, or as the model has classes that are numbers"
    return (
        f": looked for a fitted transformer, a list of column names{width}, an encoder of the label, or a dict that gives "
        "numbers to the values of a column"
    )


def _shown(classes: Any) -> str:
    shown = ", ".join(map(str, list(classes)[:5]))
    return shown if len(classes) <= 5 else f"{shown}, … ({len(classes)} in all)"
