"""Writing a saved model as a model folder that MLflow loads: its file, `MLmodel` with the signature, and the requirements."""

from __future__ import annotations

import json
import pickle
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from modelport.artifacts.loaders.sklearn_parts import all_parts
from modelport.artifacts.mlflow import MLMODEL, REQUIREMENTS
from modelport.artifacts.pickles.loading import load_pickle
from modelport.errors import ArtifactError, MissingExtra
from modelport.kernel.signature import Field, Kind, Signature, Task, example_value

WRITTEN_AS = "2.22.5"
"""The format of this version: those since read it, too."""

EXAMPLE, SERVING_EXAMPLE = "input_example.json", "serving_input_example.json"
PACKAGES = {
    "sklearn": "scikit-learn",
    "onnx": "onnxruntime",
    "catboost": "catboost",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
}
_TYPES = {Kind.FLOAT: "double", Kind.INT: "long", Kind.BOOL: "boolean", Kind.STRING: "string"}
_FILES = {"xgboost": "model.ubj", "lightgbm": "model.lgb", "catboost": "model.cb", "onnx": "model.onnx"}


@dataclass(frozen=True, slots=True)
class Exported:
    """A model that was loaded, with what it was loaded from. `family` is the extra of its loader."""

    source: Path
    family: str
    model: Any
    allow_pickle: bool = False

    @property
    def signature(self) -> Signature:
        """Of the model."""
        return self.model.signature  # type: ignore[no-any-return]


def write_mlflow(folder: Path, exported: Exported) -> None:
    """Fill an empty folder. Raises ArtifactError for kinds of models that MLflow has no flavor for, or that are no files."""
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtra("a model folder of MLflow", "mlflow") from None
    if not exported.source.is_file():
        raise ArtifactError(
            f"{exported.source} is a folder; written as MLflow's are models that were saved to one file"
        )
    flavor, settings, file = _write_model(folder, exported)
    key = "model_path" if flavor == "sklearn" else "data"
    pyfunc: dict[str, Any] = {
        "loader_module": f"mlflow.{flavor}",
        key: file,
        "python_version": platform.python_version(),
        "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
    }
    if flavor == "sklearn":
        pyfunc["predict_fn"] = "predict"
    content = {
        "flavors": {"python_function": pyfunc, flavor: {**settings, "code": None}},
        "mlflow_version": WRITTEN_AS,
        "signature": mlflow_signature(exported.signature),
        **_write_example(folder, exported.signature),
    }
    (folder / MLMODEL).write_text(yaml.safe_dump(content), encoding="utf-8")
    _write_environment(folder, _packages(flavor, exported.model))


def _write_model(folder: Path, exported: Exported) -> tuple[str, dict[str, Any], str]:
    """The flavor, its settings and the name of its file."""
    if exported.family == "sklearn":
        estimator = load_pickle(
            exported.source, exported.allow_pickle
        )  # anew: the one that serves has its threads taken away
        (folder / "model.pkl").write_bytes(pickle.dumps(estimator))
        return "sklearn", _sklearn_settings("model.pkl", "pickle"), "model.pkl"
    if exported.family == "skops":
        import skops.io

        shutil.copyfile(exported.source, folder / "model.skops")
        trusted = list(skops.io.get_untrusted_types(file=exported.source))
        return "sklearn", {**_sklearn_settings("model.skops", "skops"), "skops_trusted_types": trusted}, "model.skops"
    if exported.family not in _FILES:
        raise ArtifactError(
            f"{exported.source} cannot be written as a model folder of MLflow: its kind has no flavor there"
        )
    file = _FILES[exported.family]
    if exported.family == "xgboost" and exported.source.suffix == ".json":
        file = "model.json"
    shutil.copyfile(exported.source, folder / file)
    return exported.family, {"data": file, **_booster_settings(exported)}, file


def _sklearn_settings(file: str, form: str) -> dict[str, Any]:
    return {"pickled_model": file, "serialization_format": form, "sklearn_version": version("scikit-learn")}


