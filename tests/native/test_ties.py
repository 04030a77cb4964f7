"""Models that choose between what may be equally near: such rows are not among those that are asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.impute import KNNImputer
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from modelport.assembly.diagnosis import diagnose
from modelport.assembly.proving import prove
from modelport.config import ServeOptions
from modelport.native.kinds import Kind
from modelport.native.proofs import AS_IT_IS, NATIVE
from modelport.native.ties import objection
from tests.native.places import OTHER, doctored, put_installed

INPUTS = np.random.default_rng(0).normal(size=(80, 2))
BRUTE = Kind("KNeighborsClassifier", frozenset(["algorithm=brute"]))


@pytest.mark.slow
def test_a_model_that_breaks_ties_in_a_way_of_its_version_is_served_by_it_whatever_the_rows_show(
    tmp_path: Path,
) -> None:
    put_installed(tmp_path / "cache")
    options = ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    for model, way in ((make_pipeline(KNNImputer(), Ridge()), NATIVE), (KNeighborsRegressor(), AS_IT_IS)):
        proven = prove(doctored(model.fit(INPUTS, INPUTS[:, 0]), tmp_path / "old.joblib"), options)
        assert proven.proof.way == way
        said = "any but that version itself: KNNImputer looks for neighbours among all rows"
        assert any(why.startswith(said) for why in proven.proof.others) == (way == NATIVE)


def test_inspect_says_which_models_their_own_version_answers_for_whatever_the_rows_show(tmp_path: Path) -> None:
    options = ServeOptions(cache_dir=tmp_path / "cache")
    put_installed(options.cache_dir or tmp_path)
    tied = doctored(make_pipeline(KNNImputer(), Ridge()).fit(INPUTS, INPUTS[:, 0]), tmp_path / "tied.joblib")
    assert "lets it answer itself, whatever this version would: KNNImputer looks" in diagnose(tied, options)["serving"]
    told = doctored(Ridge().fit(INPUTS, INPUTS[:, 0]), tmp_path / "told.joblib")
    assert diagnose(told, options)["serving"].endswith("serves the first way that agrees on every row")


@pytest.mark.slow
def test_an_old_model_with_names_of_columns_in_json_beside_it_is_told_of_and_proven(tmp_path: Path) -> None:
    put_installed(tmp_path / "cache")
    (tmp_path / "columns.json").write_text('["a", "b"]')
    options = ServeOptions(cache_dir=tmp_path / "cache", with_=(tmp_path / "columns.json",), no_compile=True)
    path = doctored(Ridge().fit(INPUTS, INPUTS[:, 0]), tmp_path / "old.joblib")
    assert diagnose(path, options)["serving"].startswith("uses the environment")
    proven = prove(path, options)
    assert proven.proof.way == AS_IT_IS
    assert [field.name for field in proven.model.signature.inputs] == ["a", "b"]


@pytest.mark.parametrize(("saved", "served_here"), [("1.2.2", False), ("1.3.2", True)])
def test_a_search_that_has_not_changed_since_is_proven_by_rows_of_the_model_itself(
    saved: str, served_here: bool
) -> None:
    assert objection(BRUTE, {BRUTE.name}, saved, OTHER)
    assert (not objection(BRUTE, {BRUTE.name}, saved, OTHER, asked=True)) is served_here
