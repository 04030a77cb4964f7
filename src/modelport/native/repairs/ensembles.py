"""Bagging, voting, stacking, calibration, chains, one-vs-rest, searches."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.native.repairs.former import keep_rules
from modelport.native.repairs.repair import renamed, repair

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
