"""Writing saved models in the formats of other programs."""

from __future__ import annotations

from pathlib import Path

from modelport.artifacts.mlflow import is_mlflow
from modelport.assembly.artifacts import find_loader, load_artifact
from modelport.assembly.bundles import refuse_what_is_there
from modelport.assembly.folders import FolderKind, new_folder
from modelport.config import ServeOptions


def export_mlflow(source: Path, out: Path, options: ServeOptions, force: bool = False) -> tuple[str, ...]:
    """Write a model folder of MLflow; what is told of the model. Raises SetupError like `build_bundle`."""
    from modelport.artifacts.mlflow_export import Exported, write_mlflow  # which reads pickles, as no worker should

    refuse_what_is_there(source, out, options, force, FolderKind("model folder of MLflow", is_mlflow))
    model, notes = load_artifact(source, options)
    with new_folder(out) as draft:
        write_mlflow(draft, Exported(source, find_loader(source).extra, model, options.allow_pickle))
    return notes
