"""One file with parts of several versions: refused without a command that would fail alike, and marked where it is trusted."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelport.assembly.artifacts import load_artifact, other_version
from modelport.assembly.bundles import build_bundle
from modelport.assembly.compiler import compile_artifact
from modelport.assembly.forms import look_up, open_form
from modelport.assembly.inspection import inspect_artifact
from modelport.assembly.rescue import rescue
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, SetupError

INPUTS = np.random.default_rng(0).normal(size=(80, 3))
LABELS = np.where(INPUTS[:, 0] + INPUTS[:, 1] > 0, "yes", "no")
OLD = "1.7.2"
PARTS = pytest.mark.parametrize("part", [StandardScaler, LogisticRegression])
"""The scaler is the first part of the file, the model comes after one of the installed version."""


class _Forger(pickle.Pickler):
    """Lets objects of one class say that another version saved them."""

    def __init__(self, file: io.BytesIO, part: type[Any]) -> None:
        super().__init__(file, 2)
        self._part = part

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not self._part:
            return NotImplemented
        made, arguments, state = obj.__reduce_ex__(2)[:3]
        return made, arguments, {**state, "_sklearn_version": OLD}


def mixed(path: Path, part: type[Any]) -> Path:
    """A pipeline of the installed version, one part of which another one saved."""
    file = io.BytesIO()
    _Forger(file, part).dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(INPUTS, LABELS))
    path.write_bytes(file.getvalue())
    return path


def _refused_by(path: Path, options: ServeOptions) -> list[str]:
    """What each command says that a user may try."""
    out = path.with_name("new.bundle")
    tried: list[Callable[[], object]] = [
        lambda: load_artifact(path, options),
        lambda: compile_artifact(path, options),
        lambda: build_bundle(path, out, options),
        lambda: rescue(path, out, options, False, lambda _, __: None),
        lambda: inspect_artifact(path, replace(options, no_compile=True)),
    ]
    return [_message(command) for command in tried]


def _message(command: Callable[[], object]) -> str:
    with pytest.raises(ArtifactError) as refused:
        command()
    return str(refused.value)


@PARTS
def test_no_refusal_of_several_versions_names_a_command_that_is_refused_for_the_same_reason(
    part: type[Any], tmp_path: Path
) -> None:
    path = mixed(tmp_path / "mixed.pkl", part)
    told = ", ".join(sorted([OLD, sklearn.__version__]))
    for message in _refused_by(path, ServeOptions(cache_dir=tmp_path / "cache")):
        assert f"holds parts of several versions of scikit-learn ({told})" in message
        assert "modelport rescue" not in message
        assert "scikit-learn==" not in message
        assert "train it again as a whole" in message
        assert "adds --trust-version" in message


@PARTS
def test_who_trusts_a_file_of_several_versions_is_served_it_and_every_answer_says_so(
    part: type[Any], tmp_path: Path
) -> None:
    path = mixed(tmp_path / "mixed.pkl", part)
    options = ServeOptions(trust_version=True, no_compile=True, cache_dir=tmp_path / "cache")
    opened = open_form(look_up(path, options).plain(), path, options)
    assert opened.form["trusted"] == f"scikit-learn {OLD}"
    assert any(note.startswith(f"WARNING: saved by scikit-learn {OLD}") for note in opened.notes)
    assert opened.model.predict([(0.1, -0.2, 0.3)])[0]["prediction"] in ("yes", "no")
    bundle = build_bundle(path, tmp_path / "mixed.bundle", options)
    assert bundle.manifest.proof == {"trusted": f"scikit-learn {OLD}"}


def test_a_file_of_the_installed_version_alone_is_trusted_without_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(make_pipeline(StandardScaler(), LogisticRegression()).fit(INPUTS, LABELS)))
    assert other_version(path, ServeOptions(trust_version=True)) is None


@PARTS
def test_what_does_not_work_though_it_is_trusted_is_told_as_it_is(
    part: type[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To say `--trust-version` once more would not help."""
    path = mixed(tmp_path / "mixed.pkl", part)
    monkeypatch.setattr(LogisticRegression, "predict", _broken)
    with pytest.raises(SetupError) as refused:
        load_artifact(path, ServeOptions(trust_version=True))
    assert "several versions" not in str(refused.value)
    assert "--trust-version" not in str(refused.value)


def _broken(self: Any, X: Any) -> Any:
    raise AttributeError("a part of another version")
