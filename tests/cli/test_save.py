"""`modelport.save`: what is defined in a notebook or script is served from another process."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelport.assembly import read_bundle, verify_bundle
from modelport.assembly.forms import open_form
from modelport.cli.main import main
from modelport.config import ServeOptions
from modelport.errors import ArtifactError
from tests.conftest import MUSIC, ROOT
from tests.process.server import Server, child_environment

MODULE = """
def ratio(a, b):
    return a / (b + 1)
"""

DEFINITIONS = f'''
import logging, re
import numpy as np, pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
import modelport
import beside

FLOOR = 1e-6
WORDS = re.compile("a+")
WEIGHTS = np.array([1.0, 2.0])
log = logging.getLogger("features")


def safe_log(X):
    return np.log(X.clip(lower=FLOOR))


class Base(BaseEstimator, TransformerMixin):
    def fit(self, X, y=None):
        return self


class Ratios(Base):
    """Adds a ratio."""

    def transform(self, X):
        X = X.copy()
        X["ratio"] = beside.ratio(X["energy"], X["tempo"]) * WEIGHTS[1]
        WORDS.match("aa")
        log.debug("made")
        return X


tracks = pd.read_csv({str(MUSIC / "music.csv")!r}).dropna().iloc[:400]
X, y = tracks[["energy", "tempo"]], tracks["genre"]
model = make_pipeline(Ratios(), FunctionTransformer(safe_log), RandomForestClassifier(10, random_state=0, n_jobs=-1))
model.fit(X, y)
'''

SAVE = """
print(modelport.save(model, "genre.bundle", X))
"""
TELL = """
import json
print(json.dumps([X[:50].values.tolist(), model.predict(X[:50]).tolist()]))
"""


def run(script: str, folder: Path) -> str:
    """What a script prints."""
    (folder / "beside.py").write_text(MODULE)
    (folder / "train.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=child_environment(), capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, list[Any], list[Any]]:
    """A bundle that a script has saved, the command that serves it, rows and what the script's model answers."""
    folder = tmp_path_factory.mktemp("script")
    command, told = run(DEFINITIONS + SAVE + TELL, folder).splitlines()
    (folder / "beside.py").unlink()
    return folder / "genre.bundle", command, *json.loads(told)


def test_what_a_script_defines_is_saved_with_all_that_it_needs_and_answers_alike(
    saved: tuple[Path, str, list[Any], list[Any]],
) -> None:
    bundle, command, rows, wanted = saved
    assert command == "modelport serve genre.bundle --allow-code"
    assert read_bundle(bundle).manifest.name == "genre"
    model = open_form(None, bundle, ServeOptions(allow_code=True)).model
    assert model.signature.names == ("energy", "tempo")
    assert [a["prediction"] for a in model.predict([tuple(row) for row in rows])] == wanted
    assert "golden cases answered by the original" in verify_bundle(bundle, ServeOptions(allow_code=True))[-1]
    files = sorted(path.name.partition("_")[0] for path in (bundle / "code").iterdir())
    assert files == ["beside.py", "notebook"]
    source = next((bundle / "code").glob("notebook_*.py")).read_text()
    assert "read_csv" not in source
    assert "class Ratios(Base):" in source


def test_its_source_runs_only_where_the_user_says_so(
    saved: tuple[Path, str, list[Any], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = saved[0]
    for command in ("serve", "verify", "inspect"):
        with pytest.raises(SystemExit) as ended:
            main([command, str(bundle)])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert "holds Python source that runs when it is served (code/beside.py, code/notebook_" in said
        assert f"modelport serve {bundle} --allow-code" in said


def test_source_that_was_edited_is_refused(
    saved: tuple[Path, str, list[Any], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved[0] / "code" / "beside.py"
    text = file.read_text()
    file.write_text(text.replace("+", "-"))
    with pytest.raises(ArtifactError, match=r"code/beside\.py is not what it was"):
        verify_bundle(saved[0], ServeOptions(allow_code=True))
    file.write_text(text)


def test_a_model_without_code_of_its_own_needs_no_leave(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression

    import modelport

    rows = [[float(i), float(i % 7)] for i in range(60)]
    model = LogisticRegression().fit(rows, [i > 30 for i in range(60)])
    assert modelport.save(model, tmp_path / "plain.bundle", rows) == f"modelport serve {tmp_path / 'plain.bundle'}"
    assert modelport.save(model, tmp_path / "plain.bundle") == f"modelport serve {tmp_path / 'plain.bundle'}"
    assert open_form(None, tmp_path / "plain.bundle", ServeOptions()).model.signature.names == ("x0", "x1")
    with pytest.raises(modelport.SetupError, match="writes a folder"):
        modelport.save(model, tmp_path / "plain.joblib")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "manifest.json").write_text('{"name": "my web application", "display": "standalone"}')
    with pytest.raises(modelport.SetupError, match="is there already, is no bundle, and is not replaced"):
        modelport.save(model, tmp_path / "mine")


REFUSED = """
def refused(thing):
    class Holder(BaseEstimator):
        pass
    try:
        modelport.save(thing, "never.bundle")
        print("saved")
    except modelport.SetupError as error:
        print(error)

def with_table(X):
    return X + tracks["energy"].mean()

def outer():
    def inner(X):
        return X
    return inner

class Gone(Base):
    pass
old = Gone()
class Gone(Base):
    pass

refused(make_pipeline(FunctionTransformer(lambda X: X), RandomForestClassifier()))
refused(make_pipeline(FunctionTransformer(with_table), RandomForestClassifier()))
refused(make_pipeline(FunctionTransformer(outer()), RandomForestClassifier()))
refused(make_pipeline(old, RandomForestClassifier()))
exec("class Unseen(Base): pass")
refused(make_pipeline(Unseen(), RandomForestClassifier()))
refused({"model": model, "file": open("train.py")})
"""


def test_what_cannot_be_saved_is_named_with_what_to_do(tmp_path: Path) -> None:
    said = run(DEFINITIONS + REFUSED, tmp_path).splitlines()
    wanted = [
        "the model holds a lambda (train.py, line ",
        "with_table uses 'tracks', a DataFrame that only this process has: keep it in the model (self.tracks = …)",
        "the model holds outer.inner (train.py, line ",
        "'Gone' was defined anew after the model was made of it: run the cell that makes the model again",
        "the source of 'Unseen', which the model needs, cannot be found",
        "the model cannot be saved: TypeError: cannot pickle '_io.TextIOWrapper'",
    ]
    assert len(said) == len(wanted)
    for line, start in zip(said, wanted, strict=True):
        assert line.startswith(start)
    assert not (tmp_path / "never.bundle").exists()


CELLS = [
    *DEFINITIONS.split("\n\n\n"),
    SAVE,
    "Ratios.transform = None",
    TELL.replace("model.predict(X[:50]).tolist()", "y[:50].tolist()"),
]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ipykernel") is None, reason="ipykernel is not installed")
def test_a_pipeline_with_a_class_of_a_notebook_is_served_from_a_new_shell(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text(MODULE)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "docs" / "kernel.py"), *CELLS],
        cwd=tmp_path,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)[-3].strip() == "modelport serve genre.bundle --allow-code"
    (tmp_path / "beside.py").unlink()
    (tmp_path / "elsewhere").mkdir()
    bundle = tmp_path / "genre.bundle"
    with Server.start(bundle, "--allow-code", "--workers", 1, folder=tmp_path / "elsewhere") as server:
        answer = server.predict({"tempo": 120.5, "energy": 0.5})
        assert answer.status == 200
        refused = server.predict({"tempo": 120.5})
        assert refused.status == 422
