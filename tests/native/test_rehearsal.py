"""What a later start may put off is found out by one that puts all of it off, and is nothing where that goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from modelport.assembly.compiler import compile_artifact
from modelport.assembly.forms import Look, look_up
from modelport.assembly.proving import load_proven, shape_of
from modelport.assembly.rehearsal import Predict, rehearse
from modelport.config import ServeOptions
from modelport.native.proofs import AS_IT_IS, Proof
from tests.native.places import OTHER, doctored, put_installed

INPUTS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = np.where(INPUTS[:, 0] > 0, "yes", "no")
ROWS = [(0.1, 0.2, 0.3), (-1.0, 0.0, float("nan"))]
ALL = ("scipy.stats", "scipy.spatial", "pandas", "numpy.testing", "numpy.f2py")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return doctored(LogisticRegression().fit(INPUTS, LABELS), tmp_path / "model.joblib")


def proof_of(path: Path) -> tuple[Proof, object]:
    """As if it had been proven."""
    import sklearn

    proof = Proof(AS_IT_IS, OTHER, sklearn.__version__)
    model, _ = load_proven(path, ServeOptions(), proof)
    return replace(proof, inputs=model.signature.inputs), shape_of(model.signature)


def agreeing(predict: Predict) -> bool:
    return [answer["prediction"] for answer in predict([(2.0, 0.0, 0.0), (-2.0, 0.0, 0.0)])] == ["yes", "no"]


def test_what_neither_loading_nor_a_row_has_touched_may_wait(saved: Path) -> None:
    proof, shape = proof_of(saved)
    assert rehearse(saved, ServeOptions(), proof, shape, agreeing) == ALL


def test_what_a_row_has_touched_may_not(tmp_path: Path) -> None:
    """The second row is a gap, which this model refuses: the other side lives on, and tells it."""
    model = make_pipeline(QuantileTransformer(n_quantiles=20, output_distribution="normal"), LogisticRegression())
    path = doctored(model.fit(INPUTS, LABELS), tmp_path / "quantiles.joblib")
    proof, shape = proof_of(path)
    refused = []

    def ask(predict: Predict) -> bool:
        with pytest.raises(Exception, match="NaN") as error:
            predict(ROWS[1:])
        refused.append(error)
        return agreeing(predict)

    found = rehearse(path, ServeOptions(), proof, shape, ask)
    assert refused
    assert found == ALL[2:]


def test_nothing_may_wait_where_the_answers_differ_or_the_model_tells_other_inputs(saved: Path) -> None:
    proof, shape = proof_of(saved)
    assert rehearse(saved, ServeOptions(), proof, shape, lambda predict: False) == ()
    assert rehearse(saved, ServeOptions(), proof, "another", agreeing) == ()


def test_nothing_may_wait_where_the_user_s_code_may_run(saved: Path) -> None:
    proof, shape = proof_of(saved)
    assert rehearse(saved, ServeOptions(allow_pickle=True), proof, shape, agreeing) == ()


def test_nothing_may_wait_where_it_cannot_be_loaded(saved: Path) -> None:
    proof, shape = proof_of(saved)
    saved.write_bytes(saved.read_bytes()[:200])
    assert rehearse(saved, ServeOptions(), proof, shape, agreeing) == ()


@pytest.mark.slow
def test_a_proven_model_without_a_compiled_form_tells_later_starts_what_may_wait(saved: Path, tmp_path: Path) -> None:
    put_installed(tmp_path / "cache")
    options = ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    compile_artifact(saved, options)
    look = look_up(saved, options)
    assert look.late == ALL
    assert isinstance(look, Look)
    assert look.plain()["late"] == list(ALL)


@pytest.mark.slow
def test_a_model_that_is_compiled_puts_nothing_off(saved: Path, tmp_path: Path) -> None:
    put_installed(tmp_path / "cache")
    options = ServeOptions(cache_dir=tmp_path / "cache")
    assert compile_artifact(saved, options).late == ()


def test_a_holder_puts_off_what_it_is_told_before_anything_could_import_it() -> None:
    """It is stopped where the holder itself would begin."""
    script = """
import json, sys
from modelport.assembly import holder_early
import modelport.assembly.holder as holder
holder.main = lambda arguments: print(json.dumps(sys.modules["modelport.native.foreign_imports"].still_waiting())) or 0
holder_early.main(sys.argv[1:])
"""
    config = json.dumps({"form": {"native": {}, "late": ["pandas", "scipy.spatial"]}})
    done = subprocess.run(
        [sys.executable, "-c", script, config], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == ["scipy.spatial", "pandas"]


def test_a_file_that_names_what_was_put_off_gets_the_thing_itself() -> None:
    script = """
from modelport.native.foreign_imports import put_off, still_waiting
put_off()
from modelport.artifacts.pickles.permit import import_library
found = import_library("scipy.interpolate")
print(isinstance(found.BSpline, type), still_waiting())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "True ['pandas', 'numpy.testing', 'numpy.f2py']"
