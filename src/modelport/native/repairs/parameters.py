"""Parameters that did not exist when the file was written."""

from __future__ import annotations

import inspect
from typing import Any

from modelport.native.repairs.repair import repair


@repair(
    "BaseEstimator",
    saved="<9",
    reason="parameters that are newer than the file have the default that keeps what was before",
)
def new_parameters(thing: Any, state: Any) -> Any:
    """The defaults of the installed release, for those that the file does not name."""
    if not isinstance(state, dict) or not type(thing).__module__.startswith(("sklearn.", __package__)):
        return None
    missing = {name: value for name, value in _defaults(type(thing)).items() if name not in state}
    return {**missing, **state} if missing else None


def _defaults(cls: type[Any]) -> dict[str, Any]:
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
