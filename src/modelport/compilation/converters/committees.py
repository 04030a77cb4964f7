"""Models that ask other models and put their answers together."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from modelport.compilation.columns import Columns, join
from modelport.compilation.converters.forests import TREES, read_tree, tables_of
from modelport.compilation.converters.registry import (
    Classes,
    Classified,
    classifier,
    classify,
    classify_one,
    expit,
    name_of,
    predict,
    probabilities,
    regressor,
    softmax,
    transformer,
    two_sides,
)
from modelport.compilation.graph import NotConvertible, Tensor
from modelport.compilation.trees import tree_values

# -- bagging and boosting ------------------------------------------------------------------------------------------


def _all_trees(members: Any) -> bool:
    return all(name_of(m) in TREES and m.n_outputs_ == 1 for m in members)


@classifier("BaggingClassifier")
def bagged_classes(estimator: Any, inputs: Columns) -> Classified:
    """The mean of the members' probabilities, or of their votes where they have none."""
    members, subsets = estimator.estimators_, estimator.estimators_features_
    full = all(len(m.classes_) == estimator.n_classes_ for m in members)
    if _all_trees(members) and full:
        each = tables_of(members, inputs.numbers(name_of(estimator)), subsets)
    else:
        g = inputs.tensor.graph
        tables = [_votes(m, inputs.select(s), estimator.n_classes_) for m, s in zip(members, subsets, strict=True)]
        each = g.concat([t.reshape(-1, 1, estimator.n_classes_) for t in tables])
    mean = each.in_order(1, len(members)) / float(len(members))
    return Classified(mean.argmax(), mean)


def _votes(member: Any, inputs: Columns, classes: int) -> Tensor:
    """One member's table over the classes of the whole."""
    found = classify_one(member, inputs)
    g = inputs.tensor.graph
    known = np.asarray(member.classes_, dtype=np.int64)
    if found.probabilities is not None:
        spread = np.zeros((len(known), classes))
        spread[np.arange(len(known)), known] = 1.0
        return found.probabilities if len(known) == classes else found.probabilities @ spread
    return g.constant(np.eye(classes)[known]).gather(found.labels)


@regressor("BaggingRegressor")
def bagged_values(estimator: Any, inputs: Columns) -> Tensor:
    """The mean of the members."""
    members, subsets = estimator.estimators_, estimator.estimators_features_
    if _all_trees(members):
        each = tables_of(members, inputs.numbers(name_of(estimator)), subsets).reshape(-1, len(members))
    else:
        values = [predict(m, inputs.select(s)) for m, s in zip(members, subsets, strict=True)]
        each = inputs.tensor.graph.stack(values)
    return each.in_order(1, len(members)) / float(len(members))


@classifier("AdaBoostClassifier")
def adaptive_classes(estimator: Any, inputs: Columns) -> Classified:
    """Weighted votes, each against the other classes."""
    members, classes = estimator.estimators_, estimator.n_classes_
    weights = np.asarray(estimator.estimator_weights_)[: len(members)]
    gains = [np.where(np.eye(classes) > 0, w, -1 / (classes - 1) * w) for w in weights]
    if _all_trees(members):
        trees = [read_tree(m) for m in members]
        places = [_places(m, estimator) for m in members]
        values = [
            gain[place[np.argmax(m.tree_.value[:, 0, :], axis=1)]]
            for m, gain, place in zip(members, gains, places, strict=True)
        ]
        each = tree_values(inputs.tensor.graph.for_trees(inputs.numbers(name_of(estimator))), trees, values)
    else:
        g = inputs.tensor.graph
        votes = [
            g.constant(gain[_places(m, estimator)]).gather(classify_one(m, inputs).labels).reshape(-1, 1, classes)
            for m, gain in zip(members, gains, strict=True)
        ]
        each = g.concat(votes)
    scores = each.in_order(1, len(members)) / float(np.asarray(estimator.estimator_weights_).sum())
    return _adaptive_answer(scores, classes)


def _places(member: Any, estimator: Any) -> Any:
    return np.searchsorted(estimator.classes_, member.classes_)


def _adaptive_answer(scores: Tensor, classes: int) -> Classified:
    if classes == 2:
        decision = scores.column(1) - scores.column(0)
        both = scores.graph.stack([-decision, decision]) / 2.0
        return Classified((decision > 0.0).cast(np.int64), softmax(both), decision)
    return Classified(scores.argmax(), softmax(scores / float(classes - 1)), scores)


