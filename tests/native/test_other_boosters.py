"""Proven, or refused: where scikit-learn is the same, and only the library of a booster inside is another version."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelport.artifacts.pickles.boosters import earlier_than, wrote
from modelport.assembly import proving
from modelport.assembly.artifacts import installed_version, load_artifact, other_version
from modelport.assembly.compiler import compile_artifact
from modelport.assembly.forms import look_up, open_form
from modelport.assembly.inspection import inspect_artifact
from modelport.assembly.native import read_stored
from modelport.assembly.origins import several_in, untold_in
from modelport.assembly.rescue import rescue
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, UnprovenVersion
from modelport.native.boosters import series_beside
from modelport.native.versions import StoredVersions, needed
from tests.native.places import put_installed

INPUTS = np.random.default_rng(0).normal(size=(80, 3))
TARGET = (INPUTS[:, 0] > 0).astype(int)
RECORD = (0.1, -0.2, 0.3)
OLD = "1.7.6"


@pytest.fixture(name="fitted")
def _fitted() -> Any:
    return pytest.importorskip("xgboost").XGBClassifier(n_estimators=3, max_depth=2).fit(INPUTS, TARGET)


def older(model: Any, path: Path) -> Path:
    """A pickle that says that another XGBoost wrote the booster; its trees are those of the installed one."""
    import xgboost

    def stored(version: str) -> bytes:
        return b"version[#L\0\0\0\0\0\0\0\x03" + b"".join(b"i" + bytes([int(part)]) for part in version.split("."))

    data = pickle.dumps(model)
    assert stored(xgboost.__version__) in data
    path.write_bytes(data.replace(stored(xgboost.__version__), stored(OLD)))
    return path


@pytest.fixture(name="pipeline")
def _pipeline(fitted: Any, tmp_path: Path) -> Path:
    return older(make_pipeline(StandardScaler().fit(INPUTS), fitted), tmp_path / "pipeline.pkl")


def test_a_pipeline_whose_booster_is_of_another_version_is_refused_with_both_versions(pipeline: Path) -> None:
    import xgboost

    with pytest.raises(UnprovenVersion) as refused:
        load_artifact(pipeline, ServeOptions())
    assert f"was saved by xgboost {OLD}, here is {xgboost.__version__}" in str(refused.value)
    assert f"install xgboost=={OLD}" in str(refused.value)


def test_it_is_asked_in_the_same_scikit_learn_with_that_booster(pipeline: Path) -> None:
    need = needed(read_stored(pipeline))
    assert {f"scikit-learn=={sklearn.__version__}", f"xgboost=={OLD}"} <= set(need.requirements)


@pytest.mark.parametrize("alone", [False, True], ids=["pipeline", "alone"])
def test_it_is_served_once_its_answers_are_held_against_that_version(alone: bool, fitted: Any, tmp_path: Path) -> None:
    model = fitted if alone else make_pipeline(StandardScaler().fit(INPUTS), fitted)
    path, options = older(model, tmp_path / "old.pkl"), ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    put_installed(tmp_path / "cache", sklearn.__version__, need=needed(read_stored(path)))
    assert look_up(path, options).form == "unknown"
    told: list[str] = []
    look = compile_artifact(path, options, begin_proof=told.append)
    assert told[0].startswith(f"old.pkl was saved by xgboost {OLD}, here is ")
    assert look.why.startswith("loaded as it is, it answers ")
    assert look.why.endswith(f"as scikit-learn {sklearn.__version__} with xgboost {OLD} does")
    (answer,) = open_form(look.plain(), path, options).model.predict([RECORD])
    np.testing.assert_allclose(
        list(answer["probabilities"].values()), model.predict_proba(np.array([RECORD]))[0], rtol=1e-6
    )


def test_without_an_environment_it_is_refused(pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise ArtifactError("the package index is not reached")

    monkeypatch.setattr(proving, "provide", refuse)
    with pytest.raises(
        UnprovenVersion, match=rf"saved by xgboost {OLD}.*index is not reached; and by the table.* it holds"
    ):
        proving.prove(pipeline, ServeOptions(cache_dir=tmp_path / "cache"))


def test_the_user_may_trust_it_and_every_answer_says_so(pipeline: Path, tmp_path: Path) -> None:
    options = ServeOptions(trust_version=True, no_compile=True, cache_dir=tmp_path / "cache")
    opened = open_form(look_up(pipeline, options).plain(), pipeline, options)
    assert opened.form["trusted"] == f"xgboost {OLD}"
    assert any(note.startswith(f"WARNING: saved by xgboost {OLD}") for note in opened.notes)


def test_inspect_tells_which_library_differs_before_anything_is_installed(pipeline: Path, tmp_path: Path) -> None:
    told = inspect_artifact(pipeline, ServeOptions(cache_dir=tmp_path / "cache"))
    assert f"xgboost {OLD}" in told["saved_by"]
    assert "xgboost" in told["installed"]
    assert f"xgboost=={OLD}" in told["needs"]


def test_a_booster_without_its_wrapper_is_refused_before_anything_is_installed(
    fitted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = older(fitted.get_booster(), tmp_path / "bare.pkl")
    monkeypatch.setattr(proving, "provide", lambda *_: pytest.fail("an environment was built"))
    with pytest.raises(UnprovenVersion, match="a Booster without its wrapper: let the XGBoost that wrote it save it"):
        proving.prove(path, ServeOptions(cache_dir=tmp_path / "cache"))


def test_a_file_of_the_installed_versions_is_served_as_before(fitted: Any, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted))
    fitted.save_model(tmp_path / "model.ubj")
    for name in ("model.pkl", "model.ubj"):
        assert other_version(tmp_path / name, ServeOptions()) is None
        load_artifact(tmp_path / name, ServeOptions())


def test_a_skops_file_says_that_its_booster_tells_no_version(fitted: Any, tmp_path: Path) -> None:
    pytest.importorskip("skops.io").dump(make_pipeline(StandardScaler().fit(INPUTS), fitted), tmp_path / "model.skops")
    (told,) = untold_in(tmp_path / "model.skops", installed_version)
    assert told.startswith("the file does not store which version of xgboost wrote it")


def test_the_word_alone_makes_no_booster(tmp_path: Path) -> None:
    model = LogisticRegression().fit(INPUTS, np.where(TARGET, "xgboost.sklearn", "other"))
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    assert other_version(tmp_path / "model.pkl", ServeOptions()) is None


def test_boosters_of_two_versions_in_one_model_are_refused(fitted: Any, tmp_path: Path) -> None:
    second = type(fitted)(n_estimators=2, max_depth=2).fit(INPUTS, TARGET)
    old, new = older(fitted, tmp_path / "old.pkl").read_bytes(), pickle.dumps(second)
    path = tmp_path / "two.pkl"
    path.write_bytes(b"\x80\x04]" + old[11:-1] + b"a" + new[11:-1] + b"a.")
    assert str(other_version(path, ServeOptions())) == f"xgboost {OLD}"
    library, versions = several_in([path]) or ("", ())
    assert library == "xgboost"
    assert OLD in versions
    with pytest.raises(ArtifactError, match="holds boosters that several versions of xgboost wrote") as refused:
        read_stored(path)
    assert "adds --trust-version" in str(refused.value)


@pytest.mark.parametrize("library", ["lightgbm", "catboost"])
def test_inspect_and_rescue_tell_what_a_file_leaves_open(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module: Any = pytest.importorskip(library)
    if library == "catboost":  # a build of a branch, as many are, names no version
        monkeypatch.setattr("modelport.artifacts.pickles.boosters._CATBOOST", re.compile(rb"\Znothing"))
        model = module.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False)
        wanted = "the file does not store which version of catboost wrote it"
    else:
        model = module.LGBMClassifier(n_estimators=3, verbose=-1)
        wanted = "the file stores the format of lightgbm's trees (v4), not the release that wrote them"
    path, options = tmp_path / "model.pkl", ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    path.write_bytes(pickle.dumps(model.fit(INPUTS, TARGET)))
    assert any(note.startswith(wanted) for note in inspect_artifact(path, options)["notes"])
    assert wanted in rescue(path, tmp_path / "new.bundle", options, False, lambda what, done: None).report


@pytest.mark.parametrize(
    ("library", "told", "installed", "same"),
    [
        ("xgboost", "3.2.0", "3.2.0", True),
        ("xgboost", "3.2.0", "3.2.1", False),
        ("xgboost", "1.1.*", "1.1.1", True),
        ("xgboost", "1.1.*", "1.2.0", False),
        ("catboost", "1.2", "1.2.0", True),
        ("catboost", "1.2.1", "1.2.10", False),
        ("lightgbm", "v4", "4.6.0", True),
        ("lightgbm", "v3", "4.0.0", False),
        ("lightgbm", "v3", "3.3.5", True),
        ("lightgbm", "v2", "3.3.5", False),
    ],
)
def test_a_release_wrote_what_names_it(library: str, told: str, installed: str, same: bool) -> None:
    assert wrote(library, told, installed) is same


@pytest.mark.parametrize(
    ("told", "requirement"), [("v2", "lightgbm<2.2.4"), ("v3", "lightgbm<4.0.0"), ("v4", "lightgbm")]
)
def test_pip_is_told_which_releases_write_a_format(told: str, requirement: str) -> None:
    assert earlier_than(told) == requirement


@pytest.mark.parametrize(
    ("library", "told", "series"),
    [
        ("xgboost", "1.7.6", "1.2"),
        ("xgboost", "1.1.*", "0.23"),
        ("xgboost", "0.90", "0.21"),
        ("xgboost", "3.2.0", "1.8"),
        ("lightgbm", "v3", "1.2"),
        ("catboost", "1.2.2", "1.3"),
        ("catboost", "1.2.10", "1.6"),
    ],
)
def test_a_booster_alone_is_asked_beside_a_scikit_learn_of_its_time(library: str, told: str, series: str) -> None:
    assert series_beside({library: told}) == series
    need = needed(StoredVersions({library: told}, frozenset({library})))
    assert f"scikit-learn=={series}.*" in need.requirements