def _booster_settings(exported: Exported) -> dict[str, Any]:
    match exported.family:
        case "xgboost":
            return {"model_class": "xgboost.core.Booster", "xgb_version": version("xgboost")}
        case "lightgbm":
            return {"model_class": "lightgbm.basic.Booster", "lgb_version": version("lightgbm")}
        case "catboost":
            kind = "CatBoostClassifier" if exported.signature.task is Task.CLASSIFY else "CatBoostRegressor"
            return {"model_type": kind, "save_format": "cbm", "catboost_version": version("catboost")}
    return {"providers": ["CPUExecutionProvider"], "onnx_version": version("onnxruntime")}


# -- the signature -------------------------------------------------------------------------------------------------


def mlflow_signature(signature: Signature) -> dict[str, Any]:
    """Columns where the model has names, tensors where it has none."""
    if any(f.kind is Kind.TENSOR for f in signature.inputs):
        inputs = [{**_tensor(f.dtype or "float32", [-1, *(_free(f.shape))]), "name": f.name} for f in signature.inputs]
    elif signature.positional:
        inputs = [_tensor("float64", [-1, len(signature.inputs)])]
    else:
        inputs = [{"type": _type_of(f), "name": f.name, "required": not f.optional} for f in signature.inputs]
    outputs = [_output(o.kind, o.shape, o.dtype, len(signature.outputs) > 1 and o.name) for o in signature.outputs]
    return {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}


def _type_of(f: Field) -> str:
    """MLflow knows no whole number that may be missing."""
    return "double" if f.kind is Kind.INT and f.nullable else _TYPES[f.kind]


def _output(kind: Kind, shape: Sequence[int | None], dtype: str, name: Any) -> dict[str, Any]:
    plain = {Kind.INT: "int64", Kind.STRING: "str", Kind.BOOL: "bool"}.get(kind, "float64")
    tensor = _tensor(dtype or plain, [-1, *_free(shape)]) if kind is Kind.TENSOR else _tensor(plain, [-1])
    return {**tensor, "name": name} if name else tensor


def _tensor(dtype: str, shape: Sequence[int]) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}}


def _free(shape: Sequence[int | None]) -> list[int]:
    return [-1 if size is None else size for size in shape]


def _write_example(folder: Path, signature: Signature) -> dict[str, Any]:
    """A record that the model takes; of tables with names only, as the others have no columns."""
    if signature.positional or any(f.kind is Kind.TENSOR for f in signature.inputs):
        return {}
    table = {"columns": list(signature.names), "data": [[example_value(f) for f in signature.inputs]]}
    (folder / EXAMPLE).write_text(json.dumps(table), encoding="utf-8")
    (folder / SERVING_EXAMPLE).write_text(json.dumps({"dataframe_split": table}), encoding="utf-8")
    info = {
        "artifact_path": EXAMPLE,
        "pandas_orient": "split",
        "type": "dataframe",
        "serving_input_path": SERVING_EXAMPLE,
    }
    return {"saved_input_example_info": info}


# -- the environment -----------------------------------------------------------------------------------------------


def _packages(flavor: str, model: Any) -> list[str]:
    """What the model needs, pinned as it is installed here."""
    roots = {flavor, "numpy", "pandas"} | {type(part).__module__.partition(".")[0] for part in _parts(flavor, model)}
    names = {PACKAGES.get(root, root) for root in roots} | ({"onnx"} if flavor == "onnx" else set())
    return ["mlflow", *(f"{name}=={found}" for name in sorted(names) if (found := _version(name)))]


def _parts(flavor: str, model: Any) -> list[Any]:
    return list(all_parts(model.estimator)) if flavor == "sklearn" else []


def _version(name: str) -> str:
    try:
        return version(name)
    except (PackageNotFoundError, ValueError):
        return ""


def _write_environment(folder: Path, packages: Sequence[str]) -> None:
    python = platform.python_version()
    (folder / REQUIREMENTS).write_text("".join(f"{line}\n" for line in packages), encoding="utf-8")
    (folder / "python_env.yaml").write_text(
        f"python: {python}\nbuild_dependencies:\n- pip\ndependencies:\n- -r {REQUIREMENTS}\n", encoding="utf-8"
    )
    lines = "".join(f"  - {line}\n" for line in packages)
    (folder / "conda.yaml").write_text(
        f"channels:\n- conda-forge\ndependencies:\n- python={python}\n- pip\n- pip:\n{lines}name: mlflow-env\n",
        encoding="utf-8",
    )
