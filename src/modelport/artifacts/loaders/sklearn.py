"""scikit-learn estimators and pipelines saved with joblib or pickle, and whatever follows scikit-learn's conventions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.helpers.composing import compose
from modelport.artifacts.helpers.labels import numbered_classes
from modelport.artifacts.helpers.members import read_helpers
from modelport.artifacts.loaders.catboost import CatboostModel
from modelport.artifacts.loaders.lightgbm import LightgbmModel
from modelport.artifacts.loaders.sklearn_inputs import Inputs, needs_frame, read_inputs
from modelport.artifacts.loaders.sklearn_outputs import plain_array, read_outputs
from modelport.artifacts.loaders.sklearn_parts import (
    all_parts,
    first_step,
    has_method,
    is_all_sklearn,
    is_vectorizer,
    reads_objects,
    refuse_endless,
    stored,
)
from modelport.artifacts.loaders.tabular import Array, is_sound, settle_gaps, to_array, to_frame, to_objects
from modelport.artifacts.loaders.xgboost import XgboostModel
from modelport.artifacts.pickles.loading import load_pickle, screen_pickle
from modelport.artifacts.pickles.permit import words
from modelport.artifacts.pickles.telling import is_pickle
from modelport.errors import ArtifactError, MissingExtra, ModelportError, UnprovenVersion
from modelport.kernel.ports import Cost, Hints, Model
from modelport.kernel.signature import DOUBLE_LIMIT, Field, Kind, Signature, example_value
from modelport.kernel.values import Record

HUGE = 1e300
"""So far beyond 32 bits that no scaler brings it back."""

SUFFIXES = frozenset({".joblib", ".pkl", ".pickle", ".sav"})
PACKED = words(".gz .bz2 .xz .lzma .z .zlib .lz4")
MEANINGLESS = (
    PACKED
    | words(".model .mdl .clf .bst .pck .pk .pkle .p .jbl .jl .bin .dat .data .obj .save .sklearn .skl .out")
    | {""}
)
"""What people call pickles as well, and other things."""


class SklearnLoader:
    """Reads `.joblib`, `.pkl`, `.pickle` and `.sav` files, and pickles under other names."""

    extra = "sklearn"
    compiled = False
    compilable = True
    composes = True

    def probe(self, path: Path, head: bytes) -> bool:
        """By its suffix; under one that says nothing, by content."""
        suffix = path.suffix.lower()
        if suffix in PACKED and Path(path.stem).suffix.lower() in SUFFIXES:
            return True
        return suffix in SUFFIXES or (suffix in MEANINGLESS and is_pickle(head))

    def screen(self, path: Path) -> None:
        """Raise ArtifactError for what is hostile on the face of it, without importing scikit-learn: see `screen_pickle`."""
        screen_pickle(path)

    def load(self, path: Path, hints: Hints) -> Model:
        """Unpickle it, through the allow-list unless the user said otherwise, and look at the estimator inside."""
        return load_estimator(path, hints, lambda: read_object(path, hints))


def load_estimator(path: Path, hints: Hints, read: Callable[[], Any]) -> Model:
    """The model of what `read` gives and of what lies beside it.

    Raises UnprovenVersion where another version saved it, unless the hints say that it may be served, and ArtifactError for what is
    no model, and for one of whose parts nothing can be made: files are damaged, or forged.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = read()
        helpers = read_helpers(hints.helpers, lambda helper: read_object(helper, hints))
    warned = next((w.message for w in caught if hasattr(w.message, "original_sklearn_version")), None)
    try:
        refuse_endless(estimator, str(path))
        whole = compose(estimator, path, helpers, hints)
        notes = () if warned is None else (hints.other_version or _version_note(warned),)
        model = _examine(whole.estimator, path, whole.hints, (*notes, *whole.notes))
    except ModelportError:
        raise
    except Exception as error:
        raise ArtifactError(
            f"{path} holds a {type(estimator).__name__} that does not work here: {type(error).__name__}: {str(error)[:200]}; "
            "install the versions that saved it, or train again"
        ) from error
    if warned is not None and not hints.other_version and isinstance(model, SklearnModel):
        raise UnprovenVersion(str(path), *_versions(warned), "nothing shows that its answers are the same")
    return model


def _examine(estimator: Any, path: Path, hints: Hints, notes: tuple[str, ...]) -> Model:
    _refuse_what_is_no_model(estimator, path, elsewhere=hints.read is not None)
    elsewhere = hints.read is not None  # what wrote it answers through its wrapper, whose methods every release has
    booster = None if elsewhere else _booster_model(estimator, path, hints)
    if booster is not None:
        booster.estimator = estimator  # the wrapper knows more than the booster inside
        booster.signature = replace(booster.signature, notes=(*booster.signature.notes, *notes))
        return booster
    return SklearnModel(estimator, path, hints, notes)


