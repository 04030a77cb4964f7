"""Gradient boosting, histogram boosting and AdaBoost: their losses, where they start, how they decide."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.native.repairs.former import Forgotten, keep_rules
from modelport.native.repairs.repair import repair, revalued

_LEAST = float(np.finfo(np.float32).eps)
"""Shares of classes were kept this far from 0 and 1 before their logarithm was taken; since 1.8 it is the precision of 64 bits."""

boosting_losses = revalued(
    "boosting-losses",
    "BaseGradientBoosting",
    "BaseHistGradientBoosting",
    saved="<1.3",
    reason="losses got other names in 1.0 and 1.1",
    parameter="loss",
    values={
        "deviance": "log_loss",
        "ls": "squared_error",
        "lad": "absolute_error",
        "binary_crossentropy": "log_loss",
        "categorical_crossentropy": "log_loss",
        "auto": "log_loss",
        "least_squares": "squared_error",
        "least_absolute_deviation": "absolute_error",
    },
)


# -- gradient boosting -------------------------------------------------------------------------------------------------


class BoostedShares:
    """Starts at shares of classes within 32 bits, and decides by the probabilities instead of the scores, which matters in ties."""

    def _raw_predict_init(self: Any, X: Any) -> Any:
        self._check_initialized()
        X = self.estimators_[0, 0]._validate_X_predict(X, check_input=True)
        width = self.estimators_.shape[1]
        if isinstance(self.init_, str):
            return np.zeros((X.shape[0], width))
        if isinstance(self.init_, Forgotten):
            return np.tile(np.broadcast_to(np.ravel(_start_of(self.init_)).astype(float), width), (X.shape[0], 1))
        shares = np.clip(self.init_.predict_proba(X), _LEAST, 1 - _LEAST)
        if width > 1:
            return np.log(shares)
        odds = np.log(shares[:, 1] / (1 - shares[:, 1]))
        return (odds / 2 if self.loss == "exponential" else odds).reshape(-1, 1)

    def predict_proba(self: Any, X: Any) -> Any:
        """One row per row of X."""
        from scipy.special import expit, logsumexp

        scores = self.decision_function(X)
        if scores.ndim == 1:
            second = expit(2 * scores if self.loss == "exponential" else scores)
            return np.column_stack([1 - second, second])
        return np.nan_to_num(np.exp(scores - logsumexp(scores, axis=1)[:, np.newaxis]))

    def predict(self: Any, X: Any) -> Any:
        """The label of each row of X."""
        if self.loss == "exponential":
            return self.classes_[(self.decision_function(X) >= 0).astype(int)]
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def _start_of(start: Forgotten) -> Any:
    """What the estimators of 0.20 and older, which only boosting knew, give to every row."""
    return next((start.state[name] for name in ("prior", "priors", "mean", "quantile") if name in start.state), 0.0)


@repair(
    "GradientBoostingClassifier",
    saved="<1.4",
    reason="losses were other classes until 1.3, and starts and ties were other by a rounding",
)
def boosting_classifier_rules(thing: Any, state: Any) -> Any:
    """The installed loss, which some methods ask, and the rules of before."""
    from sklearn._loss.loss import ExponentialLoss, HalfBinomialLoss, HalfMultinomialLoss

    if "estimators_" not in state:
        return None
    width = state["estimators_"].shape[1]
    loss = HalfMultinomialLoss(n_classes=width) if width > 1 else HalfBinomialLoss()
    keep_rules(thing, BoostedShares)
    loss = ExponentialLoss() if state["loss"] == "exponential" else loss
    return {**state, "_loss": loss, "n_trees_per_iteration_": width}


class NarrowStart:
    """Starts at shares of classes within 32 bits."""

    def _raw_predict_init(self: Any, X: Any) -> Any:
        self._check_initialized()
        X = self.estimators_[0, 0]._validate_X_predict(X, check_input=True)
        shares = np.clip(self.init_.predict_proba(X), _LEAST, 1 - _LEAST, dtype=np.float64)
        shares = shares if self._loss.is_multiclass else shares[:, 1]
        return self._loss.link.link(shares).reshape(len(shares), -1)


@repair(
    "GradientBoostingClassifier",
    saved=">=1.4,<1.8",
    installed=">=1.8",
    reason="shares of classes that another model gives to start from were kept within 32 bits of 0 and 1 until 1.7",
)
def boosting_start(thing: Any, state: Any) -> Any:
    """Keep them there, where that can make a difference: the usual start is no model, but the shares in training."""
    if state.get("init") in (None, "zero"):
        return None
    keep_rules(thing, NarrowStart)
    return dict(state)


@repair("GradientBoostingRegressor", saved="<1.4", reason="losses were other classes until 1.3")
def boosting_regressor_loss(_: Any, state: Any) -> Any:
    """The installed loss: its link is the identity, as it was before."""
    from sklearn._loss.loss import HalfSquaredError
    from sklearn.dummy import DummyRegressor

    if "estimators_" not in state:
        return None
    start = state.get("init_")
    if isinstance(start, Forgotten):
        value = np.reshape(np.asarray(_start_of(start), float), (1, 1))
        start = DummyRegressor(strategy="mean")
        start.constant_, start.n_outputs_ = value, 1
    return {**state, "_loss": HalfSquaredError(), "n_trees_per_iteration_": 1, "init_": start}


# -- histogram boosting ------------------------------------------------------------------------------------------------


@repair(
    "BaseHistGradientBoosting",
    saved="<1.1",
    reason="losses and the shape of the start were others until 1.0",
)
def histogram_loss(thing: Any, state: Any) -> Any:
    """The installed loss of the same name, and one start for each class in a row."""
    if "_baseline_prediction" not in state:
        return None
    start = np.asarray(state["_baseline_prediction"], float).reshape(1, -1)
    mapper = {"_bin_mapper": state["bin_mapper_"]} if "bin_mapper_" in state else {}
    return {**state, **mapper, "_loss": _histogram_loss(state, start.shape[1]), "_baseline_prediction": start}


def _histogram_loss(state: Any, width: int) -> Any:
    from sklearn._loss import loss

    if "classes_" in state:
        return loss.HalfMultinomialLoss(n_classes=width) if width > 1 else loss.HalfBinomialLoss()
    return loss.HalfPoissonLoss() if state.get("loss") == "poisson" else loss.HalfSquaredError()


@repair("TreePredictor", saved="<0.24", reason="nodes know categories since 0.24; older ones have none")
def histogram_nodes(_: Any, state: Any) -> Any:
    """Nodes in the installed layout, and no categories."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    nodes = state["nodes"]
    made = np.zeros(nodes.shape, PREDICTOR_RECORD_DTYPE)
    for field in nodes.dtype.names:
        made["num_threshold" if field == "threshold" else field] = nodes[field]
    none = np.zeros((0, 8), np.uint32)
    return {"nodes": made, "binned_left_cat_bitsets": none, "raw_left_cat_bitsets": none.copy()}


