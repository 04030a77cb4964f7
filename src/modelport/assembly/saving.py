"""Saving a model that is in memory as a bundle, with the source of what was defined in its notebook: `modelport.save`."""

from __future__ import annotations

import csv
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from modelport.artifacts.code.collecting import Code, collect_code
from modelport.artifacts.code.importing import importable
from modelport.artifacts.code.pickling import find_local, renamed
from modelport.artifacts.pickles.loading import load_pickle
from modelport.assembly.bundles import BUNDLE, build_bundle
from modelport.assembly.folders import refuse_place
from modelport.assembly.objects import refuse_empty, refuse_object, table_of, told_of_object
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, ConfigError, MissingExtra
from modelport.kernel.names import RULE, is_name

CHECKED_ROWS = 100


def save_model(model: Any, out: Path, data: Any) -> str:
    """Write the bundle; what command serves it. Raises SetupError."""
    _refuse_place(out)
    refuse_empty(data)
    if not isinstance(model, (dict, list, tuple)) and not hasattr(model, "predict") and not hasattr(model, "fit"):
        refuse_object(model)
    found = find_local(model)
    code = collect_code(found)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"{out.stem}.joblib"
        with renamed(code, found):
            _dump(model, source)
        for name, text in code.files.items():
            (Path(folder) / "code" / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / "code" / name).write_text(text, encoding="utf-8")
        with importable(Path(folder) / "code", code.roots), told_of_object(source):
            _refuse_difference(model, source, code, data)
            options = ServeOptions(data=_write_rows(data, Path(folder) / "data.csv"))
            build_bundle(source, out, options, force=True, code=code.files)
    return f"modelport serve {out}{' --allow-code' if code.files else ''}"


def _refuse_place(out: Path) -> None:
    if out.suffix not in ("", ".bundle"):
        raise ConfigError(f"modelport.save writes a folder, which is called something.bundle, not {out.name}")
    if not is_name(out.stem):
        raise ConfigError(f"the model is called as its folder, {out.stem!r}, but a model wants {RULE}: choose another")
    refuse_place(out, BUNDLE, force=True)


def _dump(model: Any, path: Path) -> None:
    try:
        import joblib
    except ModuleNotFoundError:
        raise MissingExtra("saving a model", "sklearn") from None
    joblib.dump(model, path)


def _refuse_difference(model: Any, source: Path, code: Code, data: Any) -> None:
    """What was saved must answer as what is here: a definition may have changed since the model was made."""
    again = load_pickle(source, False, code.roots)
    if data is None or not hasattr(model, "predict"):
        return
    rows = data[:CHECKED_ROWS]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            here, there = np.asarray(model.predict(rows)), np.asarray(again.predict(rows))
    except Exception:  # rows of another form than the model's own; the bundle asks in its own way
        return
    if not np.array_equal(here, there):
        raise ArtifactError("the model answers otherwise once it is saved and read again, so it was not saved")


def _write_rows(data: Any, path: Path) -> Path | None:
    if data is None:
        return None
    table = {name if isinstance(name, str) else f"x{name}": values for name, values in table_of(data)}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(_cells(row) for row in zip(*table.values(), strict=True))
    return path


def _cells(row: Iterable[Any]) -> list[Any]:
    return ["" if value is None or value != value else value for value in row]