def read_object(path: Path, hints: Hints) -> Any:
    """What a file of scikit-learn's world holds. Raises ArtifactError, or MissingExtra without scikit-learn."""
    if hints.read is not None:
        return hints.read(path)
    if path.suffix.lower() == ".skops":
        from modelport.artifacts.loaders.skops import read_skops

        return read_skops(path, hints.allow_pickle)
    if not hints.allow_pickle:
        screen_pickle(path, hints.code)  # scikit-learn takes a second to import, and none is due to a hostile file
    try:
        import joblib  # noqa: F401
        import sklearn  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra(f"what {path.name} holds", SklearnLoader.extra) from None
    return load_pickle(path, hints.allow_pickle, hints.code, hints.repairs(path) if hints.repairs else None)


def _versions(warning: Any) -> tuple[str, str]:
    return warning.original_sklearn_version, warning.current_sklearn_version


def _version_note(warning: Any) -> str:
    """Of the wrapper of a booster: what answers is the booster, in a format of its own."""
    stored, installed = _versions(warning)
    return f"saved beside scikit-learn {stored}, read by {installed}: the booster inside answers, not scikit-learn"


# -- what is no model ----------------------------------------------------------------------------------------------


def _refuse_what_is_no_model(thing: Any, path: Path, elsewhere: bool = False) -> None:
    """`elsewhere`: it is in another process, and the installed scikit-learn need not be imported for it."""
    name = type(thing).__name__
    if isinstance(thing, type):
        raise ArtifactError(f"{path} holds the class {thing.__name__}, not a fitted model; save what fit returned")
    if has_method(thing, "predict"):
        return None if elsewhere else _refuse_unfitted(thing, path)
    if has_method(thing, "fit_predict"):
        raise ArtifactError(
            f"{path} holds a {name}, which can only label the data it was fitted on (it has no predict); "
            + ("fit it with novelty=True" if hasattr(thing, "novelty") else _TRAIN_ON_LABELS)
        )
    if has_method(thing, "transform") and has_method(thing, "fit"):
        raise ArtifactError(
            f"{path} holds a {name}, a transformer without predict; serve the model, with this file beside it:  "
            f"modelport serve MODEL --with {path.name}"
        )
    raise ArtifactError(f"{path} holds a {name}, not a model: it has no predict method")


_TRAIN_ON_LABELS = "train a classifier on its labels and serve that"


def _refuse_unfitted(estimator: Any, path: Path) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise ArtifactError(
            f"{path} holds a {type(estimator).__name__} that is not fitted; save it after fit"
        ) from None
    except Exception:  # what does not follow scikit-learn's conventions shows itself when it predicts
        return


def _booster_model(estimator: Any, path: Path, hints: Hints) -> XgboostModel | LightgbmModel | CatboostModel | None:
    """The wrappers of the boosting libraries know less of themselves than the boosters inside, which have loaders of their own."""
    match type(estimator).__module__, type(estimator).__name__:
        case "xgboost.sklearn", _:
            return XgboostModel(estimator.get_booster(), path, _with_old_classes(estimator, hints), estimator.missing)
        case "xgboost.core", "Booster":
            return XgboostModel(estimator, path, hints)
        case "lightgbm.sklearn", _:
            return LightgbmModel(estimator.booster_, path, hints, _own_classes(estimator, hints))
        case "lightgbm.basic", "Booster":
            return LightgbmModel(estimator, path, hints)
        case "catboost.core", _:
            return CatboostModel(estimator, path, hints)
    return None


def _with_old_classes(estimator: Any, hints: Hints) -> Hints:
    """XGBoost before 1.6 numbered the classes itself, and kept their names beside the booster."""
    names = stored(stored(estimator, "_le"), "classes_")
    if names is None or hints.classes or list(names) == list(range(len(names))):
        return hints
    return replace(hints, classes=tuple(names.tolist()))


def _own_classes(estimator: Any, hints: Hints) -> Any:
    """The classes that a wrapper stores; None where they are numbers and the user has named them."""
    return None if hints.classes and numbered_classes(estimator) else stored(estimator, "classes_")


# -- the model -----------------------------------------------------------------------------------------------------


OF_THE_BATCH = frozenset({"NMF", "MiniBatchNMF"})
"""Steps that go on until all rows together have settled."""


