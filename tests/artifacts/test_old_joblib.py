"""What joblib 0.9 wrote: arrays in files beside the model, and a packed format of its own."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.artifacts.bundle import copy_artifact
from modelport.artifacts.companions import companions
from modelport.artifacts.digest import digest_path
from modelport.artifacts.pickles.loading import load_pickle
from modelport.errors import ArtifactError
from modelport.native.repairs.kit import RepairKit

pytest.importorskip("sklearn")

SAVED = Path(__file__).with_name("old_joblib")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the files."""
    return Path(shutil.copytree(SAVED, tmp_path / "models"))


def load(path: Path) -> Any:
    """Read with the repairs of scikit-learn 0.19, which was beside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_pickle(path, False, repairs=RepairKit("0.19.2", "1.9.1"))


@pytest.mark.parametrize("name", ["plain.pkl", "packed.pkl"])
def test_its_models_answer_as_they_did(name: str, folder: Path) -> None:
    told = json.loads((folder / "answers.json").read_text())
    model = load(folder / name)
    assert model.predict_proba(told["rows"]) == pytest.approx(np.array(told["answers"]), rel=1e-9)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]


def test_a_missing_array_is_named(folder: Path) -> None:
    (folder / "plain.pkl_03.npy").unlink()
    with pytest.raises(ArtifactError, match=r"plain\.pkl_03\.npy is missing: copy it into the same folder"):
        load(folder / "plain.pkl")


def test_a_model_under_a_new_name_is_told_its_old_one(folder: Path) -> None:
    (folder / "plain.pkl").rename(folder / "model.pkl")
    with pytest.raises(ArtifactError, match=r"give the model its old name, 'plain\.pkl'"):
        load(folder / "model.pkl")


def test_another_array_is_another_version(folder: Path) -> None:
    before = digest_path(folder / "plain.pkl")
    array = np.load(folder / "plain.pkl_01.npy")
    np.save(folder / "plain.pkl_01.npy", array + 1)
    assert digest_path(folder / "plain.pkl") != before


def test_a_copy_brings_its_arrays_along(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy_artifact(folder / "plain.pkl", tmp_path / "copy" / "plain.pkl")
    assert len(companions(tmp_path / "copy" / "plain.pkl")) == 6
    assert load(tmp_path / "copy" / "plain.pkl").classes_.shape == (3,)


def test_what_only_looks_like_an_array_of_it_is_none(folder: Path) -> None:
    for name in ("plain.pkl_1.npy", "plain.pkl_01.npz", "plain.pkl_01.npy.bak", "other.pkl_01.npy"):
        (folder / name).write_bytes(b"")
    assert len(companions(folder / "plain.pkl")) == 6
