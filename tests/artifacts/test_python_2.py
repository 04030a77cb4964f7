"""Models that Python 2.7 with scikit-learn 0.20.4 saved, with the answers that they gave there, read by both sides."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from modelport.artifacts.pickles.reader import read_pickle
from modelport.artifacts.pickles.saved_by import saved_by
from modelport.native.repairs.kit import RepairKit

SAVED = Path(__file__).with_name("python_2")
NAMES = sorted(path.stem for path in SAVED.glob("*.json"))


@pytest.fixture(autouse=True)
def _old_versions() -> Iterator[None]:
    """Another version is what these tests are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", ["-p0.pkl", "-p2.pkl", ".joblib", "-packed.joblib"])
def test_it_answers_as_it_did_under_python_2(name: str, end: str) -> None:
    path = SAVED / f"{name}{end}"
    if not path.exists():
        pytest.skip("one form of it is enough")
    known = json.loads((SAVED / f"{name}.json").read_text(encoding="utf-8"))
    assert saved_by(path) == "0.20.4"
    model = read_pickle(path, repairs=RepairKit("0.20.4", "1.9.1"))
    assert model.predict(known["rows"]).tolist() == pytest.approx(known["labels"])
    if "probabilities" in known:
        assert model.classes_.tolist() == known["classes"]
        np.testing.assert_allclose(model.predict_proba(known["rows"]), known["probabilities"], rtol=1e-9)
