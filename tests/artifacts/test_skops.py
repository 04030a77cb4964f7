"""Files of skops: what it or our own list knows is served, the rest is refused by name."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.assembly import load_artifact
from modelport.config import resolve
from modelport.errors import ArtifactError, MissingExtra, UntrustedPickle
from tests.artifacts.zoo import ROWS, check_served, numbers, own_answers, sums

pytest.importorskip("sklearn")

from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

TABLE, TEST = numbers(), numbers(ROWS, seed=1)
GENRE = np.where(sums(TABLE) > 0, "Rock", "Hip-Hop")
MODELS: dict[str, Callable[[], Any]] = {
    "pipeline": lambda: make_pipeline(StandardScaler(), FunctionTransformer(np.arctan), LogisticRegression()),
    "forest": lambda: RandomForestClassifier(5, random_state=0),
    "histogram boosting": lambda: HistGradientBoostingClassifier(max_iter=3),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_a_model_is_served_as_its_pickle_would_be(make: Callable[[], Any], tmp_path: Path) -> None:
    io = pytest.importorskip("skops.io")
    model = make().fit(TABLE, GENRE)
    path = tmp_path / "model.skops"
    io.dump(model, path)
    check_served(path, TEST, own_answers(model, TEST))


def test_a_function_of_somebody_is_refused_by_its_name(tmp_path: Path) -> None:
    io = pytest.importorskip("skops.io")
    path = tmp_path / "model.skops"
    io.dump(make_pipeline(FunctionTransformer(own_answers), LogisticRegression()), path)
    with pytest.raises(UntrustedPickle, match=r"tests\.artifacts\.zoo\.own_answers is not on the list"):
        load_artifact(path, resolve({}))


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "pkgutil.resolve_name"])
def test_a_forged_file_runs_nothing(name: str, tmp_path: Path) -> None:
    io = pytest.importorskip("skops.io")
    path, canary = tmp_path / "model.skops", tmp_path / "canary"
    module, _, function = name.rpartition(".")
    io.dump(FunctionTransformer(np.arctan), tmp_path / "good.skops")
    with zipfile.ZipFile(tmp_path / "good.skops") as archive:
        schema = json.loads(archive.read("schema.json"))
    argument = {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": json.dumps(f"touch {canary}"),
    }
    schema |= {
        "__class__": function,
        "__module__": module,
        "__loader__": "ConstructorFromReduceNode",
        "content": argument,
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    with pytest.raises(ArtifactError, match=rf"{path}"):
        load_artifact(path, resolve({}))
    assert not canary.exists()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * 100 * 2**20)
    with pytest.raises(ArtifactError, match="as archive bombs do"):
        load_artifact(path, resolve({}))


def test_what_is_no_archive_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ArtifactError, match="cannot be read as a skops file"):
        load_artifact(path, resolve({}))


def test_without_skops_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(MissingExtra, match=r"pip install 'modelport\[skops\]'"):
        load_artifact(path, resolve({}))
