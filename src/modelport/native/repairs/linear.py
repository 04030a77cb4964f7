"""Linear models and support vector machines."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.native.repairs.former import keep_rules
from modelport.native.repairs.repair import renamed, repair, revalued, within


class OneVsRest:
    """Probabilities of one model per class, each a sigmoid, divided by their sum."""

    def predict_proba(self: Any, X: Any) -> Any:
        """One row per row of X."""
        from scipy.special import expit

        scores = expit(self.decision_function(X))
        with np.errstate(invalid="ignore"):
            return scores / scores.sum(axis=1)[:, np.newaxis]


class TwoSided:
    """Probabilities of two classes by softmax over the score and its negative, as multinomial models had them."""

    def predict_proba(self: Any, X: Any) -> Any:
        """One row per row of X."""
        from sklearn.utils.extmath import softmax

        scores = self.decision_function(X)
        return softmax(np.column_stack([-scores, scores]))


@repair(
    "LogisticRegression",
    saved="<1.8",
    reason="one model per class (liblinear, or multi_class='ovr') is read as one model of all classes, with other probabilities",
)
def logistic_rules(thing: Any, state: Any) -> Any:
    """Keep the rule that `multi_class`, the solver and the number of classes stood for."""
    classes = len(state["classes_"]) if "classes_" in state else 0
    way = state.get("multi_class", "ovr")
    single = way in ("ovr", "warn") or (
        way in ("auto", "deprecated") and (classes <= 2 or state.get("solver") in ("liblinear", "newton-cholesky"))
    )
    if (single and classes <= 2) or (not single and classes > 2) or not classes:
        return None
    keep_rules(thing, OneVsRest if single else TwoSided)
    return dict(state)


sgd_losses = revalued(
    "sgd-losses",
    "BaseSGD",
    saved="<1.3",
    reason="losses got other names in 1.0 and 1.1, and probabilities are given by name of the loss",
    parameter="loss",
    values={"log": "log_loss", "squared_loss": "squared_error"},
)


@repair(
    "BaseLibSVM",
    saved="<1.9",
    reason="whether probabilities were trained is kept beside the parameter since 1.9, and sparse predictions read it",
)
def svm_probability(_: Any, state: Any) -> Any:
    """What the parameter says."""
    return {**state, "_effective_probability": state.get("probability") is True} if "probability" in state else None


svm_attributes = renamed(
    "svm-attributes",
    "BaseLibSVM",
    saved="<0.24",
    reason="coefficients of Platt's scaling and counts of vectors became private",
    probA_="_probA",
    probB_="_probB",
    n_support_="_n_support",
)


@repair(
    "RidgeClassifier", "RidgeClassifierCV", saved="<1.9", reason="labels are kept by the classifier itself since 1.9"
)
def ridge_labels(_: Any, state: Any) -> Any:
    """Those of the binarizer inside."""
    binarizer = state.get("_label_binarizer")
    return None if binarizer is None or "classes_" in state else {**state, "classes_": binarizer.classes_}


@repair(
    "_PLS",
    saved="<1.5",
    reason="coefficients were for scaled inputs until 1.4, and stood in columns until 1.2",
)
def pls_coefficients(_: Any, state: Any) -> Any:
    """Coefficients by row, for inputs that are not scaled."""
    if "coef_" not in state and "_coef_" not in state:
        return None
    mean, scale = (state.get(f"_x_{part}", state.get(f"x_{part}_")) for part in ("mean", "std"))
    centre, coefficients = state.get("_y_mean", state.get("y_mean_")), state.get("_coef_", state.get("coef_"))
    inputs, outputs = len(mean), len(centre)
    if coefficients.shape == (inputs, outputs) and within(state.get("_sklearn_version", ""), "<1.3"):
        coefficients = coefficients.T
    return {
        **state,
        "coef_": coefficients / scale,
        "intercept_": state.get("intercept_", centre),
        "_predict_1d": state.get("_predict_1d", False),
        **{
            f"_{which}_{part}": state.get(f"_{which}_{part}", state.get(f"{which}_{part}_"))
            for which in "xy"
            for part in ("mean", "std")
        },
    }


@repair("NearestCentroid", saved="<1.6", reason="classes have weights since 1.6; before that they all had the same")
def centroid_weights(_: Any, state: Any) -> Any:
    """The same."""
    if "classes_" not in state or "class_prior_" in state:
        return None
    return {**state, "class_prior_": np.full(len(state["classes_"]), 1 / len(state["classes_"]))}
