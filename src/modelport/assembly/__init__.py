"""The only package that imports concrete doors and wires them: the application, and the mains of worker and holder."""

from modelport.artifacts.bundle import read_bundle
from modelport.artifacts.signing import Signer
from modelport.assembly.application import build_application, build_service
from modelport.assembly.artifacts import LOADERS, find_loader, load_artifact
from modelport.assembly.bundles import build_bundle, copy_bundle, verify_bundle
from modelport.assembly.exports import export_mlflow
from modelport.assembly.inspection import inspect_artifact, inspect_service
from modelport.assembly.signatures import sign_bundle

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
