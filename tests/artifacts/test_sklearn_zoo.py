"""Fitted scikit-learn models of all kinds, from the file to the answer of the ASGI app."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.assembly.artifacts import load_artifact
from modelport.config import ServeOptions
from tests.artifacts.zoo import ROWS, check_served, numbers, own_answers, save, sums
from tests.serving import serving

pandas = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.cluster import Birch, KMeans, MiniBatchKMeans  # noqa: E402
from sklearn.compose import TransformedTargetRegressor  # noqa: E402
from sklearn.cross_decomposition import PLSRegression  # noqa: E402
from sklearn.decomposition import SparsePCA  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    AdaBoostClassifier,
    BaggingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest  # noqa: E402
from sklearn.isotonic import IsotonicRegression  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.multiclass import OneVsRestClassifier  # noqa: E402
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor  # noqa: E402
from sklearn.naive_bayes import GaussianNB  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import Pipeline, make_pipeline  # noqa: E402
from sklearn.preprocessing import (  # noqa: E402
    MinMaxScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC, OneClassSVM  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")  # of some own fits

TABLE = numbers()
TEST = numbers(ROWS, seed=1)
GENRE = np.where(sums(TABLE) > 0, "Rock", "Hip-Hop")
LEVEL = np.digitize(sums(TABLE), [-1, 1])
LABELS = np.column_stack((TABLE["a"] > 0, TABLE["b"] > 0, TABLE["c"] > 0.5)).astype(int)


def forest(**options: Any) -> Any:
    """A small one."""
    return RandomForestClassifier(n_estimators=8, random_state=0, **options)


# -- classifiers ---------------------------------------------------------------------------------------------------

CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic regression": LogisticRegression,
    "forest with n_jobs=-1": lambda: forest(n_jobs=-1),
    "decision tree": lambda: DecisionTreeClassifier(max_depth=4),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=8),
    "naive Bayes": GaussianNB,
    "neighbours": KNeighborsClassifier,
    "support vectors without probabilities": SVC,
    "linear support vectors": LinearSVC,
    "ridge": RidgeClassifier,
    "boosted stumps": lambda: AdaBoostClassifier(n_estimators=5),
    "bagging of half the columns": lambda: BaggingClassifier(n_estimators=5, max_features=0.5, random_state=0),
    "calibrated support vectors": lambda: CalibratedClassifierCV(LinearSVC(), cv=2),
    "one against the rest": lambda: OneVsRestClassifier(LogisticRegression()),
    "soft vote": lambda: VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], voting="soft"),
    "hard vote": lambda: VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())]),
    "stack": lambda: StackingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(max_depth=2))], cv=2),
    "scaled pipeline": lambda: make_pipeline(StandardScaler(), MinMaxScaler(), LogisticRegression()),
    "selected columns": lambda: make_pipeline(SelectKBest(k=2), GaussianNB()),
    "grid search over a pipeline": lambda: GridSearchCV(
        Pipeline([("scale", MinMaxScaler()), ("pick", "passthrough"), ("model", forest(n_jobs=-1))]),
        {"model__max_depth": [2, 3]},
        cv=2,
    ),
}


@pytest.mark.parametrize("make", CLASSIFIERS.values(), ids=CLASSIFIERS.keys())
def test_a_classifier_answers_with_its_own_labels_and_probabilities(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make().fit(TABLE, GENRE)
    check_served(save(model, tmp_path), TEST, own_answers(model, TEST))


CLASSES = {
    "integers": LEVEL * 10 - 10,
    "booleans": sums(TABLE).to_numpy() > 0,
    "floats": LEVEL * 1.0,
    "strings": GENRE,
    "strings in an object array": GENRE.astype(object),
    "awkward strings": np.where(sums(TABLE) > 0, 'quo"te', "über \n line"),
    "categories of pandas": pandas.Series(GENRE, dtype="category"),
}


@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES.keys())
@pytest.mark.parametrize("make", [LogisticRegression, forest, LinearSVC], ids=["two passes", "one pass", "labels only"])
def test_classes_keep_their_json_type_and_are_keys_as_strings(
    make: Callable[[], Any], classes: Any, tmp_path: Path
) -> None:
    model = make().fit(TABLE, classes)
    check_served(save(model, tmp_path), TEST, own_answers(model, TEST))


# -- values, clusters, outliers ------------------------------------------------------------------------------------

TWO_VALUES = np.column_stack((sums(TABLE), TABLE["a"]))
REGRESSORS: dict[str, tuple[Callable[[], Any], Any]] = {
    "linear": (LinearRegression, sums(TABLE)),
    "of a column vector": (LinearRegression, sums(TABLE).to_frame("y")),
    "forest": (lambda: RandomForestRegressor(n_estimators=5, n_jobs=-1), sums(TABLE)),
    "neighbours of a column vector": (KNeighborsRegressor, sums(TABLE).to_frame("y")),
    "partial least squares": (lambda: PLSRegression(n_components=2), sums(TABLE)),
    "logarithm of the target": (
        lambda: TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp),
        np.abs(sums(TABLE)) + 1,
    ),
    "two outputs": (LinearRegression, TWO_VALUES),
    "two outputs of a forest": (lambda: RandomForestRegressor(n_estimators=5), TWO_VALUES),
    "two outputs, a model each": (
        lambda: MultiOutputRegressor(HistGradientBoostingRegressor(max_iter=5)),
        TWO_VALUES,
    ),
}


@pytest.mark.parametrize(("make", "target"), REGRESSORS.values(), ids=REGRESSORS.keys())
def test_a_regressor_answers_with_its_own_values(make: Callable[[], Any], target: Any, tmp_path: Path) -> None:
    model = make().fit(TABLE, target)
    check_served(save(model, tmp_path), TEST, own_answers(model, TEST))


UNSUPERVISED: dict[str, tuple[Any, str]] = {
    "k-means": (KMeans(3, n_init=1), "clustering"),
    "k-means in batches": (MiniBatchKMeans(3, n_init=1), "clustering"),
    "birch": (Birch(n_clusters=3), "clustering"),
    "mixture": (GaussianMixture(2), "clustering"),
    "scaled k-means": (make_pipeline(StandardScaler(), KMeans(2, n_init=1)), "clustering"),
    "isolation forest": (IsolationForest(n_estimators=10, n_jobs=-1), "outlier detection"),
    "local outlier factor": (LocalOutlierFactor(novelty=True), "outlier detection"),
    "one-class support vectors": (OneClassSVM(nu=0.3), "outlier detection"),
    "scaled isolation forest": (make_pipeline(StandardScaler(), IsolationForest(n_estimators=10)), "outlier detection"),
}


@pytest.mark.parametrize(("model", "task"), UNSUPERVISED.values(), ids=UNSUPERVISED.keys())
def test_a_model_without_target_answers_with_its_own_label(model: Any, task: str, tmp_path: Path) -> None:
    path = save(model.fit(TABLE), tmp_path)
    check_served(path, TEST, own_answers(model, TEST))
    with serving(path) as service:
        assert service.signature["task"] == task


def test_an_outlier_detector_answers_minus_one_and_one(tmp_path: Path) -> None:
    with serving(save(IsolationForest(n_estimators=10, random_state=0).fit(TABLE), tmp_path)) as service:
        assert service.predict(dict.fromkeys("abcd", 100)) == {"prediction": -1}
        assert service.predict(dict.fromkeys("abcd", 0)) == {"prediction": 1}


# -- several outputs -----------------------------------------------------------------------------------------------

TWO_TARGETS = np.column_stack((GENRE, np.where(TABLE["a"] > 0, "loud", "calm")))
MIXED_TARGETS = np.column_stack((LEVEL, TABLE["a"] > 0)).astype(int)
SEVERAL: dict[str, tuple[Callable[[], Any], Any]] = {
    "forest, strings": (forest, TWO_TARGETS),
    "forest, integers": (forest, MIXED_TARGETS),
    "a model each": (lambda: MultiOutputClassifier(LogisticRegression()), TWO_TARGETS),
    "a model each, without probabilities": (lambda: MultiOutputClassifier(LinearSVC()), TWO_TARGETS),
    "neighbours": (KNeighborsClassifier, MIXED_TARGETS),
    "labels, one against the rest": (lambda: OneVsRestClassifier(LogisticRegression()), LABELS),
    "labels, one against the rest in a pipeline": (
        lambda: make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression())),
        LABELS,
    ),
    "labels, without probabilities": (lambda: OneVsRestClassifier(LinearSVC()), LABELS),
    "labels, forest": (forest, LABELS),
    "labels, chain": (lambda: ClassifierChain(LogisticRegression()), LABELS),
    "labels, network": (lambda: MLPClassifier((4,), max_iter=20), LABELS),
}


@pytest.mark.parametrize(("make", "target"), SEVERAL.values(), ids=SEVERAL.keys())
def test_several_outputs_are_called_y0_y1_and_so_on(make: Callable[[], Any], target: Any, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the network is trained for a moment only
        model = make().fit(TABLE, target)
    check_served(save(model, tmp_path), TEST, own_answers(model, TEST))


def test_a_model_of_one_input_that_it_does_not_count_is_served_as_it_is(tmp_path: Path) -> None:
    model = IsotonicRegression(out_of_bounds="clip").fit([1, 2, 3, 4], [1, 3, 2, 5])
    with serving(save(model, tmp_path)) as service:
        assert service.field("x0")["training_range"] == [1, 4]
        assert service.predict([[1.5], [2.5], [9]]) == [
            {"prediction": v} for v in model.predict([1.5, 2.5, 9]).tolist()
        ]
    with serving(save(model, tmp_path), features=["dose"]) as service:
        assert service.predict({"dose": 4}) == {"prediction": 5.0}


def test_sparse_label_answers_are_served(tmp_path: Path) -> None:
    from scipy.sparse import csr_matrix

    model = OneVsRestClassifier(LogisticRegression()).fit(TABLE, csr_matrix(LABELS))
    check_served(save(model, tmp_path), TEST, own_answers(model, TEST))


def test_what_fails_on_a_single_row_is_asked_with_two(tmp_path: Path) -> None:
    model = make_pipeline(SparsePCA(2, random_state=0), LogisticRegression()).fit(TABLE.to_numpy(), GENRE)
    with pytest.raises(ValueError, match="2D array"):
        model.predict(TEST.to_numpy()[:1])
    with serving(save(model, tmp_path)) as service:
        answer = service.predict(TEST.to_numpy()[0].tolist())
    assert list(answer["probabilities"].values()) == pytest.approx(model.predict_proba(TEST.to_numpy()[:2])[0].tolist())


def test_a_record_is_answered_alike_in_any_company_though_its_model_settles_whole_batches(tmp_path: Path) -> None:
    from sklearn.decomposition import NMF

    random = np.random.default_rng(0)
    rows = random.random((60, 4))
    model = make_pipeline(NMF(2, init="random", random_state=0, max_iter=400), LogisticRegression())
    model.fit(rows, rows[:, 0] > rows[:, 1])
    together = model.predict_proba(rows)
    alone = np.vstack([model.predict_proba(row[None]) for row in rows])
    assert not np.array_equal(together, alone), "the model does not need it"
    loaded, _ = load_artifact(save(model, tmp_path), ServeOptions())
    records = [tuple(map(float, row)) for row in rows]
    assert loaded.predict(records) == [loaded.predict([record])[0] for record in records]
