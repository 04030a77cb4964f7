"""Fitted scikit-learn models of all kinds, from the file to the answer of the ASGI app."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.artifacts.zoo import ROWS, check_served, numbers, own_answers, people, save, sums, to_records
from tests.serving import same, serving

pandas = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.cluster import Birch, KMeans, MiniBatchKMeans  # noqa: E402
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector  # noqa: E402
from sklearn.cross_decomposition import PLSRegression  # noqa: E402
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
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer  # noqa: E402
from sklearn.feature_selection import SelectKBest  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier  # noqa: E402
from sklearn.mixture import GaussianMixture  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.multiclass import OneVsRestClassifier  # noqa: E402
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor  # noqa: E402
from sklearn.naive_bayes import GaussianNB  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor  # noqa: E402
from sklearn.neural_network import MLPClassifier  # noqa: E402
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline  # noqa: E402
from sklearn.preprocessing import (  # noqa: E402
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
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


def test_sparse_label_answers_are_served(tmp_path: Path) -> None:
    from scipy.sparse import csr_matrix

    model = OneVsRestClassifier(LogisticRegression()).fit(TABLE, csr_matrix(LABELS))
    check_served(save(model, tmp_path), TEST, own_answers(model, TEST))


# -- pipelines over columns of several kinds -----------------------------------------------------------------------

PEOPLE = people()
GUESTS = people(ROWS, seed=1)
RICH = np.where(PEOPLE["income"] + 20 * PEOPLE["age"] > 4000, "yes", "no")


def with_gaps(table: Any, columns: list[str], seed: int = 0) -> Any:
    """The same table with every fifth cell of some columns missing."""
    table = table.copy()
    rng = np.random.default_rng(seed)
    for column in columns:
        if table[column].dtype == bool or table[column].dtype == np.int64:
            table[column] = table[column].astype(object if table[column].dtype == bool else float)
        table.loc[rng.random(len(table)) < 0.2, column] = np.nan
    return table


def columns(*parts: Any, remainder: Any = "drop") -> ColumnTransformer:
    """A ColumnTransformer of (transformer, columns)."""
    return ColumnTransformer([(f"t{i}", t, c) for i, (t, c) in enumerate(parts)], remainder=remainder)


PIPELINES: dict[str, Callable[[], Any]] = {
    "one-hot, unknown refused": lambda: columns(
        (OneHotEncoder(), ["city", "member"]), (StandardScaler(), ["age", "income"])
    ),
    "one-hot, unknown ignored": lambda: columns((OneHotEncoder(handle_unknown="ignore"), ["city"])),
    "one-hot of numbers and booleans": lambda: columns(
        (OneHotEncoder(handle_unknown="ignore"), ["age", "member"]), remainder="drop"
    ),
    "rare categories together": lambda: columns(
        (OneHotEncoder(min_frequency=30, handle_unknown="infrequent_if_exist"), ["city"]), remainder="drop"
    ),
    "ordinal, unknown coded": lambda: columns(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["city", "member"])
    ),
    "mean of the target": lambda: columns((TargetEncoder(cv=2), ["city"])),
    "chosen by type": lambda: columns(
        (OneHotEncoder(), make_column_selector(dtype_include=["object", "str"])),
        (StandardScaler(), make_column_selector(dtype_include=np.number)),
    ),
    "chosen by position": lambda: columns((OneHotEncoder(), [2]), (StandardScaler(), slice(0, 2))),
    "chosen by a slice of names": lambda: columns((StandardScaler(), slice("age", "income"))),
    "chosen by a mask": lambda: columns((StandardScaler(), [True, True, False, False])),
    "the rest passed through": lambda: columns((OneHotEncoder(), ["city"]), remainder="passthrough"),
    "the rest scaled": lambda: columns((OneHotEncoder(), ["city"]), remainder=StandardScaler()),
    "a column used twice": lambda: columns(
        (StandardScaler(), ["age"]), (MinMaxScaler(), ["age", "income"]), (OneHotEncoder(), ["city"])
    ),
    "code of one's own": lambda: columns((FunctionTransformer(np.log1p), ["age"]), (OneHotEncoder(), ["city"])),
}


@pytest.mark.parametrize("make", PIPELINES.values(), ids=PIPELINES.keys())
def test_a_pipeline_gets_its_columns_as_in_training(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make_pipeline(make(), LogisticRegression(max_iter=2000)).fit(PEOPLE, RICH)
    data = tmp_path / "people.csv"
    PEOPLE.to_csv(data, index=False)
    check_served(save(model, tmp_path), GUESTS, own_answers(model, GUESTS), data=data)


def test_columns_that_a_pipeline_drops_may_be_anything_or_null(tmp_path: Path) -> None:
    model = make_pipeline(columns((StandardScaler(), ["age", "income"])), LogisticRegression()).fit(PEOPLE, RICH)
    data = tmp_path / "people.csv"
    PEOPLE.to_csv(data, index=False)
    with serving(save(model, tmp_path), data=data) as service:
        known = {"age": 30, "income": 3000.0}
        answers = service.predict([{**known, "city": c, "member": m} for c, m in [("Lima", True), (None, None)]])
        assert answers[0] == answers[1]


def gappy(encoder: Any) -> Any:
    """The usual treatment of gaps, numbers and texts apart."""
    return columns(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), encoder), ["city", "member"]),
    )


@pytest.mark.parametrize("unknown", ["error", "ignore"])
def test_null_is_imputed_as_a_gap_was_in_training(unknown: str, tmp_path: Path) -> None:
    table, rows = with_gaps(PEOPLE, list(PEOPLE)), with_gaps(GUESTS, list(GUESTS), seed=1)
    model = make_pipeline(gappy(OneHotEncoder(handle_unknown=unknown)), LogisticRegression()).fit(table, RICH)
    path = save(model, tmp_path)
    check_served(path, rows, own_answers(model, rows))
    with serving(path) as service:
        assert all(f["nullable"] for f in service.signature["inputs"])


def test_an_imputer_that_adds_indicators_is_served(tmp_path: Path) -> None:
    table, rows = with_gaps(TABLE, ["a", "b"]), with_gaps(TEST, ["a", "b"])
    model = make_pipeline(SimpleImputer(add_indicator=True), MinMaxScaler(), LogisticRegression()).fit(table, GENRE)
    check_served(save(model, tmp_path), rows, own_answers(model, rows))


@pytest.mark.parametrize("gap", [np.nan, None], ids=["NaN", "None"])
def test_null_is_the_gap_that_the_encoder_knows_as_a_category(gap: Any, tmp_path: Path) -> None:
    cities = PEOPLE["city"].astype(object).where(PEOPLE["age"] < 50, gap)
    guests = pandas.DataFrame({"city": GUESTS["city"].astype(object).where(GUESTS["age"] < 50, gap)}, dtype=object)
    table = pandas.DataFrame({"city": cities}, dtype=object)
    model = make_pipeline(columns((OneHotEncoder(handle_unknown="ignore"), ["city"])), LogisticRegression())
    model.fit(table, RICH)
    check_served(save(model, tmp_path), guests, own_answers(model, guests))


def test_null_is_refused_where_the_model_fails_on_it(tmp_path: Path) -> None:
    data = tmp_path / "gaps.csv"
    with_gaps(TABLE, ["a"]).to_csv(data, index=False)
    with serving(save(LogisticRegression().fit(TABLE, GENRE), tmp_path), data=data) as service:
        assert service.field("a")["nullable"] is False
        assert service.post({"a": None, "b": 0, "c": 0, "d": 0}).status_code == 422


def test_a_forest_takes_null_only_where_the_data_has_gaps(tmp_path: Path) -> None:
    table, rows, data = with_gaps(TABLE, ["b"]), with_gaps(TEST, ["b"]), tmp_path / "gaps.csv"
    table.to_csv(data, index=False)
    model = forest().fit(table, GENRE)
    path = save(model, tmp_path)
    check_served(path, rows, own_answers(model, rows), data=data)
    with serving(path, data=data) as service:
        assert [f["name"] for f in service.signature["inputs"] if f["nullable"]] == ["b"]


def test_histogram_boosting_takes_null_everywhere(tmp_path: Path) -> None:
    model = HistGradientBoostingClassifier(max_iter=5).fit(with_gaps(TABLE, ["b"]), GENRE)
    rows = with_gaps(TEST, ["a", "b"])
    check_served(save(model, tmp_path), rows, own_answers(model, rows))


def test_histogram_boosting_over_categories_of_pandas_is_served(tmp_path: Path) -> None:
    table, rows, data = with_gaps(PEOPLE, ["city"]), with_gaps(GUESTS, ["city"]), tmp_path / "people.csv"
    table.to_csv(data, index=False)
    for frame in (table, rows):
        frame["city"] = frame["city"].astype("category")
    model = HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype").fit(table, RICH)
    path = save(model, tmp_path)
    check_served(path, rows, own_answers(model, rows), data=data)
    with serving(path) as service:
        assert service.field("city")["categories"] == ["Bergen", "Lima", "Nairobi", "Osaka"]
        assert service.field("city")["unseen_categories"] == "flagged"


def test_a_committee_of_pipelines_knows_its_categories(tmp_path: Path) -> None:
    def member() -> Any:
        return make_pipeline(columns((OneHotEncoder(), ["city"]), (StandardScaler(), ["age"])), LogisticRegression())

    model = VotingClassifier([("a", member()), ("b", member())], voting="soft").fit(PEOPLE, RICH)
    data = tmp_path / "people.csv"
    PEOPLE.to_csv(data, index=False)
    path = save(model, tmp_path)
    check_served(path, GUESTS, own_answers(model, GUESTS), data=data)
    with serving(path) as service:
        assert service.field("city")["unseen_categories"] == "refused"


def test_an_unseen_category_is_refused_or_flagged_as_the_encoder_wants(tmp_path: Path) -> None:
    for unknown, status in (("error", 422), ("ignore", 200)):
        model = make_pipeline(columns((OneHotEncoder(handle_unknown=unknown), ["city"])), LogisticRegression())
        model.fit(PEOPLE[["city"]], RICH)
        with serving(save(model, tmp_path)) as service:
            response = service.post({"city": "Limo"})
            assert response.status_code == status
            if status == 200:
                assert response.headers["modelport-out-of-range"] == "city"
            else:
                assert "did you mean 'Lima'?" in response.json()["detail"][0]["hint"]


# -- texts ---------------------------------------------------------------------------------------------------------

TEXTS = [
    f"{verb} the {noun} {n}" for n in range(5) for verb in ("love", "hate", "see") for noun in ("film", "book", "ü")
]
TEXTS += ["", "love", "!?", "emoji 🎬", "hate " * 200] * 3
MOOD = ["good" if "love" in text else "bad" for text in TEXTS]
TEXT_MODELS: dict[str, Callable[[], Any]] = {
    "tf-idf": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "counts": lambda: make_pipeline(CountVectorizer(ngram_range=(1, 2)), RidgeClassifier()),
    "a union of vectorizers": lambda: make_pipeline(
        FeatureUnion([("words", TfidfVectorizer()), ("letters", CountVectorizer(analyzer="char"))]),
        LogisticRegression(),
    ),
    "calibrated": lambda: CalibratedClassifierCV(make_pipeline(TfidfVectorizer(), LinearSVC()), cv=2),
    "grid search": lambda: GridSearchCV(
        make_pipeline(TfidfVectorizer(), LogisticRegression()), {"logisticregression__C": [1, 10]}, cv=2
    ),
}


@pytest.mark.parametrize("make", TEXT_MODELS.values(), ids=TEXT_MODELS.keys())
def test_a_text_model_takes_one_text_per_record(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make().fit(TEXTS, MOOD)
    check_served(save(model, tmp_path), TEXTS, own_answers(model, TEXTS))


def test_a_text_column_beside_others_is_served_and_not_taken_for_categories(tmp_path: Path) -> None:
    table = pandas.DataFrame({"review": TEXTS, "stars": np.arange(len(TEXTS)) % 5, "shop": ["a", "b", "c"] * 20})
    model = make_pipeline(
        columns((TfidfVectorizer(), "review"), (OneHotEncoder(), ["shop"]), remainder="passthrough"),
        LogisticRegression(max_iter=2000),
    ).fit(table, MOOD)
    data = tmp_path / "reviews.csv"
    pandas.concat([table] * 3).to_csv(data, index=False)
    path = save(model, tmp_path)
    check_served(path, table, own_answers(model, table), data=data)
    with serving(path, data=data) as service:
        assert "categories" not in service.field("review")


def test_the_name_of_a_lone_text_comes_from_the_data(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, MOOD)
    data = tmp_path / "reviews.csv"
    pandas.DataFrame({"review": TEXTS, "mood": MOOD}).to_csv(data, index=False)
    with serving(save(model, tmp_path), data=data, target="mood") as service:
        assert service.predict({"review": "love the film"})["prediction"] == "good"


# -- names ---------------------------------------------------------------------------------------------------------

WEIRD = ["class", "model_name", "a b", "über", "x:y", 'quo"te', "back\\slash", "def", "__struct_fields__", ""]


def test_any_string_may_be_the_name_of_an_input(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pandas.DataFrame(rng.normal(size=(120, len(WEIRD))), columns=WEIRD)
    rows = pandas.DataFrame(rng.normal(size=(ROWS, len(WEIRD))), columns=WEIRD)
    model = make_pipeline(columns((StandardScaler(), WEIRD)), LogisticRegression())
    model.fit(table, table["class"] > 0)
    check_served(save(model, tmp_path), rows, own_answers(model, rows))


@pytest.mark.parametrize("model", [LogisticRegression(), KMeans(2, n_init=1)], ids=["classifier", "clusterer"])
def test_a_model_without_names_takes_flat_lists_and_x0_x1(model: Any, tmp_path: Path) -> None:
    table, rows = TABLE.to_numpy(), TEST.to_numpy()
    model.fit(table, GENRE)
    path, wanted = save(model, tmp_path), own_answers(model, rows)
    check_served(path, rows, wanted)
    with serving(path) as service:
        named = [{f"x{i}": v for i, v in reversed(list(enumerate(row)))} for row in rows.tolist()]
        assert all(map(same, service.predict(named), wanted))
        assert service.signature["accepts_flat_lists"] is True


def test_numbers_as_column_names_are_no_names(tmp_path: Path) -> None:
    table = pandas.DataFrame(TABLE.to_numpy())
    model = make_pipeline(columns((StandardScaler(), [0, 2]), remainder="passthrough"), LogisticRegression())
    model.fit(table, GENRE)
    rows = pandas.DataFrame(TEST.to_numpy())
    check_served(save(model, tmp_path), TEST.to_numpy(), own_answers(model, rows))


def test_a_pipeline_fitted_on_an_object_array_takes_texts_by_position(tmp_path: Path) -> None:
    table, rows = PEOPLE.to_numpy(dtype=object), GUESTS.to_numpy(dtype=object)
    model = make_pipeline(columns((OneHotEncoder(), [2, 3]), (StandardScaler(), [0, 1])), LogisticRegression())
    model.fit(table, RICH)
    check_served(save(model, tmp_path), rows, own_answers(model, rows))


def test_a_named_model_takes_no_flat_list(tmp_path: Path) -> None:
    with serving(save(LogisticRegression().fit(TABLE, GENRE), tmp_path)) as service:
        assert service.post([0, 0, 0, 0]).status_code == 422


def test_a_record_that_fails_in_the_model_fails_alone(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(_log_or_fail), LogisticRegression())
    model.fit(np.abs(TABLE.to_numpy()), GENRE)
    with serving(save(model, tmp_path)) as service:
        response = service.post([[1, 1, 1, 1], [1, -1, 1, 1], [2, 2, 2, 2]])
        assert response.headers["modelport-errors"] == "1"
        assert [("error" in answer) for answer in response.json()] == [False, True, False]


def _log_or_fail(table: Any) -> Any:
    if (table <= 0).any():
        raise ValueError("no logarithm")
    return np.log(table)


def test_records_are_what_a_client_would_send() -> None:
    assert sorted(to_records(GUESTS)[0]) == ["age", "city", "income", "member"]
    assert {type(v) for v in to_records(GUESTS)[0].values()} == {int, float, str, bool}
