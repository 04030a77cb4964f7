"""XGBoost, LightGBM and CatBoost models, in their own files and pickled, from the file to the answer of the ASGI app."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.assembly import find_loader, load_artifact
from modelport.config import resolve
from modelport.errors import ArtifactError
from modelport.kernel.signature import Signature
from tests.artifacts.zoo import ROWS, check_served, numbers, own_answers, people, save, sums
from tests.serving import serving

pandas = pytest.importorskip("pandas")

TABLE, TEST = numbers(), numbers(ROWS, seed=1)
LEVEL = np.digitize(sums(TABLE), [-1, 1])
GENRE = np.where(sums(TABLE) > 0, "Rock", "Hip-Hop")
LABELS = np.column_stack((TABLE["a"] > 0, TABLE["b"] > 0)).astype(int)
TWO_VALUES = np.column_stack((sums(TABLE), TABLE["a"]))
QUERIES = np.repeat([0, 1, 2, 3], 30)


def gappy(table: Any, seed: int = 0) -> Any:
    """The same table with every fifth number of each column missing."""
    return table.mask(np.random.default_rng(seed).random(table.shape) < 0.2)


def classes(probabilities: Any, names: Sequence[Any]) -> list[Any]:
    """The promised answers from a booster's own probabilities: one per class, or that of the second alone."""
    table = np.column_stack((1 - probabilities, probabilities)) if probabilities.ndim == 1 else probabilities
    keys = [str(name) for name in names]
    return [
        {"prediction": names[int(row.argmax())], "probabilities": dict(zip(keys, row.tolist(), strict=True))}
        for row in table
    ]


def likes(table: Any) -> Any:
    """A target that only the categories tell."""
    return table["city"].isin(["Lima", "Osaka"]) ^ (table["zone"].astype(int) == 10)


def values(predictions: Any) -> list[Any]:
    """The promised answers from a booster's own values."""
    if predictions.ndim == 1:
        return [{"prediction": v} for v in predictions.tolist()]
    return [{"prediction": {f"y{i}": v for i, v in enumerate(row)}} for row in predictions.tolist()]


def load(path: Path, **options: Any) -> Signature:
    """The signature of a file."""
    return load_artifact(path, resolve(options))[0].signature


# -- XGBoost -------------------------------------------------------------------------------------------------------


@pytest.fixture
def xgboost() -> Any:
    """The library, or a visible skip."""
    return pytest.importorskip("xgboost")


XGB_CLASSIFIERS: dict[str, Any] = {
    "two classes": ("binary:logistic", LEVEL > 1),
    "three classes": ("multi:softprob", LEVEL),
    "three classes, labels only in training": ("multi:softmax", LEVEL),
}


@pytest.mark.parametrize("suffix", [".json", ".ubj", ".bst", ".model"])
@pytest.mark.parametrize(("objective", "target"), XGB_CLASSIFIERS.values(), ids=XGB_CLASSIFIERS.keys())
def test_xgboost_classes_are_numbered_and_have_probabilities(
    xgboost: Any, objective: str, target: Any, suffix: str, tmp_path: Path
) -> None:
    model = xgboost.XGBClassifier(n_estimators=8, n_jobs=1, objective=objective).fit(gappy(TABLE), target.astype(int))
    path, rows = tmp_path / f"model{suffix}", gappy(TEST, seed=1)
    model.get_booster().save_model(tmp_path / f"model.{'ubj' if suffix == '.ubj' else 'json'}")
    next(tmp_path.glob("model.*")).rename(path)
    check_served(path, rows, classes(model.predict_proba(rows), sorted(set(target.astype(int).tolist()))))