@regressor("AdaBoostRegressor")
def adaptive_values(estimator: Any, inputs: Columns) -> Tensor:
    """The weighted median of the members."""
    members = estimator.estimators_
    g = inputs.tensor.graph
    if _all_trees(members):
        values = tables_of(members, inputs.numbers(name_of(estimator))).reshape(-1, len(members))
    else:
        values = g.stack([predict(m, inputs) for m in members])
    ordered, order = g.ops("TopK", 2, values, np.array([len(members)]), axis=1, largest=0)
    weights = g.constant(np.asarray(estimator.estimator_weights_)[: len(members)]).gather(order)
    sums = g.op("CumSum", weights, np.array(1))
    enough = (sums >= sums.columns([len(members) - 1]) * 0.5).cast(np.int64)
    return g.op("GatherElements", ordered, enough.argmax().tall(), axis=1).reshape(-1)


# -- votes and stacks ----------------------------------------------------------------------------------------------


@classifier("VotingClassifier")
def voted_classes(estimator: Any, inputs: Columns) -> Classified:
    """By the mean of probabilities, or by the number of votes."""
    members = estimator.estimators_
    weights = estimator._weights_not_none or [1.0] * len(members)
    classes = len(estimator.classes_)
    g = inputs.tensor.graph
    if estimator.voting == "soft":
        tables = [probabilities(m, inputs) * float(w) for m, w in zip(members, weights, strict=True)]
        each = g.concat([t.reshape(-1, 1, classes) for t in tables])
        mean = each.in_order(1, len(members)) / float(np.sum(weights))
        return Classified(mean.argmax(), mean)
    eyes = [np.eye(classes)[np.asarray(m.classes_, dtype=np.int64)] * w for m, w in zip(members, weights, strict=True)]
    votes = [g.constant(e).gather(classify_one(m, inputs).labels) for m, e in zip(members, eyes, strict=True)]
    total = g.concat([v.reshape(-1, 1, classes) for v in votes]).in_order(1, len(members))
    return Classified(total.argmax())


@regressor("VotingRegressor")
def voted_values(estimator: Any, inputs: Columns) -> Tensor:
    """The weighted mean."""
    weights = np.asarray(estimator._weights_not_none or [1.0] * len(estimator.estimators_), dtype=np.float64)
    values = inputs.tensor.graph.stack([predict(m, inputs) for m in estimator.estimators_])
    return (values * weights.reshape(1, -1)).in_order(1, len(weights)) / float(weights.sum())


@transformer("VotingRegressor")
def voted_columns(estimator: Any, inputs: Columns) -> Columns:
    """What each member says."""
    values = [predict(m, inputs) for m in estimator.estimators_]
    return inputs.now(inputs.tensor.graph.stack(values), len(values))


@transformer("VotingClassifier")
def voted_tables(estimator: Any, inputs: Columns) -> Columns:
    """What each member says."""
    classes = len(estimator.classes_)
    members = estimator.estimators_
    if estimator.voting == "soft":
        if not estimator.flatten_transform:
            raise NotConvertible(name_of(estimator), "gives a table of three dimensions")
        tables = [probabilities(m, inputs) for m in members]
        return inputs.now(inputs.tensor.graph.concat(tables), classes * len(members))
    labels = [classify_one(m, inputs).labels.as_float() for m in members]
    return inputs.now(inputs.tensor.graph.stack(labels), len(members))


@transformer("StackingClassifier", "StackingRegressor")
def stacked_columns(estimator: Any, inputs: Columns) -> Columns:
    """What the members say, and the inputs where they are passed through."""
    parts = [
        _stacked(estimator, m, how, inputs)
        for m, how in zip(estimator.estimators_, estimator.stack_method_, strict=True)
    ]
    return join([*parts, inputs] if estimator.passthrough else parts)


def _stacked(estimator: Any, member: Any, how: str, inputs: Columns) -> Columns:
    classes = getattr(estimator, "classes_", ())
    if how == "predict" and not len(classes):
        return inputs.now(predict(member, inputs).tall(), 1)
    found = classify_one(member, inputs)
    if how == "predict_proba" and found.probabilities is not None:
        kept = [1] if len(classes) == 2 else list(range(len(classes)))
        return inputs.now(found.probabilities.columns(kept), len(kept))
    if how == "decision_function" and found.decision is not None:
        binary = len(classes) == 2
        return inputs.now(found.decision.tall() if binary else found.decision, 1 if binary else len(classes))
    if how == "predict":
        return inputs.now(found.labels.as_float().tall(), 1)
    raise NotConvertible(name_of(member), f"its {how} has no converter")


