"""Models of releases before 0.24 do not say how many inputs they have: what they hold tells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.covariance import EllipticEnvelope
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.feature_selection import RFE, SelectKBest
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import Normalizer, QuantileTransformer, StandardScaler
from sklearn.semi_supervised import LabelPropagation
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from modelport.artifacts.loaders.sklearn_parts import inner_models
from modelport.native.widths import width_of

INPUTS = np.random.default_rng(0).normal(size=(60, 5))
LABELS = (INPUTS[:, 0] > 0).astype(int)

MODELS = [
    LogisticRegression(),
    LinearRegression(),
    GaussianNB(),
    KNeighborsClassifier(),
    SVC(),
    MLPClassifier((3,), max_iter=5),
    LinearDiscriminantAnalysis(),
    PLSRegression(2),
    RFE(LogisticRegression(), n_features_to_select=2),
    make_pipeline(SelectKBest(k=2), LogisticRegression()),
    make_pipeline(Normalizer(), LogisticRegression()),
    make_pipeline(make_union(PCA(2), StandardScaler()), LogisticRegression()),
    BaggingClassifier(LogisticRegression(), 2),
    OneVsRestClassifier(LogisticRegression()),
    VotingClassifier([("nb", GaussianNB())]),
    GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=2),
    EllipticEnvelope(random_state=0),
    LabelPropagation(),
    make_pipeline(RBFSampler(n_components=7, random_state=0), LogisticRegression()),
    make_pipeline(QuantileTransformer(n_quantiles=9), LogisticRegression()),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_the_number_of_inputs_is_found_in_what_a_model_holds(model: Any) -> None:
    model.fit(INPUTS, LABELS)
    _forget(model, set())
    assert width_of(model) == 5


@pytest.mark.parametrize(
    "model", [DecisionTreeClassifier(), RandomForestClassifier(2), AdaBoostClassifier(n_estimators=2)]
)
def test_trees_of_that_time_say_it_in_another_attribute(model: Any) -> None:
    model.fit(INPUTS, LABELS)
    _forget(model, set(), n_features_=5)
    assert width_of(model) == 5


def _forget(thing: Any, seen: set[int], **instead: int) -> None:
    """Take away what releases since 0.24 store, everywhere inside."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, (list, tuple)):
        for each in thing:
            _forget(each, seen, **instead)
    elif hasattr(thing, "__dict__") and type(thing).__module__.startswith("sklearn."):
        for each in list(vars(thing).values()):
            _forget(each, seen, **instead)
        if vars(thing).pop("n_features_in_", None) is not None:
            vars(thing).update(instead)


def test_the_models_inside_a_calibrated_one_of_before_1_2_are_found() -> None:
    model = CalibratedClassifierCV(GaussianNB(), cv=2).fit([[0.0], [1.0], [2.0], [3.0]] * 3, [0, 0, 1, 1] * 3)
    members = [calibrated.estimator for calibrated in model.calibrated_classifiers_]
    for calibrated in model.calibrated_classifiers_:
        calibrated.base_estimator = calibrated.__dict__.pop("estimator")
    assert inner_models(model) == members
