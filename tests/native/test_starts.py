"""What served at the last start is known at the next one, as long as nothing that decides about it has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelport.assembly import starts
from modelport.assembly.forms import Look
from modelport.assembly.starts import recall, remember
from modelport.config import ServeOptions
from modelport.kernel.placement import Placement
from modelport.runtime.forms import COMPILED, ORIGINAL, UNKNOWN

PLACED = Placement("process", "its library holds the interpreter", 1024)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"a model")
    return path


@pytest.fixture
def options(tmp_path: Path) -> ServeOptions:
    return ServeOptions(cache_dir=tmp_path / "cache")


def look(*rests_on: Path, **more: Any) -> Look:
    return Look(ORIGINAL, PLACED, "proven", version="d" * 64, rests_on=tuple(map(str, rests_on or ["/"])), **more)


def test_what_served_is_known_at_the_next_start(artifact: Path, options: ServeOptions) -> None:
    assert recall(artifact, options) is None
    native = {"folder": str(artifact.parent), "file": str(artifact)}
    remember(artifact, options, look(artifact, native=native))
    assert recall(artifact, options) == look(native=native).plain()


def test_what_concerns_the_server_alone_changes_nothing(artifact: Path, options: ServeOptions) -> None:
    remember(artifact, options, look())
    assert recall(artifact, replace(options, port=9, workers=3, name="other", log_format="json")) is not None


@pytest.mark.parametrize(
    "changed", [{"no_compile": True}, {"trust_version": True}, {"executor": "thread"}, {"features": ("a", "b")}]
)
def test_another_option_is_another_start(artifact: Path, options: ServeOptions, changed: Any) -> None:
    remember(artifact, options, look())
    assert recall(artifact, replace(options, **changed)) is None


def test_another_file_is_another_start_and_so_is_what_lies_beside_it(artifact: Path, options: ServeOptions) -> None:
    remember(artifact, options, look())
    beside = artifact.with_suffix(".toml")
    beside.write_text('target = "label"\n')
    assert recall(artifact, options) is None
    beside.unlink()
    assert recall(artifact, options) is not None
    artifact.write_bytes(b"another")
    assert recall(artifact, options) is None


def test_other_packages_are_another_start(
    artifact: Path, options: ServeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(artifact, options, look())
    monkeypatch.setattr(starts, "_installed", lambda: iter(["scikit_learn-9.9.dist-info"]))
    assert recall(artifact, options) is None


def test_what_it_rests_on_must_be_there(artifact: Path, options: ServeOptions, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    proof.write_text("{}")
    remember(artifact, options, look(proof))
    assert recall(artifact, options) is not None
    proof.unlink()
    assert recall(artifact, options) is None


def test_a_compiled_form_that_is_not_whole_is_not_served(artifact: Path, options: ServeOptions, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "compiled" / "k"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"half of it")
    remember(artifact, options, Look(COMPILED, PLACED, folder=str(folder), rests_on=(str(folder),)))
    assert recall(artifact, options) is None


def test_what_is_not_decided_or_was_not_decided_by_the_cache_is_not_kept(
    artifact: Path, options: ServeOptions, tmp_path: Path
) -> None:
    remember(artifact, options, Look(UNKNOWN, PLACED, rests_on=("/",)))
    remember(artifact, options, Look(ORIGINAL, PLACED, "as configured (--no-compile)"))
    assert not (tmp_path / "cache").exists()


def test_nobody_waits_for_the_digest_of_a_great_file(
    artifact: Path, options: ServeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "MOST_BYTES", 3)
    remember(artifact, options, look())
    assert recall(artifact, options) is None


def test_a_damaged_note_is_none(artifact: Path, options: ServeOptions, tmp_path: Path) -> None:
    remember(artifact, options, look())
    (note,) = (tmp_path / "cache" / "starts").iterdir()
    for text in ("", "[]", '{"form": 3, "rests_on": []}'):
        note.write_text(text)
        assert recall(artifact, options) is None


def test_the_notes_of_old_starts_are_forgotten(
    artifact: Path, options: ServeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "KEPT", 3)
    for number in range(5):
        artifact.write_bytes(bytes([number]))
        remember(artifact, options, look())
    assert len(list((tmp_path / "cache" / "starts").iterdir())) == 3


@pytest.mark.parametrize("which", ["starts", "environment"])
def test_what_others_may_have_written_is_not_believed(which: str, artifact: Path, options: ServeOptions) -> None:
    environment = artifact.parent / "environment"
    environment.mkdir()
    native = {"folder": str(environment), "file": str(artifact)}
    remember(artifact, options, look(artifact, native=native))
    assert recall(artifact, options) is not None
    folder = environment if which == "environment" else (options.cache_dir or Path()) / starts.FOLDER
    folder.chmod(0o777)
    assert recall(artifact, options) is None
