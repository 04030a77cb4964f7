"""What a skops file says of itself: the same outline as that of a pickle, from its JSON, with nothing imported for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from modelport.artifacts.pickles.outline import Named, Outline
from modelport.artifacts.pickles.stream import FREE_BYTES
from modelport.errors import ArtifactError

SCHEMA = "schema.json"
_VERSION = re.compile(rb'"_sklearn_version":\s*\{[^{}]*?"content":\s*"\\"([^"\\]{1,40})\\""')


def read_skops_outline(path: Path) -> Outline:
    """Raises ArtifactError for what is no skops file, or damaged."""
    try:
        with ZipFile(path) as archive:
            reader = _Reader(archive)
            root = reader.node(json.loads(_schema(archive)))
    except (BadZipFile, KeyError, ValueError, TypeError, RecursionError, OSError):
        raise ArtifactError(f"{path} cannot be read as a skops file: it is damaged, or of another format") from None
    return Outline(root, False, frozenset(reader.names))


def version_in_skops(path: Path) -> str:
    """The version of scikit-learn that saved it; empty where it does not say so. Raises whatever a damaged archive raises."""
    with ZipFile(path) as archive:
        match = _VERSION.search(_schema(archive))
    return "" if match is None else match[1].decode("ascii", "replace")


def _schema(archive: ZipFile) -> bytes:
    if archive.getinfo(SCHEMA).file_size > FREE_BYTES:
        raise ValueError(f"{SCHEMA} is too large")
    return archive.read(SCHEMA)


class _Reader:
    """Turns nodes of the JSON into plain data and stand-ins."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self._known: dict[Any, Any] = {}
        self.names: set[tuple[str, str]] = set()

    def node(self, state: Any) -> Any:
        """What a node stands for. One that was told before is told by its number alone."""
        if not isinstance(state, dict) or "__loader__" not in state:
            return state
        number = state.get("__id__")
        if state["__loader__"] == "CachedNode":
            return self._known.get(number)
        made = self._known[number] = self._made(state, str(state["__loader__"]), state.get("content"))
        return made

    def _made(self, state: dict[str, Any], loader: str, content: Any) -> Any:
        if loader == "JsonNode":
            return json.loads(content)
        if loader == "DictNode":
            return {key: self.node(value) for key, value in content.items()}
        if loader in ("ListNode", "TupleNode", "SetNode"):
            return [self.node(value) for value in content]
        module, name = str(state.get("__module__", "")), str(state.get("__class__", ""))
        if loader == "TypeNode" and isinstance(content, dict):
            module, name = str(content.get("__module__", module)), str(content.get("__class__", name))
        self.names.add((module, name))
        if loader in ("TypeNode", "FunctionNode"):
            return Named(f"{module}.{name}")
        made = Named(f"{module}.{name}", self._shape(state), made=True)
        made.state, made.items = self._inside(content)
        return made

    def _inside(self, content: Any) -> tuple[Any, list[Any]]:
        """The attributes of an object, and whatever else it holds."""
        if isinstance(content, dict) and "attrs" in content:  # of compiled classes, beside how they are made
            return self.node(content["attrs"]), [self.node(v) for k, v in content.items() if k != "attrs"]
        if isinstance(content, dict) and "__loader__" in content:
            found = self.node(content)
            return (found, []) if isinstance(found, dict) else (None, [found])
        parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
        return None, [self.node(part) for part in parts]

    def _shape(self, state: dict[str, Any]) -> tuple[Any, ...]:
        """Of an array that lies in a file of the archive, its shape, where pickles have it: among the arguments."""
        name = str(state.get("file", ""))
        if not name.endswith(".npy"):
            return ()
        with self._archive.open(name) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            return (read(file)[0],)
