"""scikit-learn pipelines over columns of several kinds, texts and names, from the file to the answer of the ASGI app."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.artifacts.foreign import Jobs
from tests.artifacts.zoo import ROWS, check_served, numbers, own_answers, people, save, sums, to_records
from tests.serving import same, serving

pandas = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.compose import ColumnTransformer, make_column_selector  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer  # noqa: E402
from sklearn.frozen import FrozenEstimator  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LogisticRegression, RidgeClassifier  # noqa: E402
from sklearn.metrics import accuracy_score, make_scorer  # noqa: E402
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV  # noqa: E402
from sklearn.pipeline import FeatureUnion, make_pipeline  # noqa: E402
from sklearn.preprocessing import (  # noqa: E402
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import LinearSVC  # noqa: E402

TABLE = numbers()
TEST = numbers(ROWS, seed=1)
GENRE = np.where(sums(TABLE) > 0, "Rock", "Hip-Hop")


def forest() -> Any:
    """A small one."""
    return RandomForestClassifier(n_estimators=8, random_state=0)


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


def test_columns_that_every_part_drops_may_be_left_out(tmp_path: Path) -> None:
    model = make_pipeline(columns((StandardScaler(), ["age", "income"])), LogisticRegression()).fit(PEOPLE, RICH)
    data = tmp_path / "people.csv"
    PEOPLE.to_csv(data, index=False)
    for options in ({}, {"data": data}):
        with serving(save(model, tmp_path), **options) as service:
            wanted = own_answers(model, GUESTS[["age", "income", "city", "member"]])
            kept = to_records(GUESTS[["age", "income"]])
            assert all(same(a, w) for a, w in zip(service.predict(kept), wanted, strict=True))
            assert same(service.predict({**kept[0], "city": None}), wanted[0])
            assert service.signature["example"].keys() == {"age", "income"}
            assert [f["name"] for f in service.signature["inputs"] if f.get("optional")] == ["city", "member"]
            record = service.get("/openapi.json").json()["components"]["schemas"]["model.Record"]
            assert record["required"] == ["age", "income"]
            assert service.post({"age": 30, "city": None}).json()["detail"][0]["type"] == "missing"
            assert service.post({**kept[0], "town": 1}).json()["detail"][0]["type"] == "extra_forbidden"


def test_a_column_that_only_some_members_drop_must_be_sent(tmp_path: Path) -> None:
    members = [
        ("a", make_pipeline(columns((StandardScaler(), ["age"])), LogisticRegression())),
        ("b", make_pipeline(columns((StandardScaler(), ["income"])), LogisticRegression())),
    ]
    model = VotingClassifier(members, voting="soft").fit(PEOPLE[["age", "income", "city"]], RICH)
    with serving(save(model, tmp_path)) as service:
        assert [f["name"] for f in service.signature["inputs"] if f.get("optional")] == ["city"]
        assert service.post({"age": 30}).status_code == 422
        assert service.post({"age": 30, "income": 3000}).status_code == 200


def test_what_is_passed_through_must_be_sent(tmp_path: Path) -> None:
    table = PEOPLE[["age", "income", "member"]]
    for rest in ([("keep", "passthrough", ["income"])], []):
        step = ColumnTransformer(
            [("age", StandardScaler(), ["age"]), *rest, ("drop", "drop", ["member"])],
            remainder="drop" if rest else "passthrough",
        )
        model = make_pipeline(step, LogisticRegression(max_iter=2000)).fit(table, RICH)
        with serving(save(model, tmp_path)) as service:
            assert [f["name"] for f in service.signature["inputs"] if f.get("optional")] == ["member"]


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


AROUND: dict[str, Callable[[Any], Any]] = {
    "vote": lambda model: VotingClassifier([("a", model), ("b", clone(model))], voting="soft"),
    "calibration": lambda model: CalibratedClassifierCV(model, cv=2),
    "search": lambda model: GridSearchCV(model, {"logisticregression__C": [1, 10]}, cv=2),
    "frozen": lambda model: FrozenEstimator(model.fit(PEOPLE, RICH)),
    "threshold": lambda model: TunedThresholdClassifierCV(model, scoring=make_scorer(accuracy_score), cv=2),
}


@pytest.mark.parametrize("make", AROUND.values(), ids=AROUND.keys())
def test_what_is_around_a_pipeline_hides_no_categories(make: Callable[[Any], Any], tmp_path: Path) -> None:
    def member() -> Any:
        return make_pipeline(columns((OneHotEncoder(), ["city"]), (StandardScaler(), ["age"])), LogisticRegression())

    model = make(member()).fit(PEOPLE, RICH)
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


def test_a_range_is_told_by_a_scaler_only_where_it_saw_the_values_as_sent(tmp_path: Path) -> None:
    first, later = MinMaxScaler(), make_pipeline(StandardScaler(), MinMaxScaler())
    for scaler, wanted in ((first, [TABLE["a"].min(), TABLE["a"].max()]), (later, None)):
        model = make_pipeline(scaler, LogisticRegression()).fit(TABLE, GENRE)
        with serving(save(model, tmp_path)) as service:
            assert service.field("a").get("training_range") == wanted


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


def test_a_model_that_takes_only_32_bit_floats_gets_them(tmp_path: Path) -> None:
    model = KMeans(2, n_init=1).fit(TABLE.to_numpy(np.float32))
    rows = TEST.to_numpy(np.float32)
    check_served(save(model, tmp_path), rows, own_answers(model, rows))


def test_a_named_model_takes_no_flat_list(tmp_path: Path) -> None:
    with serving(save(LogisticRegression().fit(TABLE, GENRE), tmp_path)) as service:
        assert service.post([0, 0, 0, 0]).status_code == 422


def test_a_model_works_with_one_job_as_requests_are_the_parallelism(tmp_path: Path) -> None:
    with serving(save(Jobs(), tmp_path), allow_pickle=True) as service:
        assert service.predict([1.5]) == {"prediction": 1}


def test_a_record_that_fails_in_the_model_fails_alone(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(_log_or_fail), LogisticRegression())
    model.fit(np.abs(TABLE.to_numpy()), GENRE)
    with serving(save(model, tmp_path), allow_pickle=True) as service:
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
