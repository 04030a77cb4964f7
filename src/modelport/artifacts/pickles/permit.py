"""What a pickle gets in place of the global that it names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class Refused(Exception):
    """A pickle names or does something that is not allowed: `name` is the global, `reason` says what is wrong with it."""

    def __init__(self, name: str, reason: str = "") -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason


class Gone(Exception):
    """A pickle names something of a library on the list that its installed version does not have."""

    def __init__(self, name: str, library: str) -> None:
        super().__init__(name, library)
        self.name = name
        self.library = library


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """Stands on the unpickler's stack for a class or function.

    The pickle never holds the thing itself, so it can neither store it where a model would call it later nor pass it to a
    function. `cls` may be made without its constructor, as unpickling does; `make` may be called with arguments, and is ours or
    harmless.
    """

    name: str
    cls: type[Any] | None = None
    make: Callable[..., Any] | None = None

    def blank(self) -> Any:
        """An instance whose constructor has not run."""
        if self.cls is None:
            raise Refused(self.name, "is a function, and is used as a class")
        cls: Any = self.cls
        return cls.__new__(cls)

    def call(self, arguments: tuple[Any, ...]) -> Any:
        """What the pickle asked for."""
        if self.make is None:
            raise Refused(self.name, "may be restored, not called with arguments")
        return self.make(*arguments)


def class_of(permit: Any, base: type[Any] = object) -> type[Any]:
    """The class behind a permit, which must be a kind of `base`."""
    cls = permit.cls if isinstance(permit, Permit) else None
    if cls is None or not issubclass(cls, base):
        raise Refused(getattr(permit, "name", type(permit).__name__), f"stands where a kind of {base.__name__} belongs")
    return cls


def words(text: str) -> frozenset[str]:
    """The names in a text."""
    return frozenset(text.split())


class Unused:
    """Stands for what a fitted model keeps and never uses to predict: distributions to search over, caches on disk."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        """Forget it."""


def import_library(module: str) -> Any:
    """Import a module of a library on the list. A folder of that name beside the model is no library."""
    root = module.partition(".")[0]
    if root not in sys.modules:
        found = importlib.util.find_spec(root)
        places = list(found.submodule_search_locations or ()) if found else []
        if found is None:
            raise ModuleNotFoundError(f"No module named {root!r}", name=root)
        if any(Path(place).resolve().parent == Path.cwd() for place in places) or not places:
            raise Refused(module, f"would be imported from the current folder, where no library called {root} belongs")
    library = importlib.import_module(module)
    real = getattr(type(library), "late_real", None)
    return library if real is None else real(library)  # it was put off, and what a file names is used


def find_own(module: str, name: str) -> Any:
    """A class or function of code that the user trusts: its classes are made as they say themselves."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type):
        return Permit(f"{module}.{name}", found, found)
    if not callable(found):
        raise Refused(f"{module}.{name}", "is no class or function of the source beside the model")
    return found
