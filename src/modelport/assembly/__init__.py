"""The only package that imports concrete doors and wires them: the application, and the mains of worker and holder."""

from modelport.assembly.application import build_application
from modelport.assembly.artifacts import LOADERS, find_loader, inspect_artifact, load_artifact

__all__ = ["LOADERS", "build_application", "find_loader", "inspect_artifact", "load_artifact"]
