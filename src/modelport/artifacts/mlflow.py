"""The folder format of MLflow: what its `MLmodel` file says, read without MLflow."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.profile import Column
from modelport.kernel.signature import Kind

MLMODEL, REQUIREMENTS = "MLmodel", "requirements.txt"
LARGEST = 16 * 2**20
DATA_KEYS = {"sklearn": "pickled_model"}
"""Under which key a flavor names its file; all others say `data`."""

FLAVORS = ("sklearn", "xgboost", "lightgbm", "catboost", "onnx", "pytorch")
PYFUNC, CODE_LOADER = "python_function", "mlflow.pyfunc.model"
MODEL_OF_TORCH = ("model.pt2", "model.pth")

KINDS = {
    "double": Kind.FLOAT,
    "float": Kind.FLOAT,
    "long": Kind.INT,
    "integer": Kind.INT,
    "boolean": Kind.BOOL,
    "string": Kind.STRING,
}
"""Types of columns; others (dates, bytes, nested ones) say nothing here."""

_PIN = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;#,]+)")


@dataclass(frozen=True, slots=True)
class MlflowFolder:
    """What a folder says of its model: the flavor that is read here and its settings, the columns, who wrote it."""

    path: Path
    flavor: str
    settings: Mapping[str, Any]
    columns: Mapping[str, Column] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        """The file of the model. Raises ArtifactError where that is missing, or lies elsewhere."""
        name = self.settings.get(DATA_KEYS.get(self.flavor, "data"))
        if self.flavor == "pytorch" and isinstance(name or "data", str):
            folder = self._inside(str(name or "data"))
            found = next((folder / file for file in MODEL_OF_TORCH if (folder / file).exists()), folder / "model.pth")
            name = found.relative_to(self.path.resolve()).as_posix()
        if not isinstance(name, str) or not name:
            raise ArtifactError(f"{self.path}/{MLMODEL} does not say in which file its {self.flavor} model lies")
        file = self._inside(name)
        if not file.is_file():
            raise ArtifactError(f"{self.path} lacks the file {name} that its {MLMODEL} names: copy the whole folder")
        return file

    def _inside(self, name: str) -> Path:
        """A path in the folder, links followed."""
        root = self.path.resolve()
        found = (root / name).resolve()
        if not found.is_relative_to(root):
            raise ArtifactError(f"{self.path}/{MLMODEL} names {name!r}, which is not inside the folder")
        return found


def is_mlflow(path: Path) -> bool:
    """Whether a folder is one of MLflow's models."""
    return (path / MLMODEL).is_file()


def read_mlflow(path: Path) -> MlflowFolder:
    """Read the description. Raises ArtifactError where it is damaged, and for models that only MLflow itself can run."""
    content = _read_yaml(path / MLMODEL)
    flavors = content.get("flavors")
    if not isinstance(flavors, dict) or not all(isinstance(settings, dict) for settings in flavors.values()):
        raise ArtifactError(f"{path}/{MLMODEL} is damaged: it names no flavors")
    flavor = next((name for name in FLAVORS if name in flavors), None)
    if flavor is None:
        raise ArtifactError(_refusal(path, flavors))
    kinds, optional = _read_signature(path, content.get("signature"))
    examples = _read_example(path, content.get("saved_input_example_info"))
    columns = {name: Column(name, kind, 1, 0, example=examples.get(name)) for name, kind in kinds.items()}
    return MlflowFolder(path, flavor, flavors[flavor], columns, optional, tuple(_notes(path, content)))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtra("a model folder of MLflow", "mlflow") from None
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
        content = yaml.safe_load(text) if len(text) <= LARGEST else None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged, no YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} is damaged: it holds no keys")
    return content


def _refusal(path: Path, flavors: Mapping[Any, Any]) -> str:
    others = [_text(name) for name in flavors if name != PYFUNC]
    loader = _text((flavors.get(PYFUNC) or {}).get("loader_module")) if not others else ""
    if loader == CODE_LOADER:
        return (
            f"{path} holds Python code of its own (a python_function with the loader {CODE_LOADER}), which is not run from a "
            "model folder: write the model as a function of a Service, or log what is inside it with mlflow.sklearn, say"
        )
    what = f"is a python_function of the loader {loader}" if loader else f"holds the flavors {', '.join(others)}"
    return f"{path} {what}; read here are {', '.join(FLAVORS)}: log the model with one of these"


# -- the signature -------------------------------------------------------------------------------------------------


def _read_signature(path: Path, signature: Any) -> tuple[dict[str, Kind], tuple[str, ...]]:
    """Columns in order, and which of them callers may leave out. Tensors have neither names nor types of columns."""
    if not isinstance(signature, dict) or not signature.get("inputs"):
        return {}, ()
    try:
        inputs = json.loads(signature["inputs"])
        named = [entry for entry in inputs if entry["type"] != "tensor" and "name" in entry]
        kinds = {str(entry["name"]): KINDS[entry["type"]] for entry in named if entry["type"] in KINDS}
        optional = tuple(str(entry["name"]) for entry in named if not entry.get("required", True))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ArtifactError(f"{path}/{MLMODEL} is damaged: its signature is none of MLflow's") from None
    return kinds, optional


def _read_example(path: Path, info: Any) -> dict[str, Any]:
    """The first record of the input example, where that is a table; it decides nothing, so what is odd is left out."""
    try:
        file = (path / str(info["artifact_path"])).resolve()
        if info["type"] != "dataframe" or not file.is_relative_to(path.resolve()) or file.stat().st_size > LARGEST:
            return {}
        table = json.loads(file.read_bytes())
        record = dict(zip(table["columns"], table["data"][0], strict=True))
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return {}
    return {name: v for name, v in record.items() if isinstance(v, (str, bool, int, float))}


# -- what is told --------------------------------------------------------------------------------------------------


def _notes(path: Path, content: Mapping[str, Any]) -> list[str]:
    pyfunc = content["flavors"].get(PYFUNC) or {}
    saved = f"saved by MLflow {_text(content.get('mlflow_version')) or 'of unknown version'}"
    python = f" with Python {version}" if (version := _text(pyfunc.get("python_version"))) else ""
    notes = [saved + python]
    if other := _other_versions(path / REQUIREMENTS):
        notes.append(f"{REQUIREMENTS} of the model: {', '.join(other)}: answers may differ")
    return notes


def _text(value: Any) -> str:
    """What may be shown: other things than texts may be knotted so that they would take for ever to write out."""
    return value[:60] if isinstance(value, str) else ""


def _other_versions(path: Path) -> list[str]:
    """Pinned packages of which another version is installed. What is not installed is not needed, or missed elsewhere."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        pins = [found for line in path.read_text(encoding="utf-8").splitlines() if (found := _PIN.match(line))]
    except (OSError, UnicodeDecodeError):
        return []
    told = []
    for name, wanted in (pin.groups() for pin in pins):
        try:
            here = version(name)
        except (PackageNotFoundError, ValueError):
            continue
        if here != wanted and name.lower() != "mlflow":
            told.append(f"{name} {wanted}, here {here}")
    return told
