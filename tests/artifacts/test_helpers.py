"""A model whose scaler, encoders or column names lie beside it answers as the notebook did that had them all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import (
    LabelEncoder,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from modelport.assembly import build_bundle, inspect_artifact, load_artifact, verify_bundle
from modelport.assembly.forms import open_form
from modelport.config import ServeOptions, resolve
from modelport.errors import ArtifactError, ConfigError
from tests.conftest import MUSIC

COLUMNS = ["acousticness", "danceability", "energy", "tempo"]


@pytest.fixture(scope="module")
def tracks() -> pd.DataFrame:
    """Real rows."""
    return pd.read_csv(MUSIC / "music.csv").dropna().iloc[:600]


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Rows with texts in them."""
    rows = np.arange(300)
    return pd.DataFrame(
        {
            "age": rows * 7 % 61,
            "sex": ["m", "f", "f"] * 100,
            "size": ["low", "mid", "high", "low"] * 75,
            "fare": rows * 13 % 97 / 10,
        }
    )


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., tuple[Path, ServeOptions]]:
    """Writes the model and what lies beside it, in that order; lists in JSON."""

    def write(model: Any, **beside: Any) -> tuple[Path, ServeOptions]:
        joblib.dump(model, tmp_path / "model.pkl")
        files = []
        for name, thing in beside.items():
            as_json = isinstance(thing, (list, dict)) and not any(hasattr(v, "fit") for v in thing)
            path = tmp_path / f"{name}.{'json' if as_json else 'pkl'}"
            path.write_text(json.dumps(thing)) if as_json else joblib.dump(thing, path)
            files.append(path)
        return tmp_path / "model.pkl", resolve({"with_": files} if files else {})

    return write


def answers(saved: tuple[Path, ServeOptions], rows: pd.DataFrame) -> list[Any]:
    """What is answered to rows by the names of their columns."""
    model, _ = load_artifact(*saved)
    names = list(model.signature.names)
    return [a["prediction"] for a in model.predict([tuple(row) for row in rows[names].to_numpy(object).tolist()])]


Save = Callable[..., tuple[Path, ServeOptions]]


# -- what finds its place ----------------------------------------------------------------------------------------------


def test_scaler_column_list_and_label_encoder_in_files_answer_as_in_the_notebook(
    save: Save, tracks: pd.DataFrame
) -> None:
    scaler, labels = StandardScaler().fit(tracks[COLUMNS].values), LabelEncoder().fit(tracks.genre)
    scaled = scaler.transform(tracks[COLUMNS].values)
    forest = RandomForestClassifier(12, random_state=0).fit(scaled, labels.transform(tracks.genre))
    wanted = labels.inverse_transform(forest.predict(scaled)).tolist()
    saved = save(forest, labels=labels, scaler=scaler, columns=COLUMNS)
    assert answers(saved, tracks) == wanted
    model, notes = load_artifact(*saved)
    assert model.signature.names == tuple(COLUMNS)
    assert model.signature.outputs[0].classes == ("Hip-Hop", "Rock")
    assert notes == (
        "put together: scaler.pkl (StandardScaler) → model.pkl (RandomForestClassifier)",
        "names of columns from columns.json",
        "names of the classes from labels.pkl: 0 is Hip-Hop, 1 is Rock",
    )
    (answer,) = model.predict([tuple(tracks[COLUMNS].iloc[0])])
    assert list(answer["probabilities"].values()) == forest.predict_proba(scaled[:1])[0].tolist()


def test_a_dict_of_all_of_them_is_a_model_and_what_has_no_part_in_it_is_told(save: Save, tracks: pd.DataFrame) -> None:
    scaler, labels = StandardScaler().fit(tracks[COLUMNS].values), LabelEncoder().fit(tracks.genre)
    scaled = scaler.transform(tracks[COLUMNS].values)
    model = LogisticRegression().fit(scaled, labels.transform(tracks.genre))
    held = {
        "model": model,
        "prep": {"scaler": scaler, "columns": pd.Index(COLUMNS)},
        "encoder": labels,
        "threshold": 0.4,
    }
    saved = save(held)
    assert answers(saved, tracks) == labels.inverse_transform(model.predict(scaled)).tolist()
    assert "not used: model.pkl['threshold'] (float)" in load_artifact(*saved)[1]


