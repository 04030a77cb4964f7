"""The only package that imports concrete doors and wires them: the application, and the mains of worker and holder.

What it offers is imported when it is first used: a worker that starts is not to wait for what signs bundles.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelport.artifacts.bundle import read_bundle
    from modelport.artifacts.signing import Signer
    from modelport.assembly.application import build_application, build_service
    from modelport.assembly.artifacts import LOADERS, find_loader, load_artifact
    from modelport.assembly.bundles import build_bundle, copy_bundle, verify_bundle
    from modelport.assembly.exports import export_mlflow
    from modelport.assembly.inspection import inspect_artifact, inspect_service
    from modelport.assembly.signatures import sign_bundle

_PLACES = {
    "read_bundle": "modelport.artifacts.bundle",
    "Signer": "modelport.artifacts.signing",
    **dict.fromkeys(("build_application", "build_service"), "modelport.assembly.application"),
    **dict.fromkeys(("LOADERS", "find_loader", "load_artifact"), "modelport.assembly.artifacts"),
    **dict.fromkeys(("build_bundle", "copy_bundle", "verify_bundle"), "modelport.assembly.bundles"),
    "export_mlflow": "modelport.assembly.exports",
    **dict.fromkeys(("inspect_artifact", "inspect_service"), "modelport.assembly.inspection"),
    "sign_bundle": "modelport.assembly.signatures",
}

__all__ = [
    "LOADERS",
    "Signer",
    "build_application",
    "build_bundle",
    "build_service",
    "copy_bundle",
    "export_mlflow",
    "find_loader",
    "inspect_artifact",
    "inspect_service",
    "load_artifact",
    "read_bundle",
    "sign_bundle",
    "verify_bundle",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'modelport.assembly' has no attribute {name!r}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value
