"""What is served by everybody: the user's model, the rows to ask for, and the versions that it needs."""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modelport.compare.graphs import Graph, read_graph
from modelport.config import ServeOptions
from modelport.errors import MissingExtra, SetupError

PICKLES = (".joblib", ".pkl", ".pickle", ".sav")
MOST_ROWS = 1000
MUSIC = Path(__file__).with_name("music") / "music.csv.gz"
MUSIC_TARGET = "genre"

ALWAYS = ("numpy", "scikit-learn", "joblib", "pandas")
WHERE_NAMED = ("xgboost", "lightgbm", "catboost", "imbalanced-learn", "category-encoders")
"""Packages that a pickle needs where their module's name is in its bytes."""


@dataclass(frozen=True)
class Subject:
    """A model with its signature, its rows, and how Modelport is told to serve it."""

    name: str
    artifact: Path
    described: dict[str, Any]
    rows: tuple[dict[str, Any], ...]
    serve_flags: tuple[str, ...]
    pins: tuple[str, ...]
    notes: tuple[str, ...] = ()
    graph: Graph | str = "it is not compiled"
    """Its compiled form for those who run that, or why there is none."""

    @property
    def graph_pins(self) -> tuple[str, ...]:
        """What its compiled form needs, in the versions that it was checked with."""
        return tuple(f"{name}=={importlib.metadata.version(name)}" for name in ("numpy", "onnxruntime"))

    @property
    def fields(self) -> list[dict[str, Any]]:
        """Its inputs, as `modelport inspect` describes them."""
        found: list[dict[str, Any]] = self.described["inputs"]
        return found


def read_subject(artifact: Path, options: ServeOptions) -> Subject:
    """The model of a file. Raises SetupError for what contestants cannot load, before any of its code has run."""
    from modelport.assembly import inspect_artifact

    if artifact.suffix.lower() not in PICKLES:
        raise SetupError(
            f"compare writes servers that load the model with joblib.load, so it takes {', '.join(PICKLES)}; {artifact.name} is "
            "none of them: save the model with joblib.dump, or run modelport compare --quick, which brings its own"
        )
    described = inspect_artifact(artifact, options)
    _refuse_unsupported(described, artifact)
    rows, notes = _rows(options, described)
    return Subject(
        name=artifact.stem,
        artifact=artifact.resolve(),
        described=described,
        rows=rows,
        serve_flags=tuple(_serve_flags(options)),
        pins=tuple(_pins(artifact)),
        notes=notes,
        graph=_graph(artifact, options, described),
    )


def _graph(artifact: Path, options: ServeOptions, described: dict[str, Any]) -> Graph | str:
    from modelport.assembly.forms import look_up

    if described.get("form") != "compiled":
        return f"Modelport does not compile this model: {described.get('why', 'it serves it as it is')}"
    return read_graph(Path(look_up(artifact, options).folder))


def train_music(folder: Path, options: ServeOptions) -> tuple[Path, ServeOptions]:
    """The model that --quick compares without a file: a decision tree on eight audio features. Needs scikit-learn."""
    try:
        import joblib
        import pandas as pd
        from sklearn.tree import DecisionTreeClassifier
    except ModuleNotFoundError:
        raise MissingExtra("modelport compare --quick", "sklearn") from None
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "music.csv"
    data.write_bytes(gzip.decompress(MUSIC.read_bytes()))
    tracks = pd.read_csv(data)
    features = [name for name in tracks.columns if name != MUSIC_TARGET]
    model = DecisionTreeClassifier(max_depth=8, random_state=0)
    model.fit(tracks[features], tracks[MUSIC_TARGET].to_numpy(dtype=object))
    joblib.dump(model, folder / "genre.joblib")
    return folder / "genre.joblib", replace(options, data=data, target=MUSIC_TARGET)


def _refuse_unsupported(described: dict[str, Any], artifact: Path) -> None:
    kinds = sorted({f["type"] for f in described["inputs"]} - {"float", "int", "string", "bool"})
    if kinds:
        raise SetupError(
            f"{artifact.name} takes inputs of the type {kinds[0]}; compare writes servers for named single values only"
        )
    if len(described["outputs"]) != 1:
        raise SetupError(
            f"{artifact.name} has {len(described['outputs'])} outputs; compare writes servers for one only"
        )


def _rows(options: ServeOptions, described: dict[str, Any]) -> tuple[tuple[dict[str, Any], ...], tuple[str, ...]]:
    if options.data is None:
        return (described["example"],), (
            "No --data was given: every request is the same row, which flatters whatever remembers answers.",
        )
    if options.data.suffix.lower() not in (".csv", ".tsv"):
        raise SetupError(f"--data: compare reads .csv and .tsv, not {options.data.name}")
    found = list(_usable(options.data, described["inputs"]))
    if not found:
        raise SetupError(f"{options.data} has no row with a value in every column that the model needs")
    return tuple(found[:MOST_ROWS]), ()


def _usable(path: Path, fields: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows whose every value can be read as its field's type."""
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","):
            try:
                yield {f["name"]: _value(row[f["name"]], f) for f in fields}
            except (KeyError, ValueError, TypeError):
                continue


def _value(text: str, field: dict[str, Any]) -> Any:
    if text == "" and field["nullable"]:
        return None
    if field["type"] == "bool":
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    return {"float": float, "int": int, "string": str}[field["type"]](text)


def _serve_flags(options: ServeOptions) -> Iterator[str]:
    for name in ("data", "cache_dir"):
        given = getattr(options, name)
        if given is not None:
            yield from (f"--{name.replace('_', '-')}", str(Path(given).resolve()))
    if options.target is not None:
        yield from ("--target", options.target)
    if options.features is not None:
        yield from ("--features", ",".join(options.features))
    for helper in options.with_ or ():
        yield from ("--with", str(Path(helper).resolve()))
    for name in ("allow_pickle", "allow_code", "no_compile"):
        if getattr(options, name):
            yield f"--{name.replace('_', '-')}"


def _pins(artifact: Path) -> Iterator[str]:
    content = artifact.read_bytes()
    for name in (*ALWAYS, *WHERE_NAMED):
        module = {"imbalanced-learn": "imblearn"}.get(name, name.replace("-", "_"))
        if name in ALWAYS or module.encode() in content:
            try:
                yield f"{name}=={importlib.metadata.version(name)}"
            except importlib.metadata.PackageNotFoundError:
                continue
