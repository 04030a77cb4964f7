"""A file that is replaced between the look at it and the loading, in another process perhaps and a while later."""

from __future__ import annotations

import os
from pathlib import Path

import joblib
import numpy as np
import pytest

from modelport.artifacts.bundle import Bundle
from modelport.artifacts.digest import VERSION_LENGTH, digest_path
from modelport.assembly import build_bundle
from modelport.assembly.artifacts import load_artifact
from modelport.assembly.compiler import compile_artifact
from modelport.assembly.forms import look_up, open_form
from modelport.config import ServeOptions
from modelport.errors import ArtifactError

INPUTS = np.random.default_rng(0).random((50, 2))


def put(path: Path, label: str) -> Path:
    """A tree that answers but one label, moved there in one step."""
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(random_state=0).fit(INPUTS, np.where(INPUTS[:, 0] > 0.5, label, "other"))
    joblib.dump(model, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)
    return path


def build(folder: Path, label: str) -> Bundle:
    options = ServeOptions(no_compile=True)
    return build_bundle(put(folder / "tree.joblib", label), folder / "tree.bundle", options, force=True)


def test_a_compiled_form_keeps_the_version_of_what_it_was_compiled_from(tmp_path: Path) -> None:
    path, options = put(tmp_path / "tree.joblib", "old"), ServeOptions(cache_dir=tmp_path / "cache")
    old = digest_path(path)[:VERSION_LENGTH]
    assert compile_artifact(path, options).form == "compiled"
    form = look_up(path, options).plain()
    put(path, "new")
    opened = open_form(form, path, options)
    assert (opened.version, opened.model.predict([(1.0, 0.5)])[0]["prediction"]) == (old, "old")


def test_an_original_that_was_replaced_is_not_loaded(tmp_path: Path) -> None:
    path, options = put(tmp_path / "tree.joblib", "old"), ServeOptions(no_compile=True)
    form = look_up(path, options).plain()
    assert open_form(form, path, options).version == digest_path(path)[:VERSION_LENGTH]
    put(path, "new")
    with pytest.raises(ArtifactError, match=r"tree.joblib was replaced since the start .*; send SIGHUP"):
        open_form(form, path, options)


def test_what_is_replaced_while_it_is_compiled_leaves_nothing_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, options = put(tmp_path / "tree.joblib", "old"), ServeOptions(cache_dir=tmp_path / "cache")
    old = path.read_bytes()

    def load_and_replace(artifact: Path, given: ServeOptions) -> object:
        put(artifact, "new")
        return load_artifact(artifact, given)

    monkeypatch.setattr("modelport.assembly.compiler.load_artifact", load_and_replace)
    with pytest.raises(ArtifactError, match=r"tree.joblib was replaced while it was loaded"):
        compile_artifact(path, options)
    path.write_bytes(old)
    assert look_up(path, options).form == "unknown"


def test_a_bundle_that_was_replaced_is_not_loaded(tmp_path: Path) -> None:
    path, options = build(tmp_path, "old").path, ServeOptions(no_compile=True)
    form = look_up(path, options).plain()
    assert open_form(form, path, options).model
    build(tmp_path, "new")
    with pytest.raises(ArtifactError, match=r"tree.bundle was replaced since the start .*; send SIGHUP"):
        open_form(form, path, options)


@pytest.mark.parametrize("name", ["golden.json", "profile.json", "original/tree.joblib"])
def test_a_bundle_with_a_file_that_was_edited_meanwhile_is_not_loaded(tmp_path: Path, name: str) -> None:
    path, options = build(tmp_path, "old").path, ServeOptions(no_compile=True)
    form = look_up(path, options).plain()
    with (path / name).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"?")
    with pytest.raises(ArtifactError, match=f"{name} is not what it was"):
        open_form(form, path, options)


@pytest.mark.parametrize("content", [b"{", b"3", b"\xff", None])
def test_a_damaged_file_of_a_bundle_is_named(tmp_path: Path, content: bytes | None) -> None:
    bundle = build(tmp_path, "old")
    for name, read in {"golden.json": bundle.golden, "profile.json": bundle.profile}.items():
        (bundle.path / name).unlink()
        if content is not None:
            (bundle.path / name).write_bytes(content)
        with pytest.raises(ArtifactError, match=rf"tree.bundle: {name} (is damaged|cannot be read)"):
            read()
