"""What the supervisor tells the processes that call models: which there are, where each is found, and what became of a holder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelport.kernel.names import is_mounted
from modelport.runtime.children import Child
from modelport.runtime.holders import Death, HolderGroup

if TYPE_CHECKING:
    from modelport.runtime.supervise import Supervisor


def introduce(supervisor: Supervisor, child: Child) -> None:
    """Everything that is known, for a process that is new."""
    if supervisor.served or supervisor.web:
        tell_models(supervisor, child)
    for group in supervisor.groups.values():
        tell_model(supervisor, child, group)


def tell_models(supervisor: Supervisor, child: Child) -> None:
    """Which models there are, and what is decided or to be found out about the saved ones."""
    places = {name: supervisor.models.index(name) for name in supervisor.served}
    isolated = {name: group.index for name, group in supervisor.groups.items() if is_mounted(name)}
    told = {"models": places, "saved": supervisor.saved.sources(), "web": supervisor.web, "isolated": isolated}
    child.tell({"do": "models", **told})
    for compilers in supervisor.saved.current.values():
        if child.role == "worker" or compilers.form is not None:  # only workers look
            child.tell(compilers.order())


def tell_model(supervisor: Supervisor, child: Child, group: HolderGroup) -> None:
    """That a model has a holder that serves, and what it says of itself."""
    if group.description is not None and supervisor.saved.held(group.model):
        told = {"do": "model", "name": group.model, "index": group.index, "refused": _refused(group)}
        child.tell({**told, **group.description})


def obeyed(worker: Child, _: Mapping[str, Any]) -> None:
    """A worker that was told to leave accepts nothing more."""
    worker.left = True


def tell_all(supervisor: Supervisor, group: HolderGroup) -> None:
    """The same to everybody who calls."""
    for caller in supervisor.callers():
        tell_model(supervisor, caller, group)


def tell_refused(supervisor: Supervisor, group: HolderGroup) -> None:
    """That some bodies are not refused any more."""
    for caller in supervisor.callers():
        caller.tell({"do": "refused", "model": group.model, "refused": _refused(group)})


def _refused(group: HolderGroup) -> list[str]:
    """All of them, always: whoever is told forgets what it was told before."""
    return [digest.hex() for digest in group.strikes.all_refused()]


def tell_death(supervisor: Supervisor, group: HolderGroup, child: Child, death: Death | None) -> None:
    """What ran when a holder died, so that those who call can ask for everything else again."""
    if death is None:
        return
    running = None if death.running is None else [digest.hex() for digest in death.running]
    refused = [digest.hex() for digest in death.refused]
    told = {"model": group.model, "pid": child.process.pid, "running": running, "refused": refused}
    told["successor"] = group.active is not None
    for caller in supervisor.callers():
        caller.tell({"do": "died", **told})