@classifier("StackingClassifier")
def stacked_classes(estimator: Any, inputs: Columns) -> Classes:
    """The last model, on what the others say."""
    return classify(estimator.final_estimator_, stacked_columns(estimator, inputs))


@regressor("StackingRegressor")
def stacked_values(estimator: Any, inputs: Columns) -> Tensor:
    """Likewise."""
    return predict(estimator.final_estimator_, stacked_columns(estimator, inputs))


# -- several two-class models --------------------------------------------------------------------------------------


def binary_score(member: Any, inputs: Columns) -> tuple[Tensor, float]:
    """What a two-class model says of the second class, and where it draws the line."""
    if name_of(member) == "_ConstantPredictor":
        return inputs.tensor.graph.repeat(np.asarray(float(member.y_[0]))), 0.0
    found = classify_one(member, inputs)
    if found.decision is not None and hasattr(member, "decision_function"):
        return found.decision, 0.0
    if found.probabilities is not None:
        return found.probabilities.column(1), 0.5
    raise NotConvertible(name_of(member), "has no score")


@classifier("OneVsRestClassifier")
def one_against_rest(estimator: Any, inputs: Columns) -> Classes:
    """The class whose model is surest; of several labels, those whose models say yes."""
    members = estimator.estimators_
    g = inputs.tensor.graph
    positive = None
    if all(hasattr(m, "predict_proba") for m in members):
        positive = g.stack([_positive(m, inputs) for m in members])
    if estimator.multilabel_:
        outputs = []
        for i, member in enumerate(members):
            score, line = binary_score(member, inputs)
            table = two_sides(positive.column(i)) if positive is not None else None
            outputs.append(Classified((score > line).cast(np.int64), table))
        return outputs
    if len(members) == 1:
        score, line = binary_score(members[0], inputs)
        table = two_sides(positive.reshape(-1)) if positive is not None else None
        return Classified((score > line).cast(np.int64), table, score if line == 0 else None)
    scores = g.stack([binary_score(m, inputs)[0] for m in members])
    if positive is not None:
        total = positive.total(keep=True)
        positive = positive / total.equals(0.0).where(1.0, total)
    return Classified(scores.argmax(), positive, scores)


def _positive(member: Any, inputs: Columns) -> Tensor:
    if name_of(member) == "_ConstantPredictor":
        return inputs.tensor.graph.repeat(np.asarray(float(member.y_[0])))
    return probabilities(member, inputs).column(1)


@classifier("OneVsOneClassifier")
def one_against_one(estimator: Any, inputs: Columns) -> Classified:
    """Votes of pairs, their confidence breaking ties."""
    if estimator.pairwise_indices_ is not None:
        raise NotConvertible(name_of(estimator), "takes kernels as its inputs")
    scored = [binary_score(m, inputs) for m in estimator.estimators_]
    return pair_votes(scored, [score > line for score, line in scored], len(estimator.classes_))


def pair_votes(scored: Any, second: Any, classes: int) -> Classified:
    """The decision function that scikit-learn makes of pairs of classes."""
    g = scored[0][0].graph
    votes = np.zeros((2, len(scored), classes))
    signs = np.zeros((len(scored), classes))
    for k, (i, j) in enumerate(combinations(range(classes), 2)):
        signs[k, i], signs[k, j] = -1.0, 1.0
        votes[0, k, i] = votes[1, k, j] = 1.0
    yes = g.stack([s.as_float() for s in second])
    counted = yes @ votes[1] + (1.0 - yes) @ votes[0]
    confidence = (g.stack([s for s, _ in scored]).reshape(0, -1, 1) * signs).in_order(1, len(scored))
    decision = counted + confidence / ((confidence.apply("Abs") + 1.0) * 3.0)
    if classes == 2:
        one = decision.column(1)
        return Classified((one > scored[0][1]).cast(np.int64), None, one)
    return Classified(decision.argmax(), None, decision)


