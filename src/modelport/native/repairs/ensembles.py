"""Bagging, voting, stacking, calibration, chains, one-vs-rest, searches."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.native.repairs.former import keep_rules
from modelport.native.repairs.linear import batch_scores
from modelport.native.repairs.repair import Repair, renamed, repair

estimator_parameter = renamed(
    "estimator-parameter",
    "BaseEnsemble",
    "CalibratedClassifierCV",
    "_CalibratedClassifier",
    "_BaseChain",
    "SelfTrainingClassifier",
    saved="<1.7",
    reason="the parameter base_estimator is called estimator since 1.2, of chains and self-training since 1.6 and 1.7",
    base_estimator="estimator",
    base_estimator_="estimator_",
)


class LastOfTies:
    """Of classes with equal scores the last one."""

    def predict(self: Any, X: Any) -> Any:
        """The label of each row of X."""
        from sklearn.multiclass import _predict_binary

        if self.label_binarizer_.y_type_ != "multiclass":
            return super().predict(X)  # type: ignore[misc]
        scores = [_predict_binary(estimator, X) for estimator in self.estimators_]
        best, chosen = np.full(len(scores[0]), -np.inf), np.zeros(len(scores[0]), int)
        for number, score in enumerate(scores):
            best = np.maximum(best, score)
            chosen[best == score] = number
        return self.classes_[chosen]


@repair(
    "OneVsRestClassifier",
    saved="<1.8",
    installed=">=1.8",
    reason="of classes with equal scores the last one won until 1.7, and the first since",
)
def one_vs_rest_ties(thing: Any, state: Any) -> Any:
    """Keep it so."""
    keep_rules(thing, LastOfTies)
    return dict(state)


class SharesOfNothing:
    """Not a number where the probabilities of all classes are zero."""

    def predict_proba(self: Any, X: Any) -> Any:
        """One row per row of X."""
        scores = np.array([estimator.predict_proba(X)[:, 1] for estimator in self.estimators_]).T
        if len(self.estimators_) == 1:
            scores = np.column_stack([1 - scores, scores])
        if not self.multilabel_:
            with np.errstate(invalid="ignore"):
                scores /= scores.sum(axis=1)[:, np.newaxis]
        return scores


@repair(
    "OneVsRestClassifier",
    saved="<1.7",
    installed=">=1.7",
    reason="where all probabilities are zero they are zero since 1.7, before that not a number",
)
def one_vs_rest_shares(thing: Any, state: Any) -> Any:
    """Keep it so, where the models inside give probabilities at all."""
    if not all(hasattr(estimator, "predict_proba") for estimator in state.get("estimators_", ())):
        return None
    keep_rules(thing, SharesOfNothing)
    return dict(state)


stacking_labels = renamed(
    "stacking-labels",
    "StackingClassifier",
    saved="<1.2",
    reason="the encoder of labels has another name since 1.2, when several targets became possible",
    _le="_label_encoder",
)


dummy_strategy = Repair(
    "dummy-strategy",
    ("DummyClassifier",),
    "<0.24",
    ">=1.4",
    "the strategy that was settled on is kept beside the parameter since 0.22",
    lambda _, state: None if "_strategy" in state else {**state, "_strategy": state.get("strategy")},
)


@repair("_CalibratedClassifier", saved="<0.24", reason="each part of a calibrated classifier got other names in 0.24")
def calibrators(_: Any, state: Any) -> Any:
    """The same parts by their new names."""
    if "calibrators_" not in state:
        return None
    kept = {"estimator": state.get("base_estimator", state.get("estimator")), "method": state["method"]}
    return {**kept, "calibrators": state["calibrators_"], "classes": state["classes_"]}


isotonic_thresholds = renamed(
    "isotonic-thresholds",
    "IsotonicRegression",
    saved="<0.24",
    reason="thresholds became public in 0.24",
    _necessary_X_="X_thresholds_",
    _necessary_y_="y_thresholds_",
)


@repair(
    "BaseKMeans",
    "_BaseKMeans",
    "KMeans",
    "MiniBatchKMeans",
    saved="<0.23",
    reason="the number of threads is settled in training since 0.23",
)
def cluster_threads(_: Any, state: Any) -> Any:
    """One: it changes nothing but the time."""
    return None if "_n_threads" in state else {**state, "_n_threads": 1}


@repair("GaussianProcessRegressor", saved="<0.23", reason="targets are scaled as well as centred since 0.23")
def process_scale(_: Any, state: Any) -> Any:
    """By one."""
    mean = state.get("_y_train_mean")
    if mean is None or "_y_train_std" in state:
        return None
    return {**state, "_y_train_std": np.ones_like(np.asarray(mean, float))}


class PairVotes:
    """Scores of each class from those of pairs, scaled by the batch that they are in."""

    def decision_function(self: Any, X: Any) -> Any:
        """One score per class, or per row where there are two."""
        from sklearn.multiclass import _predict_binary

        chosen = self.pairwise_indices_
        parts = [X] * len(self.estimators_) if chosen is None else [X[:, columns] for columns in chosen]
        votes = np.column_stack([part.predict(rows) for part, rows in zip(self.estimators_, parts, strict=True)])
        scores = np.column_stack(
            [_predict_binary(part, rows) for part, rows in zip(self.estimators_, parts, strict=True)]
        )
        found = batch_scores(votes, scores, len(self.classes_))
        return found[:, 1] if len(self.classes_) == 2 else found

    def predict(self: Any, X: Any) -> Any:
        """The label of each row of X."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]


@repair(
    "OneVsOneClassifier",
    saved="<0.21",
    reason="scores were scaled by the whole batch until 0.20, and are by their row since",
)
def pair_votes(thing: Any, state: Any) -> Any:
    """Keep it so."""
    keep_rules(thing, PairVotes)
    return dict(state)