@repair("_BinMapper", saved="<0.24", reason="columns of categories are known since 0.24; before that there were none")
def histogram_columns(_: Any, state: Any) -> Any:
    """None."""
    if "bin_thresholds_" not in state or "is_categorical_" in state:
        return None
    return {**state, "is_categorical_": np.zeros(len(state["bin_thresholds_"]), np.uint8)}


@repair(
    "BaseHistGradientBoosting",
    saved="<1.5",
    reason="columns of categories are encoded inside since 1.4; before that they came as numbers",
)
def histogram_preprocessor(_: Any, state: Any) -> Any:
    """None."""
    return None if "_preprocessor" in state else {**state, "_preprocessor": None, "_is_categorical_remapped": None}


# -- AdaBoost ----------------------------------------------------------------------------------------------------------


class RealBoost:
    """SAMME.R: each tree's log-probabilities, centred, added up."""

    def decision_function(self: Any, X: Any) -> Any:
        """One score per row of X where there are two classes, else one per class."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        X = self._check_X(X)
        return _settle(self, sum(self._votes(tree, X) for tree in self.estimators_))

    def _votes(self: Any, tree: Any, X: Any) -> Any:
        shares = tree.predict_proba(X)
        shares = np.log(np.clip(shares, np.finfo(shares.dtype).eps, None))
        return (self.n_classes_ - 1) * (shares - shares.sum(axis=1)[:, np.newaxis] / self.n_classes_)


class PlainBoost:
    """SAMME before 1.3: the weight of each tree for the class that it predicts, and nothing against the others."""

    def decision_function(self: Any, X: Any) -> Any:
        """One score per row of X where there are two classes, else one per class."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        X = self._check_X(X)
        classes = self.classes_[:, np.newaxis]
        votes = zip(self.estimators_, self.estimator_weights_, strict=False)
        return _settle(self, sum((tree.predict(X) == classes).T * weight for tree, weight in votes))


