"""A bundle in real processes, where the library that trained it is not installed."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pytest

from modelport.assembly import build_bundle
from modelport.config import resolve
from tests.process.engine import serve
from tests.process.test_compiled import libraries_of

BARRED = """
import sys
BARRED = {"sklearn", "scipy", "pandas", "joblib", "onnx", "skl2onnx"}
class Barrier:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BARRED:
            raise ModuleNotFoundError(f"No module named {name!r}, for this test", name=name)
sys.meta_path.insert(0, Barrier())
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every interpreter that is started from now on has no training library."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BARRED)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a forest; `x0 + … > 2` is "much"."""
    from sklearn.ensemble import RandomForestClassifier

    folder = tmp_path_factory.mktemp("forest")
    inputs = np.random.default_rng(0).random((200, 4))
    labels = np.where(inputs.sum(axis=1) > 2, "much", "little")
    joblib.dump(RandomForestClassifier(10, random_state=0).fit(inputs, labels), folder / "forest.joblib")
    return build_bundle(folder / "forest.joblib", folder / "forest.bundle", resolve({"name": "amount"})).path


def test_a_bundle_is_served_without_the_library_that_trained_it(bundle: Path, bare: Path) -> None:
    wanted = joblib.load(bundle / "original" / "forest.joblib").predict_proba([[0.1, 0.2, 0.3, 0.4]])[0].tolist()
    with serve(bundle, "--require-compiled") as served:
        assert "serves amount at" in served.text()
        answer = served.predict({"x0": 0.1, "x1": 0.2, "x2": 0.3, "x3": 0.4}, "amount").json
        assert list(answer["probabilities"].values()) == wanted
        mapped = libraries_of(served)
        assert "onnxruntime" in mapped
        assert not {name for name in ("/sklearn/", "/scipy/", "/pandas/") if name in mapped}


def test_its_original_asks_for_that_library(bundle: Path, bare: Path) -> None:
    with serve(bundle, "--no-compile", ready=False) as served:
        said = served.wait_for("modelport: ", 30)
        assert served.process.wait(30) == 2
    assert "the compiled form does not serve (as configured (--no-compile))" in said
    assert "pip install 'modelport[sklearn]'" in said