def test_several_transformers_are_ordered_by_their_widths_not_by_their_files(save: Save, tracks: pd.DataFrame) -> None:
    scaler = StandardScaler().fit(tracks[COLUMNS])
    pca = PCA(2).fit(scaler.transform(tracks[COLUMNS]))
    small = pca.transform(scaler.transform(tracks[COLUMNS]))
    model = LogisticRegression().fit(small, tracks.genre)
    assert answers(save(model, a_pca=pca, b_scaler=scaler), tracks) == model.predict(small).tolist()


def test_where_several_orders_fit_that_of_the_files_decides_and_is_told(save: Save, tracks: pd.DataFrame) -> None:
    scaler = StandardScaler().fit(tracks[COLUMNS].values)
    ranges = MinMaxScaler().fit(scaler.transform(tracks[COLUMNS].values))
    inputs = ranges.transform(scaler.transform(tracks[COLUMNS].values))
    model = LogisticRegression().fit(inputs, tracks.genre)
    saved = save(model, z=scaler, a=ranges, columns=COLUMNS)
    assert answers(saved, tracks) == model.predict(inputs).tolist()
    assert load_artifact(*saved)[1][-1].endswith("though others fit, too: z.pkl, then a.pkl")
    assert answers(save((scaler, ranges, model, COLUMNS)), tracks) == model.predict(inputs).tolist()
    with pytest.raises(ArtifactError, match=r"fit in several orders: .*'a'\], then .*--with FIRST --with SECOND"):
        load_artifact(*save({"model": model, "a": scaler, "b": ranges}))


@pytest.mark.parametrize("named", [True, False])
def test_a_scaler_of_some_columns_leaves_the_others_as_they_are(save: Save, tracks: pd.DataFrame, named: bool) -> None:
    some = ["tempo", "danceability"]
    scaler = StandardScaler().fit(tracks[some] if named else tracks[some].values)
    inputs = tracks[COLUMNS].copy()
    inputs[some] = scaler.transform(tracks[some] if named else tracks[some].values)
    model = LogisticRegression().fit(inputs if named else inputs.values, tracks.genre)
    lists = {} if named else {"columns": COLUMNS, "scaled": some}
    held = {"model": model, "scaler": scaler, **lists}
    assert answers(save(held), tracks) == model.predict(inputs if named else inputs.values).tolist()


def test_encoders_and_dicts_under_the_names_of_columns_encode_them(save: Save, people: pd.DataFrame) -> None:
    sexes, sizes = LabelEncoder().fit(people.sex), {"low": 1, "mid": 2, "high": 3}
    inputs = people.assign(sex=sexes.transform(people.sex), size=people["size"].map(sizes))
    scaler = StandardScaler().fit(inputs)
    model = LogisticRegression().fit(scaler.transform(inputs), inputs.age + inputs.fare > 35)
    saved = save({"clf": model, "scaler": scaler, "encoders": {"sex": sexes, "size": sizes}})
    assert answers(saved, people) == model.predict(scaler.transform(inputs)).tolist()
    fields = {f.name: f for f in load_artifact(*saved)[0].signature.inputs}
    assert set(fields["sex"].categories) == {"m", "f"}
    assert set(fields["size"].categories) == set(sizes)


def test_one_hot_columns_that_were_put_beside_others_are_found_by_their_names(save: Save, people: pd.DataFrame) -> None:
    texts, numbers = ["sex", "size"], ["age", "fare"]
    encoder, scaler = OneHotEncoder(sparse_output=False).fit(people[texts]), StandardScaler().fit(people[numbers])
    encoded = pd.DataFrame(encoder.transform(people[texts]), columns=encoder.get_feature_names_out())
    scaled = pd.DataFrame(scaler.transform(people[numbers]), columns=numbers)
    inputs = pd.concat([scaled, encoded], axis=1)
    model = LogisticRegression().fit(inputs, people.age > 30)
    assert answers(save(model, one_hot=encoder, scaler=scaler), people) == model.predict(inputs).tolist()


def test_vectorizers_read_one_text(save: Save) -> None:
    texts, labels = ["good film", "bad film", "great thing", "awful thing"] * 20, [1, 0, 1, 0] * 20
    counts = CountVectorizer().fit(texts)
    weights = TfidfTransformer().fit(counts.transform(texts))
    model = LogisticRegression().fit(weights.transform(counts.transform(texts)), labels)
    saved = save(model, weights=weights, counts=counts, names={"0": "bad", "1": "good"})
    assert load_artifact(*saved)[0].signature.names == ("text",)
    assert answers(saved, pd.DataFrame({"text": texts[:4]})) == ["good", "bad", "good", "bad"]


