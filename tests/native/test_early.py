"""The process of a native environment that is started before it is asked: found by whoever asks first, and as good as any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from modelport.assembly.proving import load_proven, prove
from modelport.config import ServeOptions
from modelport.native import foreign
from modelport.native.early import start_early, take_early
from modelport.native.environments import Environment
from modelport.native.process import ForeignProcess
from modelport.native.proofs import NATIVE
from tests.native.places import doctored, put_installed

INPUTS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = np.where(INPUTS[:, 0] > 0, "yes", "no")
MODEL = LogisticRegression().fit(INPUTS, LABELS)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    environment = put_installed(tmp_path / "cache")
    yield environment
    left = take_early(environment.folder)
    if left is not None:
        left.process.kill()
        left.process.communicate()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return doctored(MODEL, tmp_path / "model.joblib")


def test_what_was_read_early_answers(environment: Environment, saved: Path) -> None:
    start_early(str(environment.folder), str(saved), True)
    process = ForeignProcess(environment, whole=False)
    started = process._process
    assert started is not None
    found = process.load(saved)
    assert process._process is started
    assert found.predict(INPUTS[:3]).tolist() == MODEL.predict(INPUTS[:3]).tolist()
    process.close()


def test_one_that_reads_another_file_is_not_taken_for_this_one(
    environment: Environment, saved: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.joblib"
    joblib.dump({"no": "model"}, other)
    start_early(str(environment.folder), str(other), True)
    process = ForeignProcess(environment, whole=False)
    assert type(process.load(saved)).__name__ == "LogisticRegression"
    process.close()


def test_who_proves_a_model_takes_none_that_tells_less(environment: Environment, saved: Path) -> None:
    start_early(str(environment.folder), str(saved), True)
    process = ForeignProcess(environment)
    assert process._process is None


def test_an_environment_that_is_gone_is_told_by_who_asks_it(tmp_path: Path) -> None:
    start_early(str(tmp_path / "gone"), str(tmp_path / "model.joblib"), True)
    assert take_early(tmp_path / "gone") is None


def test_serving_is_told_no_insides_and_gets_what_it_asks_for(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forest = RandomForestClassifier(n_estimators=3, random_state=0).fit(INPUTS, LABELS)
    joblib.dump(forest, tmp_path / "forest.joblib")
    process = ForeignProcess(environment, whole=False)
    found = process.load(tmp_path / "forest.joblib")
    tree = found.estimators_[0].tree_
    assert vars(tree) == {}
    np.testing.assert_array_equal(tree.threshold, forest.estimators_[0].tree_.threshold)
    np.testing.assert_array_equal(found.predict_proba(INPUTS), forest.predict_proba(INPUTS))
    process.close()


def test_a_great_vocabulary_stays_where_it_is(environment: Environment, tmp_path: Path) -> None:
    words = [f"w{i}" for i in range(foreign.MOST_ENTRIES + 1)]
    model = make_pipeline(CountVectorizer(), MultinomialNB()).fit([" ".join(words), "w1 w2"], ["many", "few"])
    joblib.dump(model, tmp_path / "texts.joblib")
    process = ForeignProcess(environment, whole=False)
    found = process.load(tmp_path / "texts.joblib")
    assert "vocabulary_" not in vars(found.steps[0][1])
    assert len(found.steps[0][1].vocabulary_) == len(words)
    assert found.predict(["w1"]).tolist() == model.predict(["w1"]).tolist()
    process.close()


@pytest.mark.slow
def test_a_model_that_its_environment_serves_opens_with_the_inputs_of_its_proof(
    environment: Environment, saved: Path, tmp_path: Path
) -> None:
    options = ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    proof = prove(saved, options, ways=()).proof
    assert (proof.way, proof.late) == (NATIVE, True)
    start_early(str(environment.folder), str(saved), True)
    model, _ = load_proven(saved, options, proof)
    assert take_early(environment.folder) is None
    assert model.signature.inputs == proof.inputs
    wanted = MODEL.predict_proba(INPUTS[:4])
    found = [list(answer["probabilities"].values()) for answer in model.predict([tuple(row) for row in INPUTS[:4]])]
    np.testing.assert_array_equal(found, wanted)
