"""Pickling a model under the names that its notebook's classes will have: those of a module that holds their source."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from modelport.artifacts.code.collecting import Code
from modelport.artifacts.code.places import is_local
from modelport.errors import ArtifactError


def find_local(model: Any) -> list[Any]:
    """The classes and functions in a model that its user has written. Raises ArtifactError for what cannot be pickled."""
    finder = _Finder()
    try:
        finder.dump(model)
    except ArtifactError:
        raise
    except Exception as error:  # of whatever the model holds
        raise ArtifactError(
            f"the model cannot be saved: {type(error).__name__}: {str(error)[:200]}. Leave out what belongs to this process: "
            "open files, connections, locks"
        ) from None
    return list(finder.found.values())


class _Nowhere:
    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


class _Finder(pickle.Pickler):
    """Pickles into nothing, and notes what is pickled by name."""

    def __init__(self) -> None:
        super().__init__(_Nowhere(), protocol=5)
        self.found: dict[int, Any] = {}

    def reducer_override(self, thing: Any) -> Any:
        """Called for every class, function and instance."""
        if isinstance(thing, (type, FunctionType)):
            _refuse_nameless(thing)
            if is_local(thing.__module__):
                self.found[id(thing)] = thing
        return NotImplemented


def _refuse_nameless(thing: Any) -> None:
    module, name = thing.__module__, thing.__qualname__
    code = getattr(thing, "__code__", None)
    where = f" ({Path(code.co_filename).name}, line {code.co_firstlineno})" if code else ""
    if thing.__name__ == "<lambda>":
        raise ArtifactError(
            f"the model holds a lambda{where}, which has no name to be found by: write it as a function, def NAME(…), outside "
            "of any other, and use that"
        )
    if "<locals>" in name:
        raise ArtifactError(
            f"the model holds {name.replace('.<locals>', '')}{where}, which is defined inside a function: define it outside"
        )
    if module == "__main__" and _look_up(sys.modules["__main__"], name) is not thing:
        raise ArtifactError(
            f"{name!r} was defined anew after the model was made of it: run the cell that makes the model again, and save then"
        )


def _look_up(thing: Any, path: str) -> Any:
    for name in path.split("."):
        thing = getattr(thing, name, None)
    return thing


@contextmanager
def renamed(code: Code, found: list[Any]) -> Iterator[None]:
    """While it lasts, what is defined in the notebook is said to be defined in the module that was written for it."""
    if not code.notebook:
        yield
        return
    ours = {
        id(thing): thing for thing in (*found, *code.defined.values()) if getattr(thing, "__module__", "") == "__main__"
    }
    stand_in = ModuleType(code.notebook)
    stand_in.__dict__.update(code.defined)
    before = sys.modules.pop(code.notebook, None)
    sys.modules[code.notebook] = stand_in
    try:
        for thing in ours.values():
            thing.__module__ = code.notebook
        yield
    finally:
        for thing in ours.values():
            thing.__module__ = "__main__"
        del sys.modules[code.notebook]
        if before is not None:
            sys.modules[code.notebook] = before
