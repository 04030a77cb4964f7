"""Boosters among the steps of an old pipeline: their version is read, and their answers are held against it, too."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler

from modelport.artifacts.pickles.boosters import booster_versions
from modelport.artifacts.pickles.outline import Named, read_outline
from modelport.artifacts.pickles.reader import read_pickle
from modelport.assembly.compiler import compile_artifact
from modelport.assembly.forms import open_form
from modelport.assembly.native import read_stored
from modelport.config import ServeOptions
from modelport.errors import ArtifactError
from modelport.native import foreign_reader
from modelport.native.boosters import requirements_of
from modelport.native.repairs.kit import RepairKit
from modelport.native.versions import StoredVersions, needed
from tests.native.places import doctored, put_installed

INPUTS = np.random.default_rng(0).normal(size=(80, 3))
TARGET = (INPUTS[:, 0] > 0).astype(int)
RECORD = (0.1, -0.2, 0.3)


def booster(library: str) -> Any:
    """A small one of each."""
    module = pytest.importorskip(library)
    if library == "xgboost":
        return module.XGBClassifier(n_estimators=3, max_depth=2)
    if library == "lightgbm":
        return module.LGBMClassifier(n_estimators=3, verbose=-1)
    return module.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
@pytest.mark.parametrize("protocol", [2, 5])
def test_a_booster_tells_the_version_that_wrote_it(library: str, protocol: int, tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), booster(library)).fit(INPUTS, TARGET)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model, protocol))
    told = booster_versions(read_outline(tmp_path / "model.pkl").objects())
    wanted = pytest.importorskip(library).__version__ if library != "lightgbm" else "v4"
    assert told == {library: wanted}


def test_boosters_of_two_versions_tell_none() -> None:
    two = [Named("xgboost.core.Booster", made=True) for _ in range(2)]
    for thing, version in zip(two, (b"[1,6,2]", b"[1,7,0]"), strict=True):
        thing.state = {"handle": b'{"version":' + version + b"}"}
    assert booster_versions(two) == {}
    assert booster_versions(two[:1]) == {"xgboost": "1.6.2"}


@pytest.mark.parametrize(
    ("library", "version", "series", "wanted"),
    [
        ("xgboost", "1.7.6", (1, 2), ["xgboost==1.7.6"]),
        ("xgboost", "1.1.*", (0, 23), ["xgboost<1.2"]),
        ("lightgbm", "v3", (0, 23), ["lightgbm<3"]),
        ("lightgbm", "v3", (1, 2), ["lightgbm<4"]),
        ("lightgbm", "v4", (1, 8), ["lightgbm<5"]),
        ("catboost", "1.2.2", (1, 3), ["catboost==1.2.2", "graphviz", "plotly"]),
        ("catboost", "", (1, 2), ["catboost<1.2", "graphviz", "plotly"]),
        ("imbalanced-learn", "", (0, 24), ["imbalanced-learn<0.9"]),
        ("imbalanced-learn", "", (1, 7), ["imbalanced-learn<0.15", "sklearn-compat"]),
    ],
)
def test_the_environment_has_the_library_of_that_version_or_of_that_time(
    library: str, version: str, series: tuple[int, ...], wanted: list[str]
) -> None:
    assert requirements_of(library, version, series) == wanted


@pytest.mark.parametrize("version", ["1.0; os", "-r file", "2", "1.0.0.0.0"])
def test_what_is_no_version_never_reaches_an_installer(version: str) -> None:
    stored = StoredVersions({"scikit-learn": "1.2.2", "xgboost": version}, frozenset({"scikit-learn", "xgboost"}))
    with pytest.raises(ArtifactError, match="the version of xgboost that saved it calls itself"):
        needed(stored)


def test_a_booster_without_a_version_is_refused() -> None:
    with pytest.raises(ArtifactError, match="it needs xgboost, whose version it does not store"):
        needed(StoredVersions({"scikit-learn": "1.2.2"}, frozenset({"scikit-learn", "xgboost"})))


@pytest.mark.parametrize(
    "library",
    ["xgboost", pytest.param("lightgbm", marks=pytest.mark.slow), pytest.param("catboost", marks=pytest.mark.slow)],
)
def test_a_pipeline_with_one_is_held_against_the_version_that_saved_it(library: str, tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), booster(library)).fit(INPUTS, TARGET)
    path = doctored(model, tmp_path / "old.joblib")
    put_installed(tmp_path / "cache", need=needed(read_stored(path)))
    options = ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    look = compile_artifact(path, options)
    assert look.why.startswith("loaded as it is, it answers ")
    (answer,) = open_form(look.plain(), path, options).model.predict([RECORD])
    np.testing.assert_allclose(
        list(answer["probabilities"].values()), model.predict_proba(np.array([RECORD]))[0], rtol=1e-6
    )


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "catboost"])
def test_the_environment_reads_boosters_and_no_other_classes_of_their_libraries(library: str, tmp_path: Path) -> None:
    model = booster(library).fit(INPUTS, TARGET)
    joblib.dump(model, tmp_path / "model.joblib")
    found = foreign_reader.read_file(str(tmp_path / "model.joblib"))
    np.testing.assert_array_equal(found.predict_proba(INPUTS), model.predict_proba(INPUTS))
    stranger = {
        "xgboost": "xgboost.core\nDMatrix",
        "lightgbm": "lightgbm.basic\nDataset",
        "catboost": "catboost.core\nPool",
    }
    (tmp_path / "hostile.pkl").write_bytes(b"\x80\x02c" + stranger[library].encode() + b"\n)R.")
    with pytest.raises(foreign_reader.Refused, match="is not on the list"):
        foreign_reader.read_file(str(tmp_path / "hostile.pkl"))


def test_classes_that_the_wrapper_encoded_itself_keep_their_names(tmp_path: Path) -> None:
    """As XGBoost did until 1.5; today it takes and gives numbers alone."""
    model = booster("xgboost").fit(INPUTS, TARGET)
    wanted = np.array(["no", "yes"])[model.predict(INPUTS)]
    model._le = LabelEncoder().fit(["no", "yes"])
    del model.feature_types  # a parameter that did not exist then, and is read at each prediction
    joblib.dump(model, tmp_path / "old.joblib")
    kit = RepairKit("0.24.2", "1.9.1")
    found = read_pickle(tmp_path / "old.joblib", repairs=kit)
    assert {"booster-classes", "booster-parameters"} <= set(kit.applied)
    assert found.classes_.tolist() == ["no", "yes"]
    np.testing.assert_array_equal(found.predict(INPUTS), wanted)
