"""Gradient boosting, histogram boosting and AdaBoost: their losses, where they start, how they decide."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.native.repairs.former import Forgotten, keep_rules
from modelport.native.repairs.repair import repair, revalued

_LEAST = float(np.finfo(np.float32).eps)
"""Shares of classes were kept this far from 0 and 1 before their logarithm was taken; since 1.4 it is the precision of 64 bits."""

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
            return np.tile(np.ravel(_start_of(self.init_)).astype(float), (X.shape[0], 1))
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
    saved=">=1.4,<1.9",
    installed=">=1.9",
    reason="shares of classes that another model gives to start from were kept within 32 bits of 0 and 1 until 1.8",
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