def _settle(self: Any, scores: Any) -> Any:
    scores = scores / self.estimator_weights_.sum()
    if self.n_classes_ != 2:
        return scores
    scores[:, 0] *= -1
    return scores.sum(axis=1)


@repair(
    "AdaBoostClassifier",
    saved="<1.6",
    reason="SAMME.R, the rule of most AdaBoost models until 1.5, is gone: its models are read as SAMME and predict other classes",
)
def adaboost_rule(thing: Any, state: Any) -> Any:
    """Keep SAMME.R."""
    if state.get("algorithm", "SAMME.R") != "SAMME.R":
        return None
    keep_rules(thing, RealBoost)
    return dict(state)


@repair(
    "AdaBoostClassifier",
    saved="<1.3",
    reason="SAMME counted votes for a class alone until 1.2, and votes against the others since",
)
def adaboost_votes(thing: Any, state: Any) -> Any:
    """Keep it so."""
    if state.get("algorithm", "SAMME.R") != "SAMME":
        return None
    keep_rules(thing, PlainBoost)
    return dict(state)


class WeightedShares:
    """SAMME before 0.22: each tree's probabilities by its weight, instead of its votes."""

    def predict_proba(self: Any, X: Any) -> Any:
        """One row per row of X."""
        X = self._check_X(X)
        votes = zip(self.estimators_, self.estimator_weights_, strict=False)
        total = sum(tree.predict_proba(X) * weight for tree, weight in votes)
        shares = np.exp(total / self.estimator_weights_.sum() / (self.n_classes_ - 1))
        return shares / shares.sum(axis=1)[:, np.newaxis]


@repair(
    "AdaBoostClassifier",
    saved="<0.22",
    reason="probabilities of SAMME came from those of its trees until 0.21, and from their votes since",
)
def adaboost_shares(thing: Any, state: Any) -> Any:
    """Keep it so."""
    if state.get("algorithm", "SAMME.R") != "SAMME":
        return None
    keep_rules(thing, WeightedShares)
    return dict(state)


class GaplessHistogram:
    """Refuses rows with gaps."""

    def _preprocess_X(self: Any, X: Any, *, reset: bool) -> Any:
        from sklearn.utils import check_array

        check_array(X, dtype=np.float64)
        return super()._preprocess_X(X, reset=reset)  # type: ignore[misc]


@repair(
    "BaseHistGradientBoosting",
    saved="<0.22",
    installed=">=1.5",
    reason="rows with gaps were refused by the release that saved it; today they are answered, though training saw none",
)
def gaps_refused_by_histograms(thing: Any, state: Any) -> Any:
    """Refuse them."""
    keep_rules(thing, GaplessHistogram)
    return dict(state)