class SklearnModel:
    """A fitted estimator with its signature."""

    def __init__(self, estimator: Any, path: Path, hints: Hints, notes: tuple[str, ...]) -> None:
        inputs = read_inputs(estimator, hints)
        _run_in_one_thread(estimator)
        _silence()
        self._convert = _converter(estimator, inputs)
        probe = self._probe(estimator, inputs.fields)
        if self._computes_in_doubles(estimator, inputs.fields):
            inputs = read_inputs(estimator, hints, DOUBLE_LIMIT)
        fields = settle_gaps(inputs.fields, lambda record: is_sound(self._try(estimator, record)))
        task, outputs, self._answer = read_outputs(estimator, probe, hints.classes)
        self.estimator: Any = estimator  # what compilation reads
        self._alone = any(type(part).__name__ in OF_THE_BATCH for part in all_parts(estimator))
        self.signature = Signature(task, fields, outputs, inputs.positional, notes)
        size = sum(part.stat().st_size for part in (path, *hints.helpers))
        self.cost = Cost(bytes=size, compiled=False, releases_gil=False)

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """Convert once, predict once; one at a time where the company of a record would change its answer."""
        if self._alone and len(records) > 1:
            return [self.predict([record])[0] for record in records]
        return self._answer(self._convert(records))[: len(records)]

    def _try(self, estimator: Any, record: Record) -> Array:
        return plain_array(estimator.predict(self._convert([record])))[:1]

    def _probe(self, estimator: Any, fields: Sequence[Field]) -> Array | None:
        """What the model answers to its own example: tells the outputs, and whether it works at all."""
        example = tuple(example_value(f) for f in fields)
        try:
            return self._try(estimator, example)
        except Exception as error:
            usual = self._convert
            for self._convert in _other_converters(usual, fields):
                with suppress(Exception):
                    return self._try(estimator, example)
            self._convert = usual
            if any(f.guessed for f in fields):
                return None
            raise ArtifactError(
                f"the model loads but cannot predict its own example: {type(error).__name__}: {str(error)[:300]}"
            ) from None

    def _computes_in_doubles(self, estimator: Any, fields: Sequence[Field]) -> bool:
        """Whether numbers beyond 32 bits pass: trees refuse them, what is not scikit-learn's own may take them for infinity."""
        if not is_all_sklearn(estimator) or self._convert is _to_narrow_array:
            return False
        record = tuple(HUGE if f.kind is Kind.FLOAT and not f.categories else example_value(f) for f in fields)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._try(estimator, record)
        except Exception:  # whatever the model raises: it does not take them
            return False
        return HUGE in record


def _run_in_one_thread(estimator: Any) -> None:
    """`n_jobs=-1` starts threads for every call, which costs more than a small prediction; requests are the parallelism."""
    for part in all_parts(estimator):
        if stored(part, "n_jobs") not in (None, 1):
            part.n_jobs = 1


def _silence() -> None:
    """Warnings about what we do on purpose; each of them would be written for every call."""
    for message in ("X does not have valid feature names", "X has feature names, but", "Found unknown categories"):
        warnings.filterwarnings("ignore", message, UserWarning)


def _to_narrow_array(records: Sequence[Record]) -> Array:
    return to_array(records, np.float32)


def _to_pairs(records: Sequence[Record]) -> Array:
    return to_array(records if len(records) > 1 else [*records, *records])


def _other_converters(usual: Any, fields: Sequence[Field]) -> Iterator[Callable[[Sequence[Record]], Any]]:
    """What a model may take that fails on an array: k-means the very type that it was trained on, code of one's own a frame."""
    if usual is to_array:
        yield _to_narrow_array
        yield _to_pairs  # sparse principal components lose a dimension where there is a single row
    if not any(f.dtype == "text" for f in fields):
        yield lambda records: to_frame(records, fields)


def _converter(estimator: Any, inputs: Inputs) -> Callable[[Sequence[Record]], Any]:
    fields, none_gaps = inputs.fields, inputs.none_gaps
    if is_vectorizer(first_step(estimator)):
        return lambda records: [record[0] for record in records]
    if reads_objects(first_step(estimator)):
        names = [f.name for f in fields]
        return lambda records: [
            {name: value for name, value in zip(names, record, strict=True) if value is not None} for record in records
        ]
    if needs_frame(estimator, fields):
        return lambda records: to_frame(records, fields, none_gaps)
    if any(f.kind is Kind.STRING for f in fields):
        return lambda records: to_objects(records, none_gaps)
    return to_array
