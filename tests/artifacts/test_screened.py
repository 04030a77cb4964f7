"""Hostile pickles, as `modelport inspect` meets them: refused before anything is started or imported for them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

from modelport.artifacts.pickles.loading import load_pickle, screen_pickle
from modelport.assembly import forms, inspect_artifact
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, UntrustedPickle

HOSTILE = b"cposix\nsystem\n(S'true'\ntR."


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.mark.usefixtures("no_process")
@pytest.mark.parametrize("no_compile", [False, True])
def test_a_hostile_pickle_is_refused_before_a_compiler_is_started(no_compile: bool, tmp_path: Path) -> None:
    path = tmp_path / "inst.pkl"
    path.write_bytes(HOSTILE)
    with pytest.raises(UntrustedPickle, match=r"posix\.system is not on the list"):
        inspect_artifact(path, ServeOptions(cache_dir=tmp_path / "cache", no_compile=no_compile))


def test_the_screen_imports_no_library_and_lets_good_files_through(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(np.eye(3), [0, 1, 2])
    joblib.dump({"columns": ["a", "b", "c"], "model": model}, tmp_path / "good.pkl")
    code = "import sys\nfrom pathlib import Path\nfrom modelport.artifacts.pickles.loading import screen_pickle\n"
    code += f"screen_pickle(Path({str(tmp_path / 'good.pkl')!r}))\nassert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_warnings_that_old_searches_keep_with_their_scores_are_values_and_are_not_given(tmp_path: Path) -> None:
    path = tmp_path / "scores.pkl"
    path.write_bytes(pickle.dumps({"mean_train_score": ("no longer by default in 0.21", FutureWarning)}, protocol=2))
    screen_pickle(path)
    path.write_bytes(pickle.dumps(FutureWarning("made"), protocol=2))
    with pytest.raises(UntrustedPickle, match=r"builtins\.FutureWarning may be stored, not called"):
        load_pickle(path, allow_pickle=False)


def test_what_is_hostile_behind_a_good_model_is_refused_before_a_library_is_imported(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    model = pickle.dumps(LinearRegression().fit(np.eye(3), [0, 1, 2]), protocol=2)
    path = tmp_path / "behind.pkl"
    path.write_bytes(model[:-1] + b"cposix\nsystem\nX\x04\x00\x00\x00true\x85R\x86.")
    code = "import sys\nfrom pathlib import Path\nfrom modelport.artifacts.pickles.loading import screen_pickle\n"
    code += f"try:\n    screen_pickle(Path({str(path)!r}))\nexcept Exception as error:\n    print(error, 'sklearn' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "posix.system is not on the list" in said
    assert said.strip().endswith("False")


@pytest.mark.parametrize("content", [HOSTILE, pickle.dumps([1])[:-3]])
def test_the_screen_says_what_loading_says(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(content)
    with pytest.raises(ArtifactError) as screened:
        screen_pickle(path)
    with pytest.raises(ArtifactError) as loaded:
        load_pickle(path, False)
    assert str(screened.value) == str(loaded.value)


@pytest.mark.parametrize("name", ["sklearn.preprocessing._data.os\nsystem", "sklearn.preprocessing._data\nos"])
def test_what_never_was_in_a_library_is_not_on_the_list(tmp_path: Path, name: str) -> None:
    path = tmp_path / "fake.pkl"
    path.write_bytes(f"c{name}\n(S'true'\ntR.".encode())
    with pytest.raises(UntrustedPickle, match="is neither on the list"):
        load_pickle(path, False)


def test_a_class_of_an_old_release_asks_for_that_release(tmp_path: Path) -> None:
    path = tmp_path / "old.pkl"
    path.write_bytes(b"csklearn.ensemble.gone\nGoneForest\n.")
    with pytest.raises(ArtifactError, match="install the version that saved it"):
        load_pickle(path, False)


def test_inspect_refuses_what_is_not_compiled_where_that_is_required(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LinearRegression

    joblib.dump(LinearRegression().fit(np.eye(3), [0, 1, 2]), tmp_path / "line.joblib")
    monkeypatch.setattr(forms, "runtime_version", lambda: "")
    with pytest.raises(ArtifactError, match="--require-compiled: what compiles it is not installed"):
        inspect_artifact(tmp_path / "line.joblib", ServeOptions(require_compiled=True))
    assert inspect_artifact(tmp_path / "line.joblib", ServeOptions())["form"] == "original"