def test_a_scaler_of_the_label_brings_answers_back_to_its_unit(save: Save, tracks: pd.DataFrame) -> None:
    inputs, label = tracks[COLUMNS[:3]], tracks[["tempo"]]
    scaler, unit = StandardScaler().fit(inputs), StandardScaler().fit(label)
    model = Ridge().fit(scaler.transform(inputs), unit.transform(label).ravel())
    wanted = unit.inverse_transform(model.predict(scaler.transform(inputs)).reshape(-1, 1)).ravel()
    assert answers(save(model, unit=unit, scaler=scaler), tracks) == pytest.approx(wanted.tolist(), rel=1e-12)


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm"])
def test_boosters_in_files_of_their_own_format_take_a_scaler(
    save: Save, tracks: pd.DataFrame, tmp_path: Path, kind: str
) -> None:
    library = pytest.importorskip(kind)
    scaler, labels = StandardScaler().fit(tracks[COLUMNS].values), LabelEncoder().fit(tracks.genre)
    inputs = scaler.transform(tracks[COLUMNS].values)
    if kind == "xgboost":
        model, path = library.XGBClassifier(n_estimators=5), tmp_path / "model.json"
        model.fit(inputs, labels.transform(tracks.genre)).save_model(path)
    else:
        model, path = library.LGBMClassifier(n_estimators=5, verbose=-1), tmp_path / "model.txt"
        model.fit(inputs, labels.transform(tracks.genre)).booster_.save_model(path)
    _, options = save(0, scaler=scaler, labels=labels, columns=COLUMNS)
    assert answers((path, options), tracks) == labels.inverse_transform(model.predict(inputs)).tolist()


def test_an_ordinal_encoder_of_the_label_names_the_classes(save: Save, tracks: pd.DataFrame) -> None:
    labels = OrdinalEncoder().fit(tracks[["genre"]])
    model = LogisticRegression().fit(tracks[COLUMNS], labels.transform(tracks[["genre"]]).ravel())
    wanted = labels.inverse_transform(model.predict(tracks[COLUMNS]).reshape(-1, 1)).ravel().tolist()
    assert answers(save(model, labels=labels), tracks) == wanted


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forest(tracks: pd.DataFrame) -> RandomForestClassifier:
    """Two classes, 0 and 1; four inputs without names."""
    return RandomForestClassifier(4, random_state=0).fit(tracks[COLUMNS].values, tracks.genre == "Rock")


def refusal(saved: tuple[Path, ServeOptions]) -> str:
    """Why it is not loaded."""
    with pytest.raises(ArtifactError) as caught:
        load_artifact(*saved)
    return str(caught.value)


