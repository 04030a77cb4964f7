"""Rows that the version that saved a model refuses: to answer them is to answer otherwise."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from modelport.assembly import proving
from modelport.assembly.artifacts import load_artifact
from modelport.assembly.proving import prove
from modelport.assembly.rescue import write_report
from modelport.compilation.parity import Row, ask
from modelport.config import ServeOptions
from modelport.kernel.values import Record
from modelport.native.environments import Environment
from modelport.native.proofs import AS_IT_IS, NATIVE
from tests.native.places import OTHER, doctored, need_of, put_installed

INPUTS = np.random.default_rng(0).normal(size=(80, 1))
LABELS = np.where(INPUTS[:, 0] > 0, "yes", "no")
ROWS: list[Row] = [("inside the ranges", (float(i),)) for i in range(-3, 200)]


def answering(records: Sequence[Record]) -> list[Any]:
    return [{"prediction": record[0] * 2.0} for record in records]


def refusing(records: Sequence[Record]) -> list[Any]:
    if any(record[0] < 0 for record in records):
        raise ValueError("no negatives")
    return answering(records)


def asked() -> proving._Case:
    """A version that refuses three rows of all."""
    place = Environment(Path("nowhere"), {}, "", 0)
    case = proving._Case(
        Path("old.pkl"), ServeOptions(), OTHER, need_of(OTHER), place, None, (), (), lambda _, __: None, proving.WAYS
    )
    case.expected = ask(refusing, ROWS, 5.0)
    return case


def test_who_refuses_what_was_refused_agrees() -> None:
    case = asked()
    assert proving._agrees(case, refusing, AS_IT_IS)
    assert case.others == []
    assert proving._told_of_refused(case.expected) == "inside the ranges: ValueError: no negatives"


def test_who_answers_what_was_refused_does_not_agree_and_the_first_such_row_is_told() -> None:
    case = asked()
    assert not proving._agrees(case, answering, AS_IT_IS)
    (told,) = case.others
    assert told == (
        f"as it is: it answers 3 of 3 rows that scikit-learn {OTHER} refuses: row 0 (inside the ranges) [-3.0]: "
        f"scikit-learn {OTHER} says ValueError: no negatives, the installed version {{'prediction': -6.0}}"
    )


@pytest.mark.slow
def test_a_compiled_form_that_answers_what_its_original_refuses_is_not_used(tmp_path: Path) -> None:
    """Nobody is within the radius of a row far away, and no label is set for that."""
    model = RadiusNeighborsClassifier(2.0).fit(INPUTS, LABELS)
    loaded, _ = load_artifact(doctored(model, tmp_path / "old.joblib"), ServeOptions(), other_version="asked in a test")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = proving._compile(loaded, ServeOptions(), [])
    assert isinstance(said, str)
    assert "rows that the original refuses (ValueError: No neighbors found" in said


@pytest.fixture(name="overflowing")
def _overflowing(tmp_path: Path) -> Path:
    """A model that refuses great numbers: what its first step makes of them is infinite."""
    model = make_pipeline(FunctionTransformer(np.exp), LogisticRegression(max_iter=1000)).fit(INPUTS, LABELS)
    return doctored(model, tmp_path / "old.joblib")


@pytest.mark.slow
@pytest.mark.parametrize("answers_more", [False, True])
def test_a_model_that_answers_more_here_is_served_by_the_version_that_saved_it(
    answers_more: bool, overflowing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installed version is made to answer them; the environment, another process, is not."""
    put_installed(tmp_path / "cache")
    options = replace(ServeOptions(cache_dir=tmp_path / "cache"), no_compile=True)
    if answers_more:
        usual = FunctionTransformer.transform
        monkeypatch.setattr(
            FunctionTransformer, "transform", lambda self, X: np.nan_to_num(usual(self, X), posinf=1e300)
        )
    proven = prove(overflowing, options)
    assert proven.proof.refused > 0
    assert "infinity" in proven.proof.refusal
    report = write_report(overflowing, "", proven)
    assert f"- refused there, and so by what serves: {proven.proof.refused:,} rows, the first of " in report
    assert proven.proof.way == (NATIVE if answers_more else AS_IT_IS)
    if answers_more:
        assert f"rows that scikit-learn {OTHER} refuses: row " in proven.proof.others[0]
    else:
        assert f", and refuses the {proven.proof.refused:,} that are refused there" in str(proven.proof)
