"""Wrappers of XGBoost among the steps of a pipeline. What they hold is in the booster, whose own format outlives versions."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from modelport.native.repairs.former import keep_rules
from modelport.native.repairs.repair import repair


@repair(
    "XGBModel",
    saved="<9",
    reason="wrappers of XGBoost read parameters when they predict that did not exist when the file was written",
)
def booster_parameters(thing: Any, state: Any) -> Any:
    """The defaults of the installed release, for those that the file does not name."""
    if not isinstance(state, dict) or not type(thing).__module__.startswith("xgboost."):
        return None
    base: Any = next(cls for cls in type(thing).__mro__ if cls.__name__ == "XGBModel")
    parameters = inspect.signature(base).parameters.values()
    known = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    missing = {name: value for name, value in known.items() if name not in state}
    return {**missing, **state} if missing else None


class NamedClasses:
    """Answers with the classes that it was trained on, which it encodes itself, as XGBoost did until 1.5."""

    @property
    def classes_(self: Any) -> Any:
        """In the order of the probabilities."""
        return self._former_classes

    def predict(self: Any, X: Any, **given: Any) -> Any:
        """One class per row of X."""
        found = super().predict(X, **given)  # type: ignore[misc]
        return found if given.get("output_margin") else self._former_classes[np.asarray(found).astype(int)]


@repair(
    "XGBClassifier",
    saved="<1.9",
    reason="classes were encoded by the wrapper itself until XGBoost 1.5; today it answers with their numbers",
)
def booster_classes(thing: Any, state: Any) -> Any:
    """Keep their names."""
    names = getattr(state.get("_le"), "classes_", None)
    if names is None or np.array_equal(names, np.arange(len(names))):
        return None
    keep_rules(thing, NamedClasses)
    return {**{key: value for key, value in state.items() if key != "classes_"}, "_former_classes": np.asarray(names)}
