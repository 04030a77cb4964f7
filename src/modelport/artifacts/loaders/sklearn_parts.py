"""The parts that a fitted scikit-learn estimator is made of, as far as they see the records themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from modelport.errors import ArtifactError

KNOWN_LIBRARIES = ("sklearn", "xgboost", "lightgbm", "catboost", "imblearn")
VECTORIZERS = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
OBJECT_READERS = ("DictVectorizer", "FeatureHasher")
"""They read loose objects: whatever names a record has, numbers or text."""

COMMITTEES = ("Voting", "Stacking", "OneVsRest", "OneVsOne", "OutputCode", "MultiOutput")
"""Meta-estimators whose `estimators_` all see the very columns that came. Of forests they are trees, of boosting a grid."""

CHAINS = ("ClassifierChain", "RegressorChain")
"""Here only the first sees them; each of the others gets the answers of those before it, too."""

INNER = ("best_estimator_", "regressor_", "estimator_")
"""What search, target and threshold wrappers call the fitted model inside; frozen ones pass everything through."""

DEEPEST = 50
MOST_PARTS = 10_000


def stored(thing: Any, attribute: str) -> Any:
    """An attribute, or None: properties of pipelines and of half-migrated models raise anything."""
    try:
        return getattr(thing, attribute, None)
    except Exception:
        return None


def has_method(thing: Any, name: str) -> bool:
    """Whether a method is there. Conditional ones raise what their check raises."""
    return callable(stored(thing, name))


def steps_of(pipeline: Any) -> list[Any]:
    """The steps of a pipeline that do something; empty for anything else."""
    steps = stored(pipeline, "steps")
    return [s for _, s in steps if s is not None and s != "passthrough"] if isinstance(steps, list) else []


def inner_models(model: Any) -> list[Any]:
    """The fitted models inside a meta-estimator that see the same columns as itself."""
    if not is_known(model):
        return []
    name = type(model).__name__
    members = stored(model, "estimators_")
    if name.startswith(COMMITTEES) and isinstance(members, list):
        return [m for m in members if m != "drop"]
    if name in CHAINS and members:
        return [members[0]]
    if calibrated := stored(model, "calibrated_classifiers_"):
        return [stored(c, "estimator") or stored(c, "base_estimator") for c in calibrated]  # since and before 1.2
    if members is not None or not has_method(model, "predict") or stored(model, "support_") is not None:
        return []  # an ensemble of a kind's own, a transformer, or a selection of columns
    found = next((inner for a in INNER if (inner := stored(model, a)) is not None), None)
    return [found] if hasattr(found, "fit") else []


def first_step(model: Any) -> Any:
    """What the records meet first."""
    while True:
        inside = steps_of(model)[:1] or inner_models(model)[:1]
        if not inside:
            return model
        model = inside[0]


def last_step(model: Any) -> Any:
    """The model at the end of a pipeline."""
    while steps := steps_of(model):
        model = steps[-1]
    return model


def all_parts(model: Any) -> Iterator[Any]:
    """Everything inside, itself first. Raises RecursionError for a forged model that contains itself."""
    waiting = [(model, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > DEEPEST:
            raise RecursionError(f"a model with more than {DEEPEST} others around it")
        yield part
        children = [*steps_of(part), *inner_models(part)]
        for attribute in ("transformers_", "transformer_list"):
            entries = stored(part, attribute)
            children += [entry[1] for entry in entries] if isinstance(entries, list) else []
        waiting += [(child, depth + 1) for child in reversed(children)]


def refuse_endless(thing: Any, label: str) -> None:
    """Everything after this walks through the parts of the model, and would walk for ever."""
    with suppress(RecursionError):
        if sum(1 for _ in islice(all_parts(thing), MOST_PARTS)) < MOST_PARTS:
            return
    raise ArtifactError(f"{label} holds a model that contains itself, or more than {MOST_PARTS:,} parts: it is forged")


def is_vectorizer(step: Any) -> bool:
    """Whether it reads plain texts; a union of vectorizers does, too."""
    if type(step).__name__ == "FeatureUnion":
        return all(is_vectorizer(first_step(part)) for _, part in step.transformer_list)
    return any(c.__name__ in VECTORIZERS for c in type(step).__mro__)


def reads_objects(step: Any) -> bool:
    """Whether it reads a record as an object of names and values, and not as a row."""
    return type(step).__name__ in OBJECT_READERS and is_known(step)


def is_all_sklearn(model: Any) -> bool:
    """Whether every part is scikit-learn's own, the members of ensembles included."""
    members = [m for part in all_parts(model) for m in (part, *_members(part))]
    return all(isinstance(m, str) or type(m).__module__.startswith("sklearn.") for m in members)


def _members(part: Any) -> list[Any]:
    members = stored(part, "estimators_")
    return members if isinstance(members, list) else []


def is_known(step: Any) -> bool:
    """Whether we know what it does with its columns. A FunctionTransformer runs anybody's code."""
    return type(step).__module__.partition(".")[0] in KNOWN_LIBRARIES and type(step).__name__ != "FunctionTransformer"
