"""Loading a pickle, and saying what is wrong with one that was not loaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelport.artifacts.pickles.permit import Gone, Refused
from modelport.artifacts.pickles.reader import read_pickle, read_start
from modelport.artifacts.pickles.strangers import refuse_strangers
from modelport.artifacts.pickles.stream import FREE_BYTES, MOST_RATIO, UnpacksTooFar, needs_library, read_unpacked
from modelport.artifacts.xgboost_binary import Unreadable
from modelport.errors import ArtifactError, MissingExtra, UntrustedPickle
from modelport.kernel.ports import Repairs

_BOOSTER_EXTRAS = ("xgboost", "lightgbm", "catboost")
_SAFE_FORMATS = {
    "xgboost": "with save_model('model.ubj')",
    "lightgbm": "with booster_.save_model('model.txt')",
    "catboost": "with save_model('model.cbm')",
}
_TRUST = "if you trust whoever made this file, add --allow-pickle, and it is loaded and may run code"


def load_pickle(
    path: Path, allow_pickle: bool, code: frozenset[str] = frozenset(), repairs: Repairs | None = None
) -> Any:
    """The object in a pickle or joblib file: through the allow-list, or as joblib loads it where the user has said so.

    `code` are modules that the user trusts, beside what is on the list; `repairs` brings what an older release saved into the form
    of the installed one, and is for files that are read through the list alone.

    Raises UntrustedPickle, MissingExtra or ArtifactError.
    """
    return _explained(path, lambda: _load_anything(path) if allow_pickle else read_pickle(path, code, repairs))


def screen_pickle(path: Path, code: frozenset[str] = frozenset()) -> None:
    """Raise what `load_pickle` raises for a file whose start is hostile or damaged, or that names what no library on the list has.

    Imports none of them. Takes some milliseconds. `code` as for `load_pickle`.
    """
    if not code:
        _explained(path, lambda: read_start(path))
    _explained(path, lambda: refuse_strangers(path, code))


def unpacked_apart(path: Path) -> bytes | None:
    """What a file unpacks to where that takes a library of its own, for a process that has none; None for all other files.

    Raises ArtifactError where that library is not here either, and for what is damaged.
    """
    with path.open("rb") as file:
        head = file.read(8)
    if not needs_library(head):
        return None
    data: bytes = _explained(path, lambda: read_unpacked(path))
    return data


def _explained(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except ArtifactError:
        raise
    except Refused as refused:
        raise _refusal(path, refused) from None
    except Gone as gone:
        raise _gone(path, gone) from None
    except Unreadable as error:
        raise ArtifactError(
            f"{path} holds a booster of XGBoost 1.2 or older that cannot be read: {error}; save it again with save_model, as .ubj, "
            "by the XGBoost that wrote it"
        ) from None
    except UnpacksTooFar:
        raise ArtifactError(
            f"{path} unpacks to more than {MOST_RATIO} times its size and {FREE_BYTES // 2**20} MiB, as archive bombs do; "
            f"save it without compression, or, {_TRUST}"
        ) from None
    except ModuleNotFoundError as error:
        raise _missing_module(path, str(error.name)) from None
    except Exception as error:  # unpickling raises anything, down to the errors of five decompressors
        raise _damaged(path, error) from None


def _load_anything(path: Path) -> Any:
    import joblib

    return joblib.load(path)


def _missing_module(path: Path, name: str) -> ArtifactError:
    if name in _BOOSTER_EXTRAS:
        return MissingExtra(str(path), name)
    if "." in name:
        return _gone(path, Gone(name, name.partition(".")[0]))
    return ArtifactError(f"{path} needs the module {name!r}: install the package it was trained with")


def _gone(path: Path, gone: Gone) -> ArtifactError:
    return ArtifactError(
        f"{path} needs {gone.name}, which the installed version of {gone.library} does not have: "
        "install the version that saved it, or train again"
    )


def _damaged(path: Path, error: Exception) -> ArtifactError:
    name = re.search(r"attribute '([^']+)'", str(error)) if isinstance(error, AttributeError) else None
    if name is not None:
        return ArtifactError(_class_of_a_notebook(path, name[1]))
    return ArtifactError(
        f"{path} cannot be unpickled: {type(error).__name__}: {str(error)[:200] or 'the file ends too early'}. "
        "It is damaged, no pickle, or of a version that is not installed"
    )


def _refusal(path: Path, refused: Refused) -> UntrustedPickle:
    module, _, name = refused.name.partition(".")
    if module == "__main__":
        return UntrustedPickle(_class_of_a_notebook(path, name), refused.name)
    reason = refused.reason or "is not on the list of what a model file may hold"
    save = _SAFE_FORMATS.get(module, "as ONNX (skl2onnx) or with skops.io.dump")
    return UntrustedPickle(
        f"{path} was not loaded, because loading it could run code: {refused.name[:200]} {reason}. "
        f"Save the model {save}: such a file holds no code; or, {_TRUST}",
        refused.name,
    )


def _class_of_a_notebook(path: Path, name: str) -> str:
    name = name.partition(".")[0]
    return (
        f"{path} refers to code that is not here: {name!r}, which was defined in the script or notebook that saved it. "
        'Save the model there with  modelport.save(model, "model.bundle")  which brings the source of it along'
    )
