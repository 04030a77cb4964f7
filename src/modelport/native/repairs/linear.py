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
    if not single and within(state.get("_sklearn_version", ""), "<0.20"):
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


class LabelsAlone:
    """Tells the nearest class, and neither scores nor probabilities."""

    @property
    def predict_proba(self) -> Any:
        """There are none."""
        raise AttributeError("predict_proba: the release that saved it has none")

    predict_log_proba = decision_function = predict_proba


@repair(
    "NearestCentroid",
    saved="<1.6",
    reason="classes have weights and probabilities since 1.6; before that they all had the same, and none",
)
def centroid_weights(thing: Any, state: Any) -> Any:
    """The same, and labels alone."""
    if "classes_" not in state or "class_prior_" in state:
        return None
    keep_rules(thing, LabelsAlone)
    return {**state, "class_prior_": np.full(len(state["classes_"]), 1 / len(state["classes_"]))}


@repair(
    "_GeneralizedLinearRegressor",
    saved="<1.1",
    reason="a distribution and a link were one object each until 1.0, and are a loss since",
)
def glm_loss(thing: Any, state: Any) -> Any:
    """The loss with the same link, which is all that answering asks of it."""
    from sklearn._loss import loss

    name, power = type(thing).__name__, state.get("power", 0.0)
    if name == "PoissonRegressor":
        return {**state, "_base_loss": loss.HalfPoissonLoss()}
    if name == "GammaRegressor":
        return {**state, "_base_loss": loss.HalfGammaLoss()}
    identity = state.get("link") == "identity" or (state.get("link", "auto") == "auto" and power <= 0)
    return {**state, "_base_loss": (loss.HalfTweedieLossIdentity if identity else loss.HalfTweedieLoss)(power=power)}


@repair(
    "SVR",
    "NuSVR",
    "OneClassSVM",
    saved="<0.22",
    reason="counts of support vectors were not those of regressions until 0.21",
)
def support_counts(_: Any, state: Any) -> Any:
    """All of them, in one group."""
    vectors = state.get("support_")
    return None if vectors is None else {**state, "_n_support": np.array([len(vectors), 0], np.int32)}


naive_variance = renamed(
    "naive-variance", "GaussianNB", saved="<1.0", reason="variances are called var_ since 1.0", sigma_="var_"
)


class OneVsRestScores:
    """Probabilities by a sigmoid for each class, divided by their sum, as discriminant analysis had them."""

    def predict_proba(self: Any, X: Any) -> Any:
        """One row per row of X."""
        from scipy.special import expit

        scores = expit(self.decision_function(X))
        if scores.ndim == 1:
            return np.column_stack([1 - scores, scores])
        return scores / scores.sum(axis=1)[:, np.newaxis]


@repair(
    "LinearDiscriminantAnalysis",
    saved="<0.21",
    reason="probabilities of three and more classes are a softmax since 0.21",
)
def discriminant_shares(thing: Any, state: Any) -> Any:
    """Keep the sigmoids of before."""
    keep_rules(thing, OneVsRestScores)
    return dict(state)


def batch_scores(votes: Any, confidences: Any, classes: int) -> Any:
    """Votes of pairs of classes, with the sums of their confidences as fractions of the largest one in the whole batch."""
    total, sums, pair = np.zeros((len(votes), classes)), np.zeros((len(votes), classes)), 0
    for first in range(classes):
        for second in range(first + 1, classes):
            sums[:, first] -= confidences[:, pair]
            sums[:, second] += confidences[:, pair]
            total[votes[:, pair] == 0, first] += 1
            total[votes[:, pair] == 1, second] += 1
            pair += 1
    if sums.max() == sums.min():
        return total
    return total + sums * ((0.5 - np.finfo(float).eps) / max(abs(sums.max()), abs(sums.min())))


class PairScores:
    """Scores of each class from those of pairs, scaled by the batch that they are in."""

    def decision_function(self: Any, X: Any) -> Any:
        """One score per class, or per row where there are two."""
        scores = self._decision_function(X)
        if self.decision_function_shape != "ovr" or len(self.classes_) < 3:
            return scores
        return batch_scores(scores < 0, -scores, len(self.classes_))


@repair(
    "BaseSVC",
    saved="<0.21",
    reason="scores of three and more classes were scaled by the whole batch until 0.20, and are by their row since",
)
def pair_scores(thing: Any, state: Any) -> Any:
    """Keep it so."""
    keep_rules(thing, PairScores)
    return dict(state)


class ColumnScores:
    """Scores in a column."""

    def decision_function(self: Any, X: Any) -> Any:
        """One row per row of X."""
        return super().decision_function(X).reshape(-1, 1)  # type: ignore[misc]


@repair("OneClassSVM", saved="<0.20", reason="scores were a column until 0.19, and are a list since")
def one_class_scores(thing: Any, state: Any) -> Any:
    """Keep the column."""
    keep_rules(thing, ColumnScores)
    return dict(state)


class DistanceThreshold:
    """Outliers by their distance itself."""

    def decision_function(self: Any, X: Any) -> Any:
        """One score per row of X."""
        return self.threshold_**0.33 - self.mahalanobis(X) ** 0.33

    def predict(self: Any, X: Any) -> Any:
        """1 or -1 for each row of X."""
        return np.where(self.mahalanobis(X) <= self.threshold_, 1, -1)


@repair(
    "EllipticEnvelope", saved="<0.20", reason="outliers were told by a threshold until 0.19, and are by an offset since"
)
def elliptic_threshold(thing: Any, state: Any) -> Any:
    """Keep it so."""
    if "threshold_" not in state:
        return None
    keep_rules(thing, DistanceThreshold)
    return {**state, "offset_": -state["threshold_"]}
