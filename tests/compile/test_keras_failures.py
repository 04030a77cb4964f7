"""A conversion that failed is not tried again at every start, unless it may go well another time."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from modelport.assembly import keras
from modelport.assembly.artifacts import installed_version
from modelport.assembly.entries import COMPILED, entries, remove
from modelport.compilation.keras.passing import may_pass
from modelport.compilation.keras.rows import Array, Spec, compare
from modelport.errors import ArtifactError, UntrustedPickle

FAILED = {"error": "is not converted by tf2onnx: no operator is called Fancy", "nothing": False, "passing": False}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file; what is in it, nobody looks at here."""
    (tmp_path / "net.keras").write_bytes(b"a network")
    return tmp_path / "net.keras"


class Process:
    """Stands for the process that converts, of which TensorFlow would take half a minute: says what it is told, and counts."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.said, self.count = said, 0

    def __call__(self, *_: Any) -> dict[str, Any]:
        self.count += 1
        return self.said


def failing(said: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Process:
    process = Process(said)
    monkeypatch.setattr(keras, "_run", process)
    return process


def failure(model: Path) -> str:
    """What a start says."""
    with pytest.raises(ArtifactError) as refused:
        keras.convert(model, model.parent / "cache", False)
    return str(refused.value)


def test_a_model_that_cannot_be_converted_is_tried_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = failing(FAILED, monkeypatch)
    first, second = failure(model), failure(model)
    assert process.count == 1
    assert "no operator is called Fancy. Otherwise convert it where it was trained" in first
    assert second.startswith(f"{first}; this was tried before, and is tried again after  modelport cache remove ")
    assert second.endswith(f" --cache-dir {model.parent / 'cache'}")


def test_after_the_command_that_is_told_it_is_tried_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = failing(FAILED, monkeypatch)
    failure(model)
    key = failure(model).partition("modelport cache remove ")[2].partition(" ")[0]
    (entry,) = [entry for entry in entries(model.parent / "cache") if entry.kind == COMPILED]
    assert (entry.key, entry.what) == (key, "why a model is not compiled, or not converted")
    assert remove(entry)
    assert "tried before" not in failure(model)
    assert process.count == 2


def test_another_file_and_other_libraries_are_tried(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = failing(FAILED, monkeypatch)
    failure(model)
    other = {"tf2onnx": "99.0"}
    monkeypatch.setattr(keras, "installed_version", lambda name: other.get(name, installed_version(name)))
    assert "tried before" not in failure(model)
    model.write_bytes(b"another network")
    assert "tried before" not in failure(model)
    assert process.count == 3


@pytest.mark.parametrize("kind", ["passing", "nothing", "code"])
def test_what_may_pass_or_is_told_at_a_glance_is_not_remembered(
    kind: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = failing({"error": "holds a Lambda layer", kind: True}, monkeypatch)
    expected = UntrustedPickle if kind == "code" else ArtifactError
    for _ in range(2):
        with pytest.raises(expected, match="a Lambda layer"):
            keras.convert(model, model.parent / "cache", False)
    assert process.count == 2


@pytest.mark.parametrize("ends", ["kill -9 $$", "echo no memory >&2; exit 3"])
def test_a_conversion_that_was_killed_or_has_crashed_is_not_remembered(
    ends: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = model.with_name("python")
    script.write_text(f"#!/bin/sh\n{ends}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    assert "ended the process that converts it" in failure(model)
    assert "tried before" not in failure(model)


# -- what may pass -----------------------------------------------------------------------------------------------------


class ResourceExhaustedError(Exception):
    """Called as TensorFlow's is."""


def wrapped(error: BaseException) -> Exception:
    """As a library hands it on that has met it."""
    try:
        try:
            raise error
        except BaseException:
            raise ValueError("a layer cannot be read") from None
    except ValueError as found:
        return found


PASSING = [
    MemoryError(),
    OSError(errno.ENOSPC, "No space left on device"),
    ResourceExhaustedError("a tensor"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("[ONNXRuntimeError] : Failed to allocate memory for requested buffer of size 8"),
    TimeoutError(),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_want_of_memory_or_room_may_pass_whoever_hands_it_on(error: Exception) -> None:
    assert may_pass(error)
    assert may_pass(wrapped(error))


@pytest.mark.parametrize(
    "error", [ValueError("no operator is called Fancy"), OSError("truncated file"), KeyError("memory"), TypeError()]
)
def test_what_is_wrong_with_a_model_does_not_pass(error: Exception) -> None:
    assert not may_pass(error)
    assert not may_pass(wrapped(error))


@pytest.mark.parametrize(("error", "short"), [(MemoryError(), True), (ValueError("two rows are too few"), False)])
def test_a_comparison_tells_whether_its_rows_were_refused_for_want_of_memory(error: Exception, short: bool) -> None:
    def refuse(_: Sequence[Array]) -> dict[str, Array]:
        raise error

    found = compare(refuse, refuse, [Spec("row", (None, 4), "float32")])
    assert (found.rows, found.short) == (0, short)
