"""The repairs for one file: chosen by the version that saved it, applied while it is read, and remembered for the report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modelport.native.repairs import (
    arrays,
    boosters,
    boosting,
    ensembles,
    linear,
    modules,
    parameters,
    preprocessing,
    text,
    trees,
)
from modelport.native.repairs.repair import Repair, repairs_in

FAMILIES = (trees, linear, text, preprocessing, boosting, boosters, ensembles, arrays, parameters)
"""In the order in which they are applied: parameters last, since renamed ones are new ones, too."""


def all_repairs() -> list[Repair]:
    """Every one that there is, those of names apart."""
    return [repair for family in FAMILIES for repair in repairs_in(family)]


class RepairKit:
    """What `kernel.ports.Repairs` asks for. `applied` are the names of the repairs that had
    something to do, each with its reason. `without` leaves some out, to see what each is good for."""

    def __init__(self, saved: str, installed: str, without: frozenset[str] = frozenset()) -> None:
        self.saved, self.installed, self.without = saved, installed, without
        self.applied: dict[str, str] = {}
        self._chosen: dict[tuple[type[Any], str], list[Repair]] = {}

    def find(self, module: str, name: str) -> Any:
        """Where a global is now, or what takes its place."""
        found = modules.find(module, name)
        if found is None or found.name in self.without:
            return module, name
        self.applied.setdefault(found.name, found.reason)
        return found.instead

    def mend(self, thing: Any, state: Any) -> Any:
        """The state that an object is to get."""
        own = state.get("_sklearn_version", self.saved) if isinstance(state, dict) else self.saved
        key = type(thing), own if isinstance(own, str) else self.saved
        if key not in self._chosen:
            self._chosen[key] = list(self._choose(*key))
        for repair in self._chosen[key]:
            mended = repair.mend(thing, state)
            if mended is not None:
                state = mended
                self.applied.setdefault(repair.name, repair.reason)
        return state

    def _choose(self, cls: type[Any], saved: str) -> Iterator[Repair]:
        names = {base.__name__ for base in cls.__mro__}
        for repair in all_repairs():
            if not names.intersection(repair.classes) or repair.name in self.without:
                continue
            if repair.fits(saved, self.installed):
                yield repair
