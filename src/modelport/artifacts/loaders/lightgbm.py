"""LightGBM boosters in their own text format."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.loaders.tabular import (
    Outputs,
    named_classes,
    named_fields,
    plain_values,
    scored_classes,
    to_coded_array,
)
from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.infer import refine
from modelport.kernel.ports import Cost, Hints, Model
from modelport.kernel.signature import Field, Kind, Signature
from modelport.kernel.values import Record

_HEAD = re.compile(rb"tree\r?\nversion=")
_TREE = re.compile(rb"^Tree=", re.MULTILINE)
_END = b"end of trees"


class LightgbmLoader:
    """Reads what `Booster.save_model` writes, mostly as `.txt`."""

    extra = "lightgbm"
    compiled = False
    compilable = True

    def probe(self, path: Path, head: bytes) -> bool:
        """By content: `.txt` says nothing."""
        return _HEAD.match(head) is not None

    def load(self, path: Path, hints: Hints) -> Model:
        """Read the booster and its header."""
        try:
            import lightgbm
        except ModuleNotFoundError:
            raise MissingExtra("a LightGBM model", self.extra) from None
        _refuse_truncated(path)
        try:
            booster = lightgbm.Booster(model_file=str(path))
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise ArtifactError(f"{path} cannot be read as a LightGBM model: {str(error)[:200]}") from None
        return LightgbmModel(booster, path, hints)


def _refuse_truncated(path: Path) -> None:
    """A file that ends too early is read without complaint, and answers with the trees that are left."""
    if _END not in path.read_bytes():
        raise ArtifactError(f"{path} ends in the middle of its trees: copy it again")


class LightgbmModel:
    """A booster with its signature. `classes` are the labels that its wrapper for scikit-learn has encoded."""

    def __init__(self, booster: Any, path: Path, hints: Hints, classes: Any = None) -> None:
        header = _read_header(booster)
        fields, positional, self._codes = _read_inputs(header, booster.pandas_categorical or [], path, hints)
        task, outputs, self._answer = _read_outputs(header, classes, hints)
        self._booster = booster
        self.estimator: Any = booster  # what compilation reads
        self.signature = Signature(task, fields, outputs, positional)
        self.cost = Cost(bytes=path.stat().st_size, compiled=False, releases_gil=True)

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """One pass over the trees; requests are the parallelism, so in one thread."""
        array = to_coded_array(records, self._codes)
        return self._answer(np.asarray(self._booster.predict(array, num_threads=1)))


@dataclass(frozen=True, slots=True)
class _Header:
    """What the model's text says before its trees."""

    names: list[str]
    infos: list[str]
    objective: str
    width: int
    categorical: list[int]


def _read_header(booster: Any) -> _Header:
    text = booster.model_to_string(num_iteration=1)
    pairs = dict(line.partition("=")[::2] for line in text.partition("Tree=")[0].splitlines())
    listed = re.search(r"^\[categorical_feature: ([\d,]*)\]", text, re.MULTILINE)
    return _Header(
        names=booster.feature_name(),
        infos=pairs.get("feature_infos", "").split(),
        objective=pairs.get("objective", "").partition(" ")[0],
        width=int(pairs.get("num_tree_per_iteration", 1)),
        categorical=[int(i) for i in listed[1].split(",")] if listed and listed[1] else [],
    )


# -- inputs --------------------------------------------------------------------------------------------------------

Codes = Mapping[int, Mapping[Any, float]]


def _read_inputs(
    header: _Header, stored: Sequence[Sequence[Any]], path: Path, hints: Hints
) -> tuple[tuple[Field, ...], bool, Codes]:
    count = len(header.names)
    unnamed = header.names == [f"Column_{i}" for i in range(count)]
    fields, positional = named_fields(None if unnamed else _respell(header.names, hints), count, hints)
    infos = header.infos if len(header.infos) == count else ["none"] * count
    fields = [_describe(f, info) for f, info in zip(fields, infos, strict=True)]
    columns = dict(zip(_categorical_columns(header, len(stored), path), stored, strict=True))
    for i, values in columns.items():
        fields[i] = _categorical(fields[i], values)
    codes = {i: {value: float(code) for code, value in enumerate(values)} for i, values in columns.items()}
    return refine(fields, hints), positional, codes


def _respell(names: Sequence[str], hints: Hints) -> list[str]:
    """LightGBM stores `a b` as `a_b`; where the data or the user says `a b`, that is the name."""
    spelled = {name.replace(" ", "_"): name for name in (*hints.columns, *hints.corrections)}
    return [spelled.get(name, name) for name in names]


def _describe(f: Field, info: str) -> Field:
    """`[low:high]` for numbers, the codes `0:1:2` for categories, `none` for what the trees cannot use."""
    if info.startswith("["):
        low, _, high = info.strip("[]").partition(":")
        f = f.because(
            f"range {float(low):g} to {float(high):g} stored in the booster", low=float(low), high=float(high)
        )
    elif info != "none":
        codes = tuple(sorted(int(code) for code in info.split(":") if int(code) >= 0))
        f = f.because(
            f"{len(codes)} categories stored in the booster; others are allowed", kind=Kind.INT, categories=codes
        )
    return f.because("null allowed: LightGBM reads gaps itself", nullable=True)


def _categorical_columns(header: _Header, stored: int, path: Path) -> list[int]:
    """Which columns the stored categories belong to: the file lists both, but not together."""
    by_info = [i for i, info in enumerate(header.infos) if info != "none" and not info.startswith("[")]
    for columns in (header.categorical, by_info):
        if len(columns) == stored:
            return columns
    if stored == 0:
        return []
    raise ArtifactError(
        f"{path} stores {stored} lists of categories for {len(header.categorical) or len(by_info)} categorical inputs, "
        "and does not say which is whose; make all of them of dtype category in training"
    )


def _categorical(f: Field, values: Sequence[Any]) -> Field:
    kind = Kind.STRING if any(isinstance(v, str) for v in values) else Kind.FLOAT
    kind = Kind.INT if all(type(v) is int for v in values) else kind
    if all(type(v) is bool for v in values):
        return f.because("bool: categories stored in the booster", kind=Kind.BOOL, categories=(), low=None, high=None)
    reason = f"{len(values)} categories of the training frame stored; others are allowed"
    return f.because(reason, kind=kind, categories=tuple(values), low=None, high=None)


# -- outputs -------------------------------------------------------------------------------------------------------


def _read_outputs(header: _Header, classes: Any, hints: Hints) -> Outputs:
    """What the objective says. The file knows classes by number only: 0, 1, …; the user may have named them."""
    if header.objective == "binary":
        return scored_classes(named_classes(2, hints) if classes is None else classes)
    if header.objective in ("multiclass", "multiclassova"):
        return scored_classes(named_classes(header.width, hints) if classes is None else classes)
    return plain_values(header.width)
