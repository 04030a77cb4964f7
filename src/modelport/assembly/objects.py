"""Compiling a model that is in memory, and asking it as scikit-learn's are asked: `modelport.compile`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from modelport.assembly.artifacts import find_loader
from modelport.assembly.folders import FolderKind, new_folder, refuse_place
from modelport.compilation.cache import FACTS, MODEL
from modelport.compilation.compiled import CompiledModel, open_compiled
from modelport.compilation.parity import Report
from modelport.errors import ArtifactError, MissingExtra, NotCompiledError, SetupError
from modelport.kernel.ports import Hints, Model
from modelport.kernel.profile import is_gap, profile_values
from modelport.kernel.signature import Field, Kind, Signature, Task
from modelport.kernel.values import Record

SAMPLE_ROWS = 20_000
COMPILED = FolderKind("compiled model", lambda folder: {path.name for path in folder.iterdir()} == {MODEL, FACTS})


class Compiled:
    """A compiled model. `report` says how it was compared; `signature` what goes in and out."""

    def __init__(self, model: CompiledModel) -> None:
        self._model = model

    @property
    def report(self) -> Report:
        """The comparison with the original; `str` of it is one line."""
        return self._model.report

    @property
    def signature(self) -> Signature:
        """The ordered, named, typed inputs and outputs."""
        return self._model.signature

    def predict(self, rows: Any) -> np.ndarray[Any, Any]:
        """Labels or values, one for each row of a DataFrame, a two-dimensional array or a list of dictionaries.

        A model with several outputs gives a column for each. Raises ValueError where columns are missing.
        """
        answers = self._answers(rows)
        if answers and isinstance(answers[0], dict):
            return np.array([list(answer.values()) for answer in answers])
        return np.array(answers)

    def predict_proba(self, rows: Any) -> np.ndarray[Any, Any]:
        """The probabilities of the classes, in the order of `signature.outputs[0].classes`: rows by classes.

        Raises AttributeError where the model gives none, or has several outputs.
        """
        outputs = self.signature.outputs
        if self.signature.task is not Task.CLASSIFY or len(outputs) != 1 or not outputs[0].probabilities:
            raise AttributeError("this model gives no table of probabilities")
        answers = self._model.predict(to_records(rows, self.signature.inputs))
        return np.array([list(answer["probabilities"].values()) for answer in answers])

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write it to a folder, for `modelport.load_compiled`. A compiled model that lies there is replaced.

        Raises ConfigError where anything else does, or where nothing can be written.
        """
        out = Path(folder)
        refuse_place(out, COMPILED, force=True)
        with new_folder(out) as draft:
            self._model.save(draft)

    def _answers(self, rows: Any) -> list[Any]:
        return [answer["prediction"] for answer in self._model.predict(to_records(rows, self.signature.inputs))]

    def __repr__(self) -> str:
        return f"<Compiled {self.signature.task} of {len(self.signature.inputs)} inputs: {self.report}>"


def open_object(folder: Path) -> Compiled:
    """What `Compiled.save` wrote. Raises ArtifactError where it is damaged."""
    return Compiled(open_compiled(folder))


def compile_object(model: Any, data: Any) -> Compiled:
    """The compiled form of a model in memory, or of the file that it was saved to. Raises NotCompiledError."""
    from modelport.compilation.compiler import NotCompiled, Original, compile_model

    refuse_empty(data)
    served = _load(model, data)
    if not hasattr(served, "estimator"):
        raise NotCompiledError("models of this kind are not compiled")
    sample = None if data is None else to_records(data, served.signature.inputs, SAMPLE_ROWS)
    made = compile_model(Original(served.estimator, served.signature, served.predict), sample)
    if isinstance(made, NotCompiled):
        raise NotCompiledError(made.reason)
    return Compiled(made)


def refuse_empty(data: Any) -> None:
    """Raise ArtifactError for data without rows: from none, nothing can be learnt of the columns."""
    if data is not None and hasattr(data, "__len__") and len(data) == 0:
        raise ArtifactError("the data holds no rows; give rows such as the model was trained on, or leave data out")


def _load(model: Any, data: Any) -> Model:
    """As it would be served: what a file gives is what is compared."""
    named = [(name, values) for name, values in table_of(data) if isinstance(name, str)] if data is not None else []
    columns = {name: profile_values(name, values, None) for name, values in named}
    if isinstance(model, (str, os.PathLike)):
        path = Path(model)
        return find_loader(path).load(path, Hints(columns=columns))
    if not hasattr(model, "predict"):
        refuse_object(model)
    try:
        import joblib
    except ModuleNotFoundError:
        raise MissingExtra("a model in memory", "sklearn") from None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(model, path)
        with told_of_object(path):  # it is the caller's own
            return find_loader(path).load(path, Hints(columns=columns, allow_pickle=True))


def refuse_object(thing: Any) -> NoReturn:
    """Raise ArtifactError for what is no model."""
    raise ArtifactError(
        f"what was given is of type {type(thing).__name__}, which is no model: it has no predict method"
    )


@contextmanager
def told_of_object(path: Path) -> Iterator[None]:
    """Whoever has given an object knows nothing of the file that it went through."""
    try:
        yield
    except SetupError as error:
        text = str(error).replace(f"{path} holds ", "what was given is ").replace(str(path), "what was given")
        error.args = (text.replace(path.name, "the model"),)
        raise


# -- rows ----------------------------------------------------------------------------------------------------------


def to_records(rows: Any, fields: Sequence[Field], most: int | None = None) -> list[Record]:
    """Records in the signature's order from a DataFrame, an array or dictionaries; gaps become None.

    `most`: so many at most, evenly spread. Raises ValueError where a column is missing.
    """
    table = dict(table_of(rows))
    if table and all(isinstance(name, int) for name in table):  # an array: by position
        if len(table) != len(fields):
            raise ValueError(f"the model takes {len(fields)} columns, not {len(table)}")
        columns = list(table.values())
    else:
        missing = [f.name for f in fields if f.name not in table and not f.optional]
        if missing:
            raise ValueError(f"columns are missing: {', '.join(missing[:12])}")
        count = len(next(iter(table.values()), []))
        columns = [table.get(f.name, [None] * count) for f in fields]
    records = list(
        zip(*([_plain(v, f) for v in column] for column, f in zip(columns, fields, strict=True)), strict=True)
    )
    return records if most is None else records[:: max(1, -(-len(records) // most))]


def _plain(value: Any, f: Field) -> Any:
    if is_gap(value) and not isinstance(value, str):
        return None
    if f.kind is Kind.STRING:
        return str(value)
    return {Kind.FLOAT: float, Kind.INT: int, Kind.BOOL: bool}.get(f.kind, lambda v: v)(value)


def table_of(rows: Any) -> Iterable[tuple[Any, list[Any]]]:
    """Names with plain values; positions for an array."""
    if hasattr(rows, "columns") and hasattr(rows, "items"):
        return [(str(name), column.tolist()) for name, column in rows.items()]
    if isinstance(rows, Sequence) and rows and isinstance(rows[0], Mapping):
        names = dict.fromkeys(name for row in rows for name in row)
        return [(str(name), [row.get(name) for row in rows]) for name in names]
    array = np.asarray(rows)
    if array.ndim != 2:
        raise ValueError(f"a table is wanted, with a row for each record, not an array of shape {array.shape}")
    return list(enumerate(column.tolist() for column in array.T))
