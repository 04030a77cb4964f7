"""Models whose first step reads loose objects: a DictVectorizer knows its keys, a FeatureHasher is told them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from modelport.artifacts.loaders.sklearn import SklearnLoader
from modelport.errors import SignatureError
from modelport.kernel.ports import Hints
from tests.compile.originals import compiled
from tests.serving import same, serving

OBJECTS: list[dict[str, Any]] = [
    {"city": "Lima", "rooms": 3.0},
    {"city": "Oslo", "rooms": 1.0, "garden": "large"},
    {"rooms": 2.0},
    {"city": "Lima", "garden": "small"},
] * 6
DEAR = [1, 0, 1, 0] * 6


def saved(step: Any, folder: Path) -> tuple[Any, Path]:
    """The fitted pipeline and its file."""
    model = make_pipeline(step, LogisticRegression()).fit(OBJECTS, DEAR)
    joblib.dump(model, folder / "flats.joblib")
    return model, folder / "flats.joblib"


def test_objects_are_answered_as_they_are_with_keys_left_out(tmp_path: Path) -> None:
    model, path = saved(DictVectorizer(), tmp_path)
    asked = [*OBJECTS[:4], {}, {"city": "Atlantis", "rooms": None}]
    with serving(path) as service:
        got = service.predict(asked)
        assert service.field("city")["categories"] == ["Lima", "Oslo"]
        assert service.post({"storeys": 2}).status_code == 422
    known = [*OBJECTS[:4], {}, {"city": "Atlantis"}]
    tables = model.predict_proba(known).tolist()
    assert same([list(answer["probabilities"].values()) for answer in got], tables)


def test_a_model_of_objects_is_compiled(tmp_path: Path) -> None:
    model, _ = saved(DictVectorizer(), tmp_path)
    made = compiled(model, tmp_path)
    assert made.report.kinds["categories"] >= 5


def test_a_hasher_reads_the_fields_it_is_told(tmp_path: Path) -> None:
    model, path = saved(FeatureHasher(n_features=16), tmp_path)
    data = tmp_path / "flats.csv"
    data.write_text("city,rooms,garden\nLima,3.5,large\nOslo,1,small\n")
    with serving(path, data=data) as service:
        got = service.predict(OBJECTS[:4])
    assert same([list(a["probabilities"].values()) for a in got], model.predict_proba(OBJECTS[:4]).tolist())


def test_what_a_hasher_needs_to_be_told_is_said(tmp_path: Path) -> None:
    _, path = saved(FeatureHasher(n_features=16), tmp_path)
    with pytest.raises(SignatureError, match="give --data or --features"):
        SklearnLoader().load(path, Hints())


def test_a_key_with_numbers_and_text_is_refused_by_its_name(tmp_path: Path) -> None:
    model = make_pipeline(DictVectorizer(), LogisticRegression()).fit([{"size": 3}, {"size": "large"}], [0, 1])
    joblib.dump(model, tmp_path / "model.joblib")
    with pytest.raises(SignatureError, match="numbers and text as 'size'"):
        SklearnLoader().load(tmp_path / "model.joblib", Hints())
