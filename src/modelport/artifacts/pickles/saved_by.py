"""Which version of scikit-learn saved a file, told without unpickling it: its estimators store that when they are saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from modelport.artifacts.pickles.stream import CHUNK, Stream, open_stream

_KEY = b"_sklearn_version"
_VALUE = re.compile(
    _KEY + rb"(?:q.|r.{4}|\x94|'?\n(?:p\d+\n)?)?"
    rb"(?:\x8c(?P<byte>.)|[XT](?P<four>.{4})|U(?P<old>.)|[VS](?P<text>'?[^'\n]{1,40}'?)\n)",
    re.DOTALL,
)
"""The key, perhaps put aside under a number, and the opcode of a text with its length."""
_LONGEST = 64
_BOOSTERS = (b"xgboost.", b"lightgbm.", b"catboost.")
_COMPANIONS = (b"NDArrayWrapper",)


def saved_by(path: Path) -> str:
    """The version of the first estimator that says so; empty where none does, or the file is no pickle.

    A hint: whoever loads the file learns what is true, and holds it against this.
    """
    try:
        if path.suffix.lower() == ".skops":
            from modelport.artifacts.pickles.skops_outline import version_in_skops  # and NumPy, which pickles need not

            return shown(version_in_skops(path))
        with open_stream(path) as stream:
            return shown(_search(stream))
    except Exception:  # it does not exist, is no pickle, unpacks too far, or whatever is raised by five decompressors
        return ""


def shown(version: str) -> str:
    """What a file says is its version, as terminals and headers may show it: what is hostile is told by its escapes."""
    return version if version.isascii() and version.isprintable() else ascii(version)


def _search(stream: Stream) -> str:
    kept = b""
    for data in _chunks(stream):
        window = kept + data
        found = _read(window)
        if found:
            return found
        kept = window[-2 * _LONGEST :]
    return ""


def names_booster(path: Path) -> bool:
    """Whether a pickle names XGBoost, LightGBM or CatBoost anywhere: only then is there a version of theirs to look for."""
    return _names_any(path, _BOOSTERS)


def names_companions(path: Path) -> bool:
    """Whether a pickle names arrays in files beside it, as joblib before 0.10 wrote them."""
    return _names_any(path, _COMPANIONS)


def _names_any(path: Path, words: tuple[bytes, ...]) -> bool:
    try:
        with open_stream(path) as stream:
            kept = b""
            for data in _chunks(stream):
                window = kept + data
                if any(word in window for word in words):
                    return True
                kept = window[-_LONGEST:]
    except Exception:  # as above: whoever loads it says so
        return False
    return False


def _chunks(stream: Stream) -> Iterator[bytes]:
    while data := stream.read_some(CHUNK):
        yield data


def _read(window: bytes) -> str:
    match = _VALUE.search(window)
    if match is None:
        return ""
    if match["text"]:
        return match["text"].strip(b"'").decode("ascii", "replace")
    length = int.from_bytes(match["byte"] or match["four"] or match["old"], "little")
    text = window[match.end() : match.end() + length] if length <= _LONGEST else b""
    return text.decode("ascii", "replace") if len(text) == length else ""
