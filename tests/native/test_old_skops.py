"""Skops files of another scikit-learn: the same rule as for pickles, with what skops wrote in place of opcodes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

pytest.importorskip("skops")

from modelport.artifacts.pickles.outline import read_outline
from modelport.artifacts.pickles.saved_by import saved_by
from modelport.assembly.compiler import compile_artifact
from modelport.assembly.diagnosis import diagnose
from modelport.assembly.forms import open_form
from modelport.assembly.native import read_stored
from modelport.assembly.proving import prove
from modelport.config import ServeOptions
from modelport.errors import ArtifactError
from modelport.native import foreign_reader, interpreters
from modelport.native.versions import needed
from tests.native.places import OTHER, doctored_skops, put_installed

INPUTS = np.random.default_rng(0).normal(size=(80, 3))
LABELS = np.where(INPUTS[:, 0] > 0, "yes", "no")
RECORD = (0.1, -0.2, 0.3)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return doctored_skops(
        make_pipeline(StandardScaler(), LogisticRegression()).fit(INPUTS, LABELS), tmp_path / "old.skops"
    )


def test_the_version_and_the_kind_are_read_without_loading_it(saved: Path) -> None:
    assert saved_by(saved) == OTHER
    assert read_stored(saved).needs == {"scikit-learn", "skops"}
    names = [thing.name for thing in read_outline(saved).objects()]
    assert names[0] == "sklearn.pipeline.Pipeline"
    assert "sklearn.linear_model._logistic.LogisticRegression" in names


def test_it_is_held_against_the_version_that_saved_it(saved: Path, tmp_path: Path) -> None:
    put_installed(tmp_path / "cache", need=needed(read_stored(saved)))
    options = ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)
    look = compile_artifact(saved, options)
    assert look.why.startswith("loaded as it is, it answers ")
    assert open_form(look.plain(), saved, options).model.predict([RECORD])[0]["prediction"] in ("yes", "no")


def test_without_an_environment_the_table_says_how_it_is_served(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "_candidates", lambda version: iter(()))
    proof = prove(saved, ServeOptions(cache_dir=tmp_path / "cache", no_compile=True)).proof
    assert (proof.way, proof.by_table) == ("as it is", True)


def test_inspect_tells_what_it_is(saved: Path, tmp_path: Path) -> None:
    told = diagnose(saved, ServeOptions(cache_dir=tmp_path / "cache"))
    assert told["kind"] == "skops file of a sklearn.pipeline.Pipeline"
    assert told["saved_by"] == f"scikit-learn {OTHER}"
    assert "skops" in told["needs"]


def test_the_environment_reads_it_with_skops_and_refuses_other_types(saved: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():  # here it is the installed version that reads it
        warnings.simplefilter("ignore")
        assert foreign_reader.read_file(str(saved)).predict([RECORD])[0] in ("yes", "no")
    hostile = doctored_skops(DecisionTreeClassifier().fit(INPUTS, LABELS), tmp_path / "hostile.skops")
    with ZipFile(hostile) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["schema.json"] = members["schema.json"].replace(b"sklearn.tree._classes", b"subprocess")
    with ZipFile(hostile, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(foreign_reader.Refused, match=r"subprocess\.DecisionTreeClassifier is not on the list"):
        foreign_reader.read_file(str(hostile))


@pytest.mark.parametrize("damage", [b"", b"{", b"[[[", b'{"__loader__": "JsonNode", "content": 1}'])
def test_a_damaged_one_is_told_as_such(damage: bytes, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "old.skops", "w") as archive:
        archive.writestr("schema.json", damage)
    with pytest.raises(ArtifactError, match="cannot be read as a skops file: it is damaged"):
        read_outline(tmp_path / "old.skops")


def test_trusting_the_version_serves_it_as_the_installed_one_loads_it(saved: Path, tmp_path: Path) -> None:
    options = replace(ServeOptions(trust_version=True, no_compile=True), cache_dir=tmp_path / "cache")
    assert compile_artifact(saved, options).form == "original"
