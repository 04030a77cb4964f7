"""XGBoost models in their own formats: JSON and UBJSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.loaders.tabular import (
    Array,
    Outputs,
    kind_of,
    named_classes,
    named_fields,
    plain_values,
    scored_classes,
    scored_labels,
    to_coded_array,
)
from modelport.artifacts.xgboost_binary import Unreadable, is_binary, to_json
from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.infer import refine
from modelport.kernel.ports import Cost, Hints, Model
from modelport.kernel.signature import Field, Kind, Output, Signature, Task
from modelport.kernel.values import Record

_KEYS = rb"(attributes|feature_names|feature_types|gradient_booster|learner_model_param|objective)"
_JSON = re.compile(rb'\s*\{\s*("version"\s*:\s*\[[\d,\s]*\]\s*,\s*)?"learner"\s*:\s*\{\s*"' + _KEYS + rb'"\s*:')
_UBJSON = re.compile(rb"\{L.{8}learner\{L.{8}" + _KEYS, re.DOTALL)


class XgboostLoader:
    """Reads what `save_model` writes: `.json` and `.ubj`, the same under other names, and the binaries of XGBoost up to 3.0."""

    extra = "xgboost"
    compiled = False
    compilable = True

    def probe(self, path: Path, head: bytes) -> bool:
        """By content: other programs write `.json`, too, and older ones named these files `.bst` and `.model`."""
        return bool(_JSON.match(head) or _UBJSON.match(head)) or is_binary(head)

    def load(self, path: Path, hints: Hints) -> Model:
        """Read the booster and look at its configuration."""
        try:
            import xgboost
        except ModuleNotFoundError:
            raise MissingExtra("an XGBoost model", self.extra) from None
        try:
            booster = xgboost.Booster(model_file=_readable(path))
        except Unreadable as error:
            raise ArtifactError(
                f"{path} is a binary of XGBoost 3.0 or older that cannot be read: {error}; "
                "save it again with save_model, as .ubj, by the XGBoost that wrote it"
            ) from None
        except xgboost.core.XGBoostError as error:
            raise ArtifactError(
                f"{path} cannot be read as an XGBoost model: {_first_line(error)}; "
                "save it again with save_model, as .ubj, by the XGBoost that wrote it"
            ) from None
        return XgboostModel(booster, path, hints)


def _readable(path: Path) -> str | bytearray:
    """What the installed XGBoost reads: the file, or what its binary says in JSON."""
    with path.open("rb") as file:
        if not is_binary(file.read(4096)):
            return str(path)
    return bytearray(to_json(path.read_bytes()))


def _first_line(error: Exception) -> str:
    """XGBoost puts a time stamp and the source file before its message, and a stack trace after it."""
    return re.sub(r"^\[[\d:]+\] \S+: ", "", str(error).strip().partition("\n")[0])[:200]


class XgboostModel:
    """A booster with its signature. `missing` is what stood for a gap in training, besides NaN."""

    def __init__(self, booster: Any, path: Path, hints: Hints, missing: float = np.nan) -> None:
        booster.set_param({"nthread": 1})  # requests are the parallelism
        config = json.loads(booster.save_config())["learner"]
        task, outputs, self._answer = _read_outputs(booster, config, hints)
        fields, positional, self._codes = _read_inputs(booster, hints)
        self._booster, self._missing = booster, missing
        self.estimator: Any = booster  # what compilation reads
        self._linear = config["gradient_booster"]["name"] == "gblinear"
        self._rounds = _rounds(booster, self._linear)
        self.signature = Signature(task, fields, outputs, positional)
        self.cost = Cost(bytes=path.stat().st_size, compiled=False, releases_gil=True)

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """One pass over the trees, up to the best iteration where training stopped early."""
        return self._answer(self._scores(to_coded_array(records, self._codes, np.float32)))

    def _scores(self, array: Array) -> Array:
        if self._linear:  # linear boosters cannot predict in place
            import xgboost

            matrix = xgboost.DMatrix(array, missing=self._missing, nthread=1)
            return np.asarray(self._booster.predict(matrix, validate_features=False))
        return np.asarray(self._booster.inplace_predict(array, iteration_range=self._rounds, missing=self._missing))


def _rounds(booster: Any, linear: bool) -> tuple[int, int]:
    best = booster.attr("best_iteration")
    return (0, 0) if best is None or linear else (0, int(best) + 1)


# -- inputs --------------------------------------------------------------------------------------------------------

Codes = Mapping[int, Mapping[Any, float]]


def _read_inputs(booster: Any, hints: Hints) -> tuple[tuple[Field, ...], bool, Codes]:
    fields, positional = named_fields(booster.feature_names, booster.num_features(), hints)
    types = booster.feature_types or [""] * len(fields)
    categories = _stored_categories(booster) if "c" in types else {}
    fields = [_describe(f, t, categories.get(i, ())) for i, (f, t) in enumerate(zip(fields, types, strict=True))]
    codes = {i: {value: float(code) for code, value in enumerate(values)} for i, values in categories.items()}
    return refine(fields, hints), positional, codes


def _describe(f: Field, stored_type: str, categories: Sequence[Any]) -> Field:
    if categories:
        kind = Kind.STRING if isinstance(categories[0], str) else Kind.INT
        reason = f"{len(categories)} categories stored in the booster, which refuses others"
        f = f.because(reason, kind=kind, categories=tuple(categories), closed=True)
    elif stored_type == "c":
        f = f.because("the code of a category: the file stores none (XGBoost 3.1 and newer do)", kind=Kind.INT)
    elif stored_type in ("int", "i"):
        kind = Kind.INT if stored_type == "int" else Kind.BOOL
        f = f.because(f"{kind}: stored in the booster", kind=kind)
    return f.because("null allowed: XGBoost reads gaps itself", nullable=True)


def _stored_categories(booster: Any) -> dict[int, list[Any]]:
    """The categories by column. Only the model's own JSON shows them without a further library."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]
    encodings = learner.get("gbtree", learner).get("model", {}).get("cats", {}).get("enc", [])
    found = {i: _decode_categories(encoding) for i, encoding in enumerate(encodings)}
    return {i: values for i, values in found.items() if values}


def _decode_categories(encoding: Mapping[str, Any]) -> list[Any]:
    values: list[Any] = encoding["values"]
    if "offsets" not in encoding:
        return values
    raw = bytes(value % 256 for value in values)
    bounds = encoding["offsets"]
    return [raw[a:b].decode() for a, b in pairwise(bounds)]


# -- outputs -------------------------------------------------------------------------------------------------------


def _read_outputs(booster: Any, config: Mapping[str, Any], hints: Hints) -> Outputs:
    """What the objective says. The file knows classes by number only: 0, 1, …; the user may have named them."""
    objective = config["objective"]["name"]
    parameters = config["learner_model_param"]
    classes, targets = int(parameters["num_class"]), int(parameters.get("num_target", 1))
    if objective in ("multi:softprob", "multi:softmax"):
        booster.set_param({"objective": "multi:softprob"})  # the other one keeps the probabilities to itself
        return scored_classes(named_classes(classes, hints))
    if objective == "binary:logistic":
        return scored_classes(named_classes(2, hints)) if targets == 1 else scored_labels(targets)
    if objective == "binary:hinge":
        names = tuple(named_classes(2, hints))
        output = Output("prediction", kind_of(names), names)
        return Task.CLASSIFY, (output,), lambda scores: [{"prediction": names[int(score)]} for score in scores]
    return plain_values(max(classes, targets))
