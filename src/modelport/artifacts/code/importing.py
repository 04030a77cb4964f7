"""Importing the source that was saved with a model: of the modules that it lists, and nothing else of its folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


class CodeFinder:
    """Finds the modules of one folder, before any other of their names. It runs nothing until one is imported."""

    def __init__(self, folder: Path, roots: frozenset[str]) -> None:
        self.folder = folder
        self.roots = roots

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a module of ours lies; None for any other."""
        if name.partition(".")[0] not in self.roots:
            return None
        place = self.folder.joinpath(*name.split("."))
        package = place / "__init__.py"
        if package.is_file():
            return spec_from_file_location(
                name, package, loader=_SourceAlone(name, str(package)), submodule_search_locations=[str(place)]
            )
        file = place.with_name(f"{place.name}.py")
        return spec_from_file_location(name, file, loader=_SourceAlone(name, str(file))) if file.is_file() else None


class _SourceAlone(SourceFileLoader):
    """Neither reads compiled code nor leaves any behind: a bundle is never changed, and its source is what was looked at."""

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self.get_data(self.path), self.path)


def install_code(folder: Path, roots: frozenset[str]) -> CodeFinder:
    """Make the modules importable in this process, from now on."""
    finder = CodeFinder(folder, roots)
    sys.meta_path.insert(0, finder)
    return finder


@contextmanager
def importable(folder: Path, roots: frozenset[str]) -> Iterator[None]:
    """The same for as long as it takes."""
    finder = install_code(folder, roots)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
