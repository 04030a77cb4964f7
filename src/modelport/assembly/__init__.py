"""The only package that imports concrete doors and wires them: the application, and the mains of worker and holder."""

from modelport.assembly.application import build_application, build_service
from modelport.assembly.artifacts import LOADERS, find_loader, load_artifact
from modelport.assembly.bundles import build_bundle, verify_bundle
from modelport.assembly.inspection import inspect_artifact, inspect_service

__all__ = [
    "LOADERS",
    "build_application",
    "build_bundle",
    "build_service",
    "find_loader",
    "inspect_artifact",
    "inspect_service",
    "load_artifact",
    "verify_bundle",
]