def test_widths_that_do_not_fit_are_refused_with_both_numbers(
    save: Save, tracks: pd.DataFrame, forest: RandomForestClassifier
) -> None:
    said = refusal(save(forest, scaler=StandardScaler().fit(tracks[COLUMNS[:3]])))
    assert "scaler.pkl (StandardScaler) gives 3 columns, but model.pkl (RandomForestClassifier) was fitted on 4" in said


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        ({"scaler": StandardScaler()}, "scaler.pkl (StandardScaler) is not fitted: save it after fit"),
        ({"limits": [0.1, 0.2]}, "limits.json (a list of 2 float) has no place beside model.pkl"),
        ({"columns": ["a", "b", "c"]}, "a list of names has as many as the model has inputs (4)"),
        ({"encoder": LabelEncoder().fit(["a", "b", "c"])}, "it has 3 labels, and the model has the classes"),
        ({"labels": LabelEncoder()}, "labels.pkl (LabelEncoder) is not fitted"),
    ],
)
def test_what_has_no_place_is_refused_by_its_name(
    save: Save, forest: RandomForestClassifier, beside: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(save(forest, **beside))


def test_two_encoders_that_could_both_be_of_the_label_are_refused(save: Save, people: pd.DataFrame) -> None:
    model = LogisticRegression().fit(people[["age", "fare"]].values, (people.age > 30).astype(int))
    one, two = LabelEncoder().fit(["m", "f"]), LabelEncoder().fit(["yes", "no"])
    assert "both could name the 2 classes" in refusal(save(model, one=one, two=two))


def test_an_encoder_that_bears_the_name_of_an_input_is_not_taken_for_that_of_the_label(
    save: Save, people: pd.DataFrame
) -> None:
    inputs = people[["age", "fare"]].assign(sex=0)
    model = LogisticRegression().fit(inputs, (people.age > 30).astype(int))
    said = refusal(save(model, le_sex=LabelEncoder().fit(people.sex)))
    assert "could name the classes of the model or encode its input 'sex'" in said
    assert 'save {"sex": encoder}' in said


def test_a_transformer_that_the_model_has_in_it_is_not_applied_twice(save: Save, tracks: pd.DataFrame) -> None:
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(tracks[COLUMNS], tracks.genre)
    assert "has a StandardScaler of 4 columns in it already" in refusal(save(model, scaler=model[0]))


def test_files_without_a_model_or_with_two_say_what_they_hold(
    save: Save, tracks: pd.DataFrame, forest: RandomForestClassifier
) -> None:
    scaler = StandardScaler().fit(tracks[COLUMNS])
    said = refusal(save({"scaler": scaler, "columns": COLUMNS, "n": 3}))
    assert "holds no model, which is something with a predict method" in said
    assert "['scaler']: StandardScaler; ['columns']: a list of 4 str; ['n']: int" in said
    assert "holds 2 models" in refusal(save({"a": forest, "b": forest}))
    assert "name its file first, and" in refusal(save(scaler, forest=forest))
    assert "is a second model beside" in refusal(save(forest, other=forest))


def test_a_file_that_is_missing_is_named(save: Save, forest: RandomForestClassifier, tmp_path: Path) -> None:
    path, _ = save(forest)
    with pytest.raises(ArtifactError, match=r"the file .*gone\.pkl that --with names does not exist"):
        load_artifact(path, resolve({"with": str(tmp_path / "gone.pkl")}))


def test_forged_containers_are_refused_and_not_walked_for_ever(save: Save, forest: RandomForestClassifier) -> None:
    from sklearn.pipeline import make_pipeline

    wide: list[Any] = [forest]
    for _ in range(3):
        wide = [wide] * 90
    assert "holds more than 1,000 objects" in refusal(save({"many": wide}))
    itself: dict[str, Any] = {"model": forest}
    itself["again"] = itself
    assert "more than 6 deep" in refusal(save(itself))
    endless = make_pipeline(StandardScaler())
    endless.steps.append(("again", endless))
    assert "contains itself" in refusal(save({"model": forest, "scaler": endless}))


# -- compiled, and in bundles ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_whole_is_compiled_and_bundled_and_its_version_is_that_of_all_files(
    save: Save, tracks: pd.DataFrame, tmp_path: Path
) -> None:
    scaler, labels = StandardScaler().fit(tracks[COLUMNS].values), LabelEncoder().fit(tracks.genre)
    scaled = scaler.transform(tracks[COLUMNS].values)
    model = LogisticRegression().fit(scaled, labels.transform(tracks.genre))
    path, options = save(model, scaler=scaler, labels=labels, columns=COLUMNS)
    described = inspect_artifact(path, options)
    assert described["form"] == "compiled"
    joblib.dump(StandardScaler().fit(tracks[COLUMNS].values * 2), tmp_path / "scaler.pkl")
    assert inspect_artifact(path, options)["version"] != described["version"]
    joblib.dump(scaler, tmp_path / "scaler.pkl")
    bundle = build_bundle(path, tmp_path / "whole.bundle", options)
    assert bundle.manifest.helpers == (
        "original/with/1/scaler.pkl",
        "original/with/2/labels.pkl",
        "original/with/3/columns.json",
    )
    for helper in options.with_ or ():
        helper.unlink()
    assert "golden cases answered by the original" in verify_bundle(bundle.path, ServeOptions())[-1]
    opened = open_form(None, bundle.path, ServeOptions()).model
    records = [tuple(row) for row in tracks[COLUMNS].to_numpy().tolist()]
    wanted = labels.inverse_transform(model.predict(scaled)).tolist()
    assert [a["prediction"] for a in opened.predict(records)] == wanted
    with pytest.raises(ConfigError, match="--with is for model files"):
        open_form(None, bundle.path, options)


def test_a_bundle_keeps_the_names_that_data_gave_to_a_model_without_any(
    save: Save, tracks: pd.DataFrame, forest: RandomForestClassifier, tmp_path: Path
) -> None:
    tracks[COLUMNS].to_csv(tmp_path / "data.csv", index=False)
    path, _ = save(forest)
    build_bundle(path, tmp_path / "named.bundle", ServeOptions(data=tmp_path / "data.csv", no_compile=True))
    opened = open_form(None, tmp_path / "named.bundle", ServeOptions(no_compile=True)).model
    assert opened.signature.names == tuple(COLUMNS)
    assert opened.signature.inputs[3].high == tracks.tempo.max()
