"""scikit-learn estimators and pipelines saved with joblib or pickle, and whatever follows scikit-learn's conventions."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.loaders.sklearn_inputs import needs_frame, read_inputs
from modelport.artifacts.loaders.sklearn_outputs import read_outputs
from modelport.artifacts.loaders.tabular import to_array, to_frame
from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.ports import Cost, Hints, Model
from modelport.kernel.signature import Field, Kind, Signature, example_value
from modelport.kernel.values import Record

SUFFIXES = frozenset({".joblib", ".pkl", ".pickle", ".sav"})


class SklearnLoader:
    """Reads `.joblib`, `.pkl`, `.pickle` and `.sav` files."""

    extra = "sklearn"

    def probe(self, path: Path, head: bytes) -> bool:
        """By its suffix; compressed joblib files start with any of five magic numbers."""
        return path.suffix.lower() in SUFFIXES

    def load(self, path: Path, hints: Hints) -> Model:
        """Unpickle it and look at the estimator inside."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator = _unpickle(path)
        _refuse_what_is_no_model(estimator, path)
        notes = tuple({_version_note(w.message) for w in caught if hasattr(w.message, "original_sklearn_version")})
        return SklearnModel(estimator, path, hints, notes)


def _unpickle(path: Path) -> Any:
    try:
        import joblib
        import sklearn  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("a scikit-learn model", SklearnLoader.extra) from None
    try:
        return joblib.load(path)
    except ModuleNotFoundError as error:
        raise ArtifactError(
            f"{path} needs the module {error.name!r}: install the package it was trained with"
        ) from None
    except AttributeError as error:
        raise ArtifactError(f"{path} refers to code that is not here: {error}. {_WHERE_CODE_GOES}") from None
    except (
        pickle.UnpicklingError,
        EOFError,
        KeyError,
        IndexError,
        ValueError,
        TypeError,
        ImportError,
        OSError,
    ) as error:
        raise ArtifactError(f"{path} cannot be unpickled: {type(error).__name__}: {str(error)[:200]}") from None


_WHERE_CODE_GOES = "Put the class or function into an importable module and save the model again from there"


def _version_note(warning: Any) -> str:
    return (
        f"saved by scikit-learn {warning.original_sklearn_version}, read by {warning.current_sklearn_version}: "
        f"answers may differ; train again or install scikit-learn=={warning.original_sklearn_version}"
    )


def _refuse_what_is_no_model(thing: Any, path: Path) -> None:
    if callable(getattr(thing, "predict", None)):
        return
    name = type(thing).__name__
    if callable(getattr(thing, "fit_predict", None)):
        raise ArtifactError(
            f"{path} holds a {name}, which can only label the data it was fitted on (it has no predict); "
            "train a classifier on its labels and serve that"
        )
    if callable(getattr(thing, "transform", None)):
        raise ArtifactError(
            f"{path} holds a {name}, a transformer without predict; save it in a Pipeline with the model"
        )
    if isinstance(thing, dict):
        keys = ", ".join(map(str, list(thing)[:5]))
        raise ArtifactError(
            f"{path} holds a dict ({keys}), not a model; save the model alone, or a Pipeline of its parts"
        )
    raise ArtifactError(f"{path} holds a {name}, not a model: it has no predict method")


class SklearnModel:
    """A fitted estimator with its signature."""

    def __init__(self, estimator: Any, path: Path, hints: Hints, notes: tuple[str, ...]) -> None:
        fields, positional = read_inputs(estimator, hints)
        _run_in_one_thread(estimator)
        self._convert = _converter(estimator, fields)
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        example = tuple(example_value(f) for f in fields)
        task, outputs, self._answer = read_outputs(estimator, self._probe(estimator, example, fields))
        self.signature = Signature(task, fields, outputs, positional, notes)
        self.cost = Cost(bytes=path.stat().st_size, compiled=False, releases_gil=False)

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """Convert once, predict once."""
        return self._answer(self._convert(records))

    def _probe(self, estimator: Any, example: Record, fields: Sequence[Field]) -> np.ndarray[Any, Any] | None:
        """What the model answers to its own example: tells the outputs, and whether it works at all."""
        try:
            return np.asarray(estimator.predict(self._convert([example])))
        except Exception as error:
            if any(f.guessed for f in fields):
                return None
            raise ArtifactError(
                f"the model loads but cannot predict its own example: {type(error).__name__}: {str(error)[:300]}"
            ) from None


def _run_in_one_thread(estimator: Any) -> None:
    """`n_jobs=-1` starts threads for every call, which costs more than a small prediction; requests are the parallelism."""
    for part in (estimator, *(step for _, step in getattr(estimator, "steps", ()))):
        if getattr(part, "n_jobs", None) not in (None, 1):
            part.n_jobs = 1


def _converter(estimator: Any, fields: Sequence[Field]) -> Callable[[Sequence[Record]], Any]:
    if len(fields) == 1 and fields[0].dtype == "text":
        return lambda records: [record[0] for record in records]
    if needs_frame(estimator, fields):
        plain = [replace(f, dtype="") for f in fields]
        return lambda records: to_frame(records, plain)
    if any(f.kind is Kind.STRING for f in fields):
        return lambda records: np.array(records, dtype=object)
    return to_array
