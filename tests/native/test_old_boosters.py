"""Pipelines with boosters and resampling steps that old releases really saved answer here as they did there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from modelport.assembly.artifacts import installed_version, load_artifact
from modelport.assembly.forms import open_form
from modelport.assembly.native import read_stored
from modelport.assembly.rescue import rescue
from modelport.config import ServeOptions
from modelport.errors import UnprovenVersion
from modelport.native.environments import provide
from modelport.native.versions import StoredVersions, needed
from tests.native.places import cache_of_tests

SAVING = Path(__file__).with_name("saving_boosters.py")
CASES = [
    ("xgboost", "0.24.2", "1.3.3"),
    ("xgboost", "1.2.2", "1.7.6"),
    ("lightgbm", "0.24.2", "v3"),
    ("catboost", "1.2.2", ""),
    ("imbalanced-learn", "0.24.2", ""),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("library", "version", "beside"), CASES)
def test_a_rescued_pipeline_answers_as_in_the_versions_that_saved_it(
    library: str, version: str, beside: str, tmp_path: Path
) -> None:
    pytest.importorskip({"imbalanced-learn": "imblearn"}.get(library, library))
    stored = StoredVersions({"scikit-learn": version, library: beside}, frozenset({"scikit-learn", library}))
    environment = provide(needed(stored), cache_of_tests())
    subprocess.run(environment.command(SAVING, library, str(tmp_path / "old")), check=True, timeout=120)
    told = read_stored(tmp_path / "old.joblib")
    assert (told.versions["scikit-learn"], told.versions.get(library, "")) == (version, beside)
    options = ServeOptions(cache_dir=cache_of_tests())
    rescue(tmp_path / "old.joblib", tmp_path / "new.bundle", options, False, lambda what, done: None)
    known = json.loads((tmp_path / "old.json").read_text())
    answers = open_form(None, tmp_path / "new.bundle", options).model.predict([tuple(row) for row in known["rows"]])
    assert [a["prediction"] for a in answers] == known["labels"]
    found = [list(a["probabilities"].values()) for a in answers]
    np.testing.assert_allclose(found, known["probabilities"], atol=1e-5)


ALONE = [("xgboost", "1.7.6"), ("xgboost", "2.1.4"), ("lightgbm", "v3")]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("library", "version"), ALONE)
def test_a_rescued_booster_that_was_pickled_alone_answers_as_in_the_version_that_saved_it(
    library: str, version: str, tmp_path: Path
) -> None:
    pytest.importorskip(library)
    environment = provide(needed(StoredVersions({library: version}, frozenset({library}))), cache_of_tests())
    subprocess.run(environment.command(SAVING, library, str(tmp_path / "old"), "alone"), check=True, timeout=120)
    options = ServeOptions(cache_dir=cache_of_tests())
    with pytest.raises(UnprovenVersion, match=f"was saved by {library}"):
        load_artifact(tmp_path / "old.joblib", options)
    rescued = rescue(tmp_path / "old.joblib", tmp_path / "new.bundle", options, False, lambda what, done: None)
    assert f" with {library} " in rescued.report
    assert (
        f"installed: scikit-learn {installed_version('scikit-learn')}, {library} {installed_version(library)}"
        in rescued.report
    )
    known = json.loads((tmp_path / "old.json").read_text())
    answers = open_form(None, tmp_path / "new.bundle", options).model.predict([tuple(row) for row in known["rows"]])
    assert [a["prediction"] for a in answers] == known["labels"]
    found = [list(a["probabilities"].values()) for a in answers]
    np.testing.assert_allclose(found, known["probabilities"], atol=1e-5)
