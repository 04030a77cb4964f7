"""The scaler of what a regression predicts: its answers are brought back to the unit that the label had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelport.artifacts.helpers.chain import Target
from modelport.artifacts.helpers.steps import Step
from modelport.artifacts.loaders.sklearn_parts import has_method, stored


def find_target_scaler(steps: Sequence[Step], target: Target) -> tuple[Step | None, list[Step]]:
    """A transformer of one column that is none of the inputs, beside one that sees them all; and the other steps.

    Of a scaler without names that is alone nobody can tell whether it scales the label or an input, so it is left to be refused.
    """
    if stored(target.member.thing, "classes_") is not None or target.takes in (None, 1):
        return None, list(steps)
    inputs = {name for s in steps if s.takes != 1 for name in s.reads or ()} | {*(target.reads or ())}
    others = [s for s in steps if s.takes != 1]
    found = [s for s in steps if s.takes == 1 and s.gives == 1 and has_method(s.member.thing, "inverse_transform")]
    named = [s for s in found if s.reads and inputs and s.reads[0] not in inputs]
    nameless = [s for s in found if s.reads is None and others]
    chosen = named or nameless
    if len(chosen) != 1:
        return None, list(steps)
    return chosen[0], [s for s in steps if s is not chosen[0]]


def scale_back(estimator: Any, scaling: Step) -> Any:
    """The whole with its answers scaled back: scikit-learn's own form of it, fitted already."""
    from sklearn.compose import TransformedTargetRegressor

    whole = TransformedTargetRegressor(regressor=estimator, transformer=scaling.member.thing)
    whole.regressor_, whole.transformer_ = estimator, scaling.member.thing
    whole._training_dim = 1
    names = stored(estimator, "feature_names_in_")
    if names is not None:
        whole.feature_names_in_ = names
    return whole
