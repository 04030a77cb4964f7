"""Models that XGBoost 0.90 and 1.2 wrote, in the binary format that 3.1 reads no more, and the answers that they gave there."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.artifacts.pickles.loading import load_pickle
from modelport.artifacts.xgboost_binary import Unreadable, is_binary, to_json
from modelport.assembly import load_artifact
from modelport.assembly.artifacts import find_loader
from modelport.config import ServeOptions
from modelport.errors import ArtifactError
from modelport.native.repairs.kit import RepairKit

xgboost = pytest.importorskip("xgboost")

SAVED = Path(__file__).with_name("xgboost_binaries")
MODELS = sorted(SAVED.glob("*.bst"))
GRADIENT = SAVED / "0.90_softprob.bst"


def rows_and_answers(path: Path) -> tuple[Any, Any]:
    """What was asked and answered where it was trained."""
    told = json.loads(path.with_suffix(".json").read_text())
    return np.array([[np.nan if v is None else v for v in row] for row in told["rows"]], np.float32), told["answers"]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_binary_answers_as_the_xgboost_that_wrote_it(path: Path) -> None:
    assert type(find_loader(path)).__name__ == "XgboostLoader"
    rows, wanted = rows_and_answers(path)
    booster = xgboost.Booster(model_file=bytearray(to_json(path.read_bytes())))
    assert booster.predict(xgboost.DMatrix(rows)) == pytest.approx(np.array(wanted), rel=1e-6)


def test_a_binary_is_served_with_its_probabilities() -> None:
    rows, wanted = rows_and_answers(GRADIENT)
    model, _ = load_artifact(GRADIENT, ServeOptions())
    answers = model.predict([tuple(float(v) for v in row) for row in rows[6:]])
    assert [list(a["probabilities"].values()) for a in answers] == [pytest.approx(row, rel=1e-6) for row in wanted[6:]]


@pytest.mark.parametrize("path", sorted(SAVED.glob("*.pkl")), ids=lambda path: path.stem)
def test_a_pickle_of_a_wrapper_with_a_binary_inside_answers_as_there(path: Path) -> None:
    rows, wanted = rows_and_answers(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn about another version
        model = load_pickle(path, False, repairs=RepairKit("0.21.3", "1.9.1"))
    assert model.predict_proba(rows) == pytest.approx(np.array(wanted), rel=1e-6)


@pytest.mark.parametrize("end", [200, 400, 2000, 7000])
def test_a_binary_that_ends_too_early_is_refused(end: int, tmp_path: Path) -> None:
    (tmp_path / "model.bst").write_bytes(GRADIENT.read_bytes()[:end])
    with pytest.raises(ArtifactError, match="is a binary of XGBoost"):
        load_artifact(tmp_path / "model.bst", ServeOptions())


def test_a_node_that_leads_out_of_its_tree_is_refused() -> None:
    data = bytearray(GRADIENT.read_bytes())
    first = data.index(b"gbtree") + 6 + 160 + 148
    data[first + 4 : first + 8] = (10_000).to_bytes(4, "little")
    with pytest.raises(Unreadable, match="tree 0 is damaged"):
        to_json(bytes(data))


@pytest.mark.parametrize("head", [b"", b"tree\nversion=v3", b"\x80\x04" + bytes(300), bytes(400), b"{" * 300])
def test_what_is_no_binary_is_not_taken_for_one(head: bytes) -> None:
    assert not is_binary(head)