@classifier("OutputCodeClassifier")
def output_code(estimator: Any, inputs: Columns) -> Classified:
    """The class whose code is nearest."""
    scores = inputs.tensor.graph.stack([binary_score(m, inputs)[0] for m in estimator.estimators_])
    book = np.asarray(estimator.code_book_, dtype=np.float64)
    apart = scores.reshape(0, 1, -1) - book.reshape(1, *book.shape)
    return Classified((apart * apart).total(2).argmin())


# -- several outputs -----------------------------------------------------------------------------------------------


@classifier("MultiOutputClassifier")
def several_classes(estimator: Any, inputs: Columns) -> Classes:
    """One model for each output."""
    return [classify_one(m, inputs) for m in estimator.estimators_]


@regressor("MultiOutputRegressor")
def several_values(estimator: Any, inputs: Columns) -> Tensor:
    """Likewise."""
    return inputs.tensor.graph.stack([predict(m, inputs) for m in estimator.estimators_])


@classifier("ClassifierChain")
def chained_classes(estimator: Any, inputs: Columns) -> Classes:
    """Each model also sees what those before it said."""
    found: dict[int, Classified] = {}
    seen = inputs
    how = getattr(estimator, "chain_method_", "predict")
    for member, output in zip(estimator.estimators_, estimator.order_, strict=True):
        made = found[int(output)] = classify_one(member, seen)
        if how == "predict":
            said = made.labels.as_float()
        elif how == "predict_proba" and made.probabilities is not None:
            said = made.probabilities.column(1)
        else:
            raise NotConvertible(name_of(estimator), f"passes {how} on")
        seen = join([seen, inputs.now(said.tall(), 1)])
    return [found[i] for i in range(len(found))]


@regressor("RegressorChain")
def chained_values(estimator: Any, inputs: Columns) -> Tensor:
    """Likewise."""
    found: dict[int, Tensor] = {}
    seen = inputs
    for member, output in zip(estimator.estimators_, estimator.order_, strict=True):
        found[int(output)] = predict(member, seen)
        seen = join([seen, inputs.now(found[int(output)].tall(), 1)])
    return inputs.tensor.graph.stack([found[i] for i in range(len(found))])


# -- calibration and self-training ---------------------------------------------------------------------------------


@classifier("CalibratedClassifierCV")
def calibrated(estimator: Any, inputs: Columns) -> Classified:
    """The mean of the calibrated probabilities."""
    members = estimator.calibrated_classifiers_
    classes = len(estimator.classes_)
    tables = [_calibrated(m, inputs, classes).reshape(-1, 1, classes) for m in members]
    mean = inputs.tensor.graph.concat(tables).in_order(1, len(members)) / float(len(members))
    return Classified(mean.argmax(), mean)


def _calibrated(member: Any, inputs: Columns, classes: int) -> Tensor:
    if member.method not in ("sigmoid", "isotonic"):
        raise NotConvertible("CalibratedClassifierCV", f"the method {member.method} has no converter")
    g = inputs.tensor.graph
    found = classify_one(member.estimator, inputs)
    if hasattr(member.estimator, "decision_function") and found.decision is not None:
        columns = [found.decision] if classes == 2 else [found.decision.column(i) for i in range(classes)]
    elif found.probabilities is not None:
        columns = [found.probabilities.column(i) for i in ([1] if classes == 2 else range(classes))]
    else:
        raise NotConvertible(name_of(member.estimator), "has no score")
    made = [_calibrate(c, column) for c, column in zip(member.calibrators, columns, strict=True)]
    if classes == 2:
        return two_sides(made[0])
    if len(member.estimator.classes_) != classes:
        raise NotConvertible("CalibratedClassifierCV", "a fold saw fewer classes")
    table = g.stack(made)
    total = table.total(keep=True)
    nothing = total.equals(0.0)
    return nothing.where(1.0 / classes, table / nothing.where(1.0, total))


def _calibrate(calibrator: Any, score: Tensor) -> Tensor:
    if name_of(calibrator) == "IsotonicRegression":
        return predict(calibrator, Columns(score.tall(), 1))
    return expit(-(score * float(calibrator.a_) + float(calibrator.b_)))


@classifier("SelfTrainingClassifier")
def self_trained(estimator: Any, inputs: Columns) -> Classes:
    """The model inside."""
    return classify(estimator.estimator_, inputs)
