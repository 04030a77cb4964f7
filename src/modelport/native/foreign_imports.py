"""Imports that a native environment puts off until something of them is used: they take more than half of its start.

scikit-learn imports statistics, optimizers and pandas for training and for checks, and a prediction hardly ever meets them.
Stand-ins take their places: whatever is called, asked for an attribute, or inherited from, is then imported for real. It runs
beside `foreign.py`, so it is written for Python 3.6 and imports nothing of ours. Holders of models that the installed libraries
serve use it, too; there several threads may touch a stand-in at once.
"""

import importlib
import os
import sys
import threading
import types
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from typing import Any

GROUPS = (
    ("scipy.stats", "scipy.optimize", "scipy.interpolate", "scipy.integrate", "scipy.ndimage", "scipy.signal"),
    ("scipy.spatial",),
    ("pandas",),
    ("numpy.testing",),
    ("numpy.f2py",),
)
"""What is imported together, since these import one another; the first asks for the second."""

LOCK = threading.RLock()
"""Held while stand-ins leave, so nobody finds some of them gone and others not; never while something is imported."""


def group_of(module: str) -> Any:
    """The group that a module belongs to; None for all others."""
    return next((g for g in GROUPS if any(module == name or module.startswith(name + ".") for name in g)), None)


class LateModule(types.ModuleType):
    """Stands for a module."""

    def __getattr__(self, name: str) -> Any:
        """Of a real one what it has; else what stands for it."""
        if name == "__version__":
            return _version_of(self.__name__)
        if name.startswith("__"):
            raise AttributeError(name)
        if group_of(self.__name__) in FINDER.waiting:
            return Late(self.__name__, name)
        return getattr(import_real(self.__name__), name)

    def late_real(self) -> Any:
        """The module itself."""
        return import_real(self.__name__)


class Late:
    """Stands for something of a module that is not imported yet."""

    def __init__(self, module: str, name: str) -> None:
        self.__dict__.update(late_module=module, late_name=name)

    def late_real(self) -> Any:
        """The thing itself."""
        kept = self.__dict__
        if "late_thing" not in kept:
            kept["late_thing"] = getattr(import_real(self.late_module), self.late_name)
        return kept["late_thing"]

    def __call__(self, *values: Any, **named: Any) -> Any:
        """As it does."""
        return self.late_real()(*values, **named)

    def __getattr__(self, name: str) -> Any:
        """As it has."""
        return self.late_name if name == "__name__" else getattr(self.late_real(), name)

    def __mro_entries__(self, bases: Any) -> Any:
        """Who inherits from a distribution only draws from it in training; from anything else it is the thing itself."""
        return (object,) if self.late_module.startswith("scipy.stats") else (self.late_real(),)

    def __instancecheck__(self, thing: Any) -> bool:
        """Nothing is an instance of a class that has not been imported."""
        return group_of(self.late_module) not in FINDER.waiting and isinstance(thing, self.late_real())

    def __subclasscheck__(self, cls: Any) -> bool:
        """The same of classes."""
        return group_of(self.late_module) not in FINDER.waiting and issubclass(cls, self.late_real())


def _version_of(module: str) -> str:
    """Of an installed package, by the folder that its installer has left: checks of versions are no use."""
    for place in sys.path:
        for name in os.listdir(place) if os.path.isdir(place) else ():
            if name.startswith(module + "-") and name.endswith(".dist-info"):
                return name[len(module) + 1 : -len(".dist-info")]
    return str(getattr(import_real(module), "__version__", ""))


class Finder(Loader):
    """Gives stand-ins for the modules of the groups that wait."""

    def __init__(self) -> None:
        self.waiting = set()  # type: Any

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """One that is made here, or nothing."""
        return ModuleSpec(name, self, is_package=True) if group_of(name) in self.waiting else None

    def create_module(self, spec: Any) -> Any:
        """A stand-in."""
        return LateModule(spec.name)

    def exec_module(self, module: Any) -> None:
        """Nothing is to be run, unless another thread has asked for the real one since it was looked for."""
        with LOCK:
            if group_of(module.__name__) in self.waiting:
                return
        del sys.modules[module.__name__]
        importlib.import_module(module.__name__)


FINDER = Finder()  # type: Any


def put_off(only: Any = None) -> None:
    """From now on, what is not imported yet waits; of it `only` the groups of these names, where some are given."""
    wanted = [group for group in GROUPS if only is None or group[0] in only]
    FINDER.waiting = {group for group in wanted if not any(name in sys.modules for name in group)}
    sys.meta_path.insert(0, FINDER)


def still_waiting() -> Any:
    """The names of the groups that nobody has touched."""
    return [group[0] for group in GROUPS if group in FINDER.waiting]


def import_real(module: str) -> Any:
    """A module; with it all of its group, where that has waited."""
    group = group_of(module)
    with LOCK:
        if group in FINDER.waiting:
            _end_wait(group)
    return importlib.import_module(module)


def _end_wait(group: Any) -> None:
    ended = set(GROUPS[:2]) if group == GROUPS[0] else {group}
    FINDER.waiting -= ended
    for name in [name for name, held in sys.modules.items() if isinstance(held, LateModule)]:
        if group_of(name) in ended:
            _forget(name)


def _forget(name: str) -> None:
    parent, _, last = name.rpartition(".")
    late = sys.modules.pop(name)
    if parent and getattr(sys.modules.get(parent), last, None) is late:
        delattr(sys.modules[parent], last)
