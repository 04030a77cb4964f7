"""Names for the classes of boosters that know them by number alone, from the TOML file beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.assembly import load_artifact
from modelport.config import resolve
from modelport.errors import SetupError
from modelport.kernel.signature import Signature
from tests.artifacts.zoo import ROWS, numbers, sums
from tests.serving import serving

pytest.importorskip("pandas")

TABLE, TEST = numbers(), numbers(ROWS, seed=1)
LEVEL = np.digitize(sums(TABLE), [-1, 1])


def load(path: Path) -> Signature:
    """The signature of a file."""
    return load_artifact(path, resolve({}))[0].signature


def native(library: str, objective: str, target: Any, folder: Path) -> Path:
    """A booster's own file, which knows its classes by number."""
    module = pytest.importorskip(library)
    many = {"num_class": 3} if objective.startswith("multi") else {}
    if library == "xgboost":
        matrix = module.DMatrix(TABLE, target)
        module.train({"objective": objective, **many}, matrix, 20).save_model(folder / "model.ubj")
        return folder / "model.ubj"
    data = module.Dataset(TABLE, target)
    module.train({"objective": objective, "verbose": -1, **many}, data, 20).save_model(folder / "model.txt")
    return folder / "model.txt"


@pytest.mark.parametrize(
    ("library", "objective", "count"),
    [
        ("xgboost", "multi:softprob", 3),
        ("xgboost", "multi:softmax", 3),
        ("xgboost", "binary:logistic", 2),
        ("xgboost", "binary:hinge", 2),
        ("lightgbm", "multiclass", 3),
        ("lightgbm", "binary", 2),
    ],
)
def test_classes_that_a_file_knows_by_number_can_be_named(
    library: str, objective: str, count: int, tmp_path: Path
) -> None:
    path = native(library, objective, LEVEL if count == 3 else sums(TABLE) > 0, tmp_path)
    records = TEST.to_dict("records")
    with serving(path) as service:
        by_number = service.predict(records)
    assert {answer["prediction"] for answer in by_number} == set(range(count))
    names = ["calm", "loud", "deafening"][:count]
    path.with_suffix(".toml").write_text(f"classes = {names}")
    with serving(path) as service:
        by_name = service.predict(records)
        service.check(by_name[0])
        assert service.signature["outputs"][0]["classes"] == names
    for named, numbered in zip(by_name, by_number, strict=True):
        assert named["prediction"] == names[numbered["prediction"]]
        chances = numbered.get("probabilities", {})
        assert named.get("probabilities", {}) == {names[int(number)]: p for number, p in chances.items()}
    path.with_suffix(".toml").write_text(f"classes = {names[:-1]}")
    with pytest.raises(SetupError, match=f"names {count - 1} classes, but the model has {count}"):
        load(path)


def test_classes_cannot_be_named_where_there_are_none(tmp_path: Path) -> None:
    path = native("xgboost", "reg:squarederror", sums(TABLE), tmp_path)
    path.with_suffix(".toml").write_text('classes = ["no", "yes"]')
    with pytest.raises(SetupError, match="the model has no classes"):
        load(path)