XGB_VALUES: dict[str, Any] = {
    "squared error": ({}, sums(TABLE)),
    "counts": ({"objective": "count:poisson"}, LEVEL),
    "two outputs": ({}, TWO_VALUES),
    "quantiles": ({"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]}, sums(TABLE)),
    "dropped trees": ({"booster": "dart", "rate_drop": 0.5}, sums(TABLE)),
    "linear": ({"booster": "gblinear"}, sums(TABLE)),
    "margins": ({"objective": "binary:logitraw"}, LEVEL > 1),
}


@pytest.mark.parametrize(("parameters", "target"), XGB_VALUES.values(), ids=XGB_VALUES.keys())
def test_xgboost_values_are_the_boosters_own(xgboost: Any, parameters: Any, target: Any, tmp_path: Path) -> None:
    booster = xgboost.train({"nthread": 1, **parameters}, xgboost.DMatrix(TABLE, target), 8)
    booster.save_model(tmp_path / "model.ubj")
    check_served(tmp_path / "model.ubj", TEST, values(booster.predict(xgboost.DMatrix(TEST))))


def test_an_xgboost_ranking_gives_its_score(xgboost: Any, tmp_path: Path) -> None:
    model = xgboost.XGBRanker(n_estimators=5, n_jobs=1).fit(TABLE, LEVEL, qid=QUERIES)
    model.save_model(tmp_path / "model.json")
    check_served(tmp_path / "model.json", TEST, values(model.predict(TEST)))


def test_xgboost_labels_get_a_probability_each(xgboost: Any, tmp_path: Path) -> None:
    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(TABLE, LABELS)
    model.save_model(tmp_path / "model.ubj")
    p = model.predict_proba(TEST)
    wanted = [
        {
            "prediction": {"y0": int(a > 0.5), "y1": int(b > 0.5)},
            "probabilities": {"y0": {"0": float(1 - a), "1": float(a)}, "y1": {"0": float(1 - b), "1": float(b)}},
        }
        for a, b in p
    ]
    check_served(tmp_path / "model.ubj", TEST, wanted)


def test_xgboost_hinge_gives_labels_without_probabilities(xgboost: Any, tmp_path: Path) -> None:
    booster = xgboost.train({"nthread": 1, "objective": "binary:hinge"}, xgboost.DMatrix(TABLE, LEVEL > 1), 5)
    booster.save_model(tmp_path / "model.ubj")
    own = booster.predict(xgboost.DMatrix(TEST)).astype(int)
    check_served(tmp_path / "model.ubj", TEST, [{"prediction": int(v)} for v in own])


def test_xgboost_answers_with_its_best_iteration(xgboost: Any, tmp_path: Path) -> None:
    model = xgboost.XGBRegressor(n_estimators=60, n_jobs=1, learning_rate=1.0, early_stopping_rounds=3)
    model.fit(TABLE, sums(TABLE), eval_set=[(TEST, sums(TEST))], verbose=False)
    model.save_model(tmp_path / "model.ubj")
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    check_served(tmp_path / "model.ubj", TEST, values(model.predict(TEST)))


def test_xgboost_types_and_categories_come_from_the_file(xgboost: Any, tmp_path: Path) -> None:
    table, rows = people(), people(ROWS, seed=1)
    for frame in (table, rows):
        frame["city"] = frame["city"].astype("category")
        frame["zone"] = pandas.Categorical(frame["age"] // 30 * 10)
    model = xgboost.XGBClassifier(n_estimators=8, n_jobs=1, enable_categorical=True).fit(table, likes(table))
    path = tmp_path / "model.ubj"
    model.save_model(path)
    check_served(path, rows, classes(model.predict_proba(rows), [0, 1]))
    with serving(path) as service:
        assert [f["type"] for f in service.signature["inputs"]] == ["int", "float", "string", "bool", "int"]
        assert service.field("zone")["categories"] == [0, 10, 20]
        assert service.post({"age": 30, "income": 1.0, "city": "Rome", "member": True, "zone": 10}).status_code == 422


def test_xgboost_without_names_takes_flat_lists(xgboost: Any, tmp_path: Path) -> None:
    model = xgboost.XGBRegressor(n_estimators=5, n_jobs=1).fit(TABLE.to_numpy(), sums(TABLE))
    model.save_model(tmp_path / "model.json")
    check_served(tmp_path / "model.json", TEST.to_numpy(), values(model.predict(TEST.to_numpy())))


@pytest.mark.parametrize(
    "content",
    ['{"learner": "Ada"}', '{"learner": {"name": "Ada"}}', '{"version": [1, 2], "data": {}}', "[]", '{"a": "learner"}'],
)
def test_a_json_file_of_another_program_is_not_taken_for_xgboost(content: str, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match="of no kind that is read here"):
        find_loader(path)


@pytest.mark.parametrize(("suffix", "keep"), [(".json", 400), (".ubj", 3000)])
def test_a_damaged_xgboost_file_is_one_clear_line(xgboost: Any, suffix: str, keep: int, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    xgboost.train({"nthread": 1}, xgboost.DMatrix(TABLE, LEVEL), 3).save_model(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match="cannot be read as an XGBoost model") as refused:
        load(path)
    assert "\n" not in str(refused.value)
    assert "Stack trace" not in str(refused.value)


# -- LightGBM ------------------------------------------------------------------------------------------------------


@pytest.fixture
def lightgbm() -> Any:
    """The library, or a visible skip."""
    return pytest.importorskip("lightgbm")


QUIET = {"verbosity": -1, "min_data_in_leaf": 5, "num_threads": 1}


@pytest.mark.parametrize(
    ("objective", "target"),
    [("binary", (LEVEL > 1).astype(int)), ("multiclass", LEVEL), ("multiclassova", LEVEL)],
)
def test_lightgbm_classes_are_numbered_and_have_probabilities(
    lightgbm: Any, objective: str, target: Any, tmp_path: Path
) -> None:
    options = {**QUIET, "objective": objective, **({"num_class": 3} if objective != "binary" else {})}
    booster = lightgbm.train(options, lightgbm.Dataset(gappy(TABLE), target), 8)
    booster.save_model(tmp_path / "model.txt")
    rows = gappy(TEST, seed=1)
    check_served(tmp_path / "model.txt", rows, classes(booster.predict(rows), sorted(set(target.tolist()))))


@pytest.mark.parametrize("objective", ["regression", "poisson", "quantile", "cross_entropy", "lambdarank"])
def test_lightgbm_values_are_the_boosters_own(lightgbm: Any, objective: str, tmp_path: Path) -> None:
    group = [30] * 4 if objective == "lambdarank" else None
    data = lightgbm.Dataset(TABLE, LEVEL / 2 if objective == "cross_entropy" else LEVEL, group=group)
    booster = lightgbm.train({**QUIET, "objective": objective}, data, 8)
    booster.save_model(tmp_path / "model.txt")
    check_served(tmp_path / "model.txt", TEST, values(booster.predict(TEST)))


def test_lightgbm_ranges_and_categories_come_from_the_file(lightgbm: Any, tmp_path: Path) -> None:
    table, rows = people(), people(ROWS, seed=1)
    for frame in (table, rows):
        frame["city"] = frame["city"].astype("category")
        frame["zone"] = pandas.Categorical(frame["age"] // 30 * 10)
    booster = lightgbm.train({**QUIET, "objective": "binary"}, lightgbm.Dataset(table, likes(table)), 8)
    path, data = tmp_path / "model.txt", tmp_path / "people.csv"
    booster.save_model(path)
    table.to_csv(data, index=False)
    check_served(path, rows, classes(booster.predict(rows), [0, 1]), data=data)
    with serving(path) as service:
        assert service.field("age")["training_range"] == [table["age"].min(), table["age"].max()]
        assert service.field("city")["categories"] == ["Bergen", "Lima", "Nairobi", "Osaka"]
        assert service.field("zone")["categories"] == [0, 10, 20]
        unseen = {"age": 30, "income": 1.0, "city": "Rome", "member": 1, "zone": 10}
        assert service.predict(unseen) == service.predict({**unseen, "city": None})


@pytest.mark.parametrize("without", ["", "[categorical_feature"])
def test_lightgbm_categories_are_matched_to_their_columns(lightgbm: Any, without: str, tmp_path: Path) -> None:
    table, rows = people(), people(ROWS, seed=1)
    for frame in (table, rows):
        frame["city"] = frame["city"].astype("category")
        if not without:  # a column that the trees cannot use is listed by its number alone
            frame.insert(0, "planet", pandas.Categorical(["Earth"] * len(frame)))
    booster = lightgbm.train({**QUIET, "objective": "binary"}, lightgbm.Dataset(table, table["city"] == "Lima"), 8)
    path = tmp_path / "model.txt"
    booster.save_model(path)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not without or not line.startswith(without)), encoding="utf-8")
    check_served(path, rows.assign(member=rows["member"].astype(int)), classes(booster.predict(rows), [0, 1]))


def test_lightgbm_categories_that_fit_no_column_are_refused(lightgbm: Any, tmp_path: Path) -> None:
    table = people()
    table["city"] = table["city"].astype("category")
    data = lightgbm.Dataset(table, table["member"], categorical_feature=["age", "city"])
    path = tmp_path / "model.txt"
    lightgbm.train({**QUIET, "objective": "binary"}, data, 3).save_model(path)
    with pytest.raises(ArtifactError, match="1 lists of categories for 2 categorical inputs"):
        load(path)


def test_lightgbm_categories_by_number_come_from_the_file(lightgbm: Any, tmp_path: Path) -> None:
    table, rows = people()[["age", "income"]], people(ROWS, seed=1)[["age", "income"]]
    table["age"], rows["age"] = table["age"] % 4, rows["age"] % 4
    data = lightgbm.Dataset(table, table["age"] % 3 == 0, categorical_feature=[0])
    booster = lightgbm.train({**QUIET, "objective": "binary"}, data, 8)
    booster.save_model(tmp_path / "model.txt")
    check_served(tmp_path / "model.txt", rows, classes(booster.predict(rows), [0, 1]))
    assert load(tmp_path / "model.txt").inputs[0].categories == (0, 1, 2, 3)


def test_lightgbm_spells_its_names_as_the_data_does(lightgbm: Any, tmp_path: Path) -> None:
    table = TABLE.rename(columns={"a": "a b"})
    data = tmp_path / "data.csv"
    table.to_csv(data, index=False)
    lightgbm.train(QUIET, lightgbm.Dataset(table, LEVEL), 3).save_model(tmp_path / "model.txt")
    assert load(tmp_path / "model.txt").names == ("a_b", "b", "c", "d")
    assert load(tmp_path / "model.txt", data=data).names == ("a b", "b", "c", "d")


def test_lightgbm_without_names_takes_flat_lists(lightgbm: Any, tmp_path: Path) -> None:
    booster = lightgbm.train(QUIET, lightgbm.Dataset(TABLE.to_numpy(), LEVEL), 5)
    booster.save_model(tmp_path / "model.txt")
    check_served(tmp_path / "model.txt", TEST.to_numpy(), values(booster.predict(TEST.to_numpy())))


def test_a_text_file_is_not_taken_for_lightgbm(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("tree\nof life\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="of no kind that is read here"):
        find_loader(path)


def test_a_truncated_lightgbm_file_is_refused(lightgbm: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    lightgbm.train(QUIET, lightgbm.Dataset(TABLE, LEVEL), 5).save_model(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ArtifactError, match="ends in the middle of its trees"):
        load(path)


# -- CatBoost ------------------------------------------------------------------------------------------------------


@pytest.fixture
def catboost() -> Any:
    """The library, or a visible skip."""
    return pytest.importorskip("catboost")


FEW = {"iterations": 8, "verbose": 0, "thread_count": 1, "allow_writing_files": False}


@pytest.mark.parametrize(
    ("options", "target"),
    [
        ({}, GENRE),
        ({}, LEVEL),
        ({}, LEVEL > 1),
        ({}, (LEVEL > 1) * 0.5),
        ({"loss_function": "MultiClassOneVsAll"}, GENRE),
        ({"loss_function": "CrossEntropy"}, (LEVEL > 1) * 1.0),
    ],
    ids=["strings", "integers", "booleans", "floats", "one against all", "cross entropy"],
)
def test_catboost_classes_keep_their_type_and_have_probabilities(
    catboost: Any, options: Any, target: Any, tmp_path: Path
) -> None:
    model = catboost.CatBoostClassifier(**FEW, **options).fit(gappy(TABLE), target)
    model.save_model(tmp_path / "model.cbm")
    rows = gappy(TEST, seed=1)
    check_served(tmp_path / "model.cbm", rows, classes(model.predict_proba(rows), model.classes_.tolist()))


@pytest.mark.parametrize(
    ("loss", "target"),
    [("RMSE", LEVEL), ("Poisson", LEVEL), ("MultiRMSE", TWO_VALUES), ("RMSEWithUncertainty", LEVEL)],
)
def test_catboost_values_are_those_of_its_regressor(catboost: Any, loss: str, target: Any, tmp_path: Path) -> None:
    model = catboost.CatBoostRegressor(**FEW, loss_function=loss).fit(TABLE, target)
    model.save_model(tmp_path / "model.cbm")
    check_served(tmp_path / "model.cbm", TEST, values(np.asarray(model.predict(TEST))))


def test_a_catboost_ranking_gives_its_score(catboost: Any, tmp_path: Path) -> None:
    model = catboost.CatBoostRanker(**FEW).fit(TABLE, LEVEL, group_id=QUERIES)
    model.save_model(tmp_path / "model.cbm")
    check_served(tmp_path / "model.cbm", TEST, values(model.predict(TEST)))


def test_catboost_labels_get_a_probability_each(catboost: Any, tmp_path: Path) -> None:
    model = catboost.CatBoostClassifier(**FEW, loss_function="MultiLogloss").fit(TABLE, LABELS)
    model.save_model(tmp_path / "model.cbm")
    with serving(tmp_path / "model.cbm") as service:
        answers = service.predict(TEST.to_dict("records"))
    assert [list(a["prediction"].values()) for a in answers] == model.predict(TEST).tolist()
    got = [[row["1"] for row in a["probabilities"].values()] for a in answers]
    np.testing.assert_allclose(got, model.predict_proba(TEST), atol=1e-9)


def test_catboost_takes_categories_as_text_numbers_or_booleans(catboost: Any, tmp_path: Path) -> None:
    table, rows = people(400), people(ROWS, seed=1)
    target = np.where(table["city"].isin(["Lima", "Osaka"]) ^ (table["age"] % 2 == 0), "rich", "poor")
    model = catboost.CatBoostClassifier(**FEW).fit(table, target, cat_features=["age", "city", "member"])
    path, data = tmp_path / "model.cbm", tmp_path / "people.csv"
    model.save_model(path)
    table.to_csv(data, index=False)
    wanted = classes(model.predict_proba(rows), model.classes_.tolist())
    check_served(path, rows, wanted, data=data)
    with serving(path, data=data) as service:
        assert [f["type"] for f in service.signature["inputs"]] == ["int", "float", "string", "bool"]
        assert [f["nullable"] for f in service.signature["inputs"]] == [False, True, False, False]
    check_served(path, rows.astype({"age": str, "member": int}).astype({"member": str}), wanted)


def test_catboost_without_names_takes_flat_lists(catboost: Any, tmp_path: Path) -> None:
    model = catboost.CatBoostRegressor(**FEW).fit(TABLE.to_numpy(), LEVEL)
    model.save_model(tmp_path / "model.cbm")
    check_served(tmp_path / "model.cbm", TEST.to_numpy(), values(model.predict(TEST.to_numpy())))


def test_catboost_refuses_null_where_training_forbade_gaps(catboost: Any, tmp_path: Path) -> None:
    model = catboost.CatBoostRegressor(**FEW, nan_mode="Forbidden").fit(TABLE, LEVEL)
    model.save_model(tmp_path / "model.cbm")
    assert not any(f.nullable for f in load(tmp_path / "model.cbm").inputs)


def test_catboost_answers_as_its_probability_threshold_says(catboost: Any, tmp_path: Path) -> None:
    model = catboost.CatBoostClassifier(**FEW).fit(TABLE, LEVEL > 1)
    model.set_probability_threshold(0.05)
    model.save_model(tmp_path / "model.cbm")
    own = np.asarray(model.predict(TEST)).astype(str) == "True"
    assert any(own != (model.predict_proba(TEST)[:, 1] > 0.5))
    with serving(tmp_path / "model.cbm") as service:
        assert [a["prediction"] for a in service.predict(TEST.to_dict("records"))] == own.tolist()


def test_a_damaged_catboost_file_is_one_clear_line(catboost: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.cbm"
    catboost.CatBoostRegressor(**FEW).fit(TABLE, LEVEL).save_model(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match="cannot be read as a CatBoost model") as refused:
        load(path)
    assert "\n" not in str(refused.value)


# -- pickled -------------------------------------------------------------------------------------------------------

WRAPPERS: dict[str, tuple[str, Callable[[Any], Any], Any]] = {
    "XGBClassifier": ("xgboost", lambda x: x.XGBClassifier(n_estimators=8, n_jobs=-1), LEVEL),
    "XGBRegressor": ("xgboost", lambda x: x.XGBRegressor(n_estimators=8, n_jobs=1), sums(TABLE)),
    "XGBRFClassifier": ("xgboost", lambda x: x.XGBRFClassifier(n_estimators=8, n_jobs=1), LEVEL > 1),
    "LGBMClassifier": ("lightgbm", lambda x: x.LGBMClassifier(n_estimators=8, n_jobs=-1, **QUIET), GENRE),
    "LGBMClassifier of booleans": ("lightgbm", lambda x: x.LGBMClassifier(n_estimators=8, **QUIET), LEVEL > 1),
    "LGBMRegressor": ("lightgbm", lambda x: x.LGBMRegressor(n_estimators=8, **QUIET), sums(TABLE)),
    "CatBoostClassifier": ("catboost", lambda x: x.CatBoostClassifier(**FEW), GENRE),
    "CatBoostRegressor": ("catboost", lambda x: x.CatBoostRegressor(**FEW), sums(TABLE)),
}


@pytest.mark.parametrize(("library", "make", "target"), WRAPPERS.values(), ids=WRAPPERS.keys())
def test_a_pickled_wrapper_keeps_its_classes_and_takes_null(
    library: str, make: Callable[[Any], Any], target: Any, tmp_path: Path
) -> None:
    model = make(pytest.importorskip(library)).fit(gappy(TABLE), target)
    path, rows = save(model, tmp_path), gappy(TEST, seed=1)
    named = hasattr(model, "predict_proba") and not hasattr(model, "loss_function")
    wanted = own_answers(model, rows) if not named else classes(model.predict_proba(rows), model.classes_.tolist())
    check_served(path, rows, wanted)


@pytest.mark.parametrize(("library", "make", "target"), WRAPPERS.values(), ids=WRAPPERS.keys())
def test_a_wrapper_in_a_pipeline_is_served(
    library: str, make: Callable[[Any], Any], target: Any, tmp_path: Path
) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler().set_output(transform="pandas"), make(pytest.importorskip(library)))
    model.fit(gappy(TABLE), target)
    rows = gappy(TEST, seed=1)
    wanted = classes(model.predict_proba(rows), model.classes_.tolist()) if hasattr(model, "predict_proba") else None
    check_served(save(model, tmp_path), rows, wanted or values(np.asarray(model.predict(rows))))


def test_a_pickled_wrapper_knows_the_categories_of_its_frame(lightgbm: Any, tmp_path: Path) -> None:
    table, rows = people(), people(ROWS, seed=1)
    for frame in (table, rows):
        frame["city"], frame["member"] = frame["city"].astype("category"), frame["member"].astype(int)
    model = lightgbm.LGBMClassifier(n_estimators=8, **QUIET).fit(
        table, np.where(table["income"] > 3000, "rich", "poor")
    )
    check_served(save(model, tmp_path), rows, classes(model.predict_proba(rows), ["poor", "rich"]))
