"""A reload (SIGHUP): everything is read anew beside what serves, and takes its place when it is ready.

First a service in Python says which models it has now; then holders are replaced, then workers; at last the models that are
declared no more leave. Whatever fails to start leaves the old one in place, and a new model that fails is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelport.runtime.children import Child, StartFailed
from modelport.runtime.compilers import Compilers
from modelport.runtime.forms import Source
from modelport.runtime.holders import HolderGroup

if TYPE_CHECKING:
    from modelport.runtime.supervise import Supervisor


@dataclass(slots=True, eq=False)
class Reload:
    """One reload under way. The supervisor tells it of every child, and asks it to `proceed` at every turn."""

    supervisor: Supervisor
    children: list[Child] = field(default_factory=list)  # new ones, not ready yet
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of all models that there are to be
    kept_workers: bool = False
    changed_workers: bool = False  # some serve already what was read anew
    served_before: list[str] = field(default_factory=list)
    saved_before: dict[str, Compilers] = field(default_factory=dict)  # with what was decided about each
    web_before: bool = False
    next_step: Callable[[], None] | None = None

    def begin(self) -> None:
        """Start whoever reads anew. Like every step raises StartFailed where no process can be started."""
        supervisor = self.supervisor
        self.served_before, self.saved_before = supervisor.served, supervisor.saved.current
        self.web_before = supervisor.web
        supervisor.log("reloading", "info")
        if supervisor.plan.catalog:
            self.children = [supervisor.spawn_catalog()]
            self.next_step = self._replace_workers  # if it cannot be read, there is nothing else to do
        else:
            supervisor.saved.declare(supervisor.plan.saved)
            self._spawn_workers()  # they look which form there is now

    @property
    def over(self) -> bool:
        """Whether everything has come and gone."""
        return self.next_step is None

    def proceed(self) -> None:
        """Take the next step, once nothing of the last one is waited for."""
        if self.next_step is not None and not self.children:
            self.next_step()

    def abandon(self) -> None:
        """What has come with it and does not serve yet ends, whatever it does; what served before goes on."""
        supervisor = self.supervisor
        for child in self.children:
            child.retired = True
            child.kill("its reload was given up")
        for group in supervisor.groups.values():
            group.withdraw()
        if not self.changed_workers:
            for name in self.added:
                self._discard(supervisor.groups[name])
            self._restore()
        self.children, self.next_step = [], None

    def _restore(self) -> None:
        """A process that starts from now on is told what was served before."""
        self.supervisor.served = self.served_before
        self.supervisor.saved.restore(self.saved_before)
        self.supervisor.web = self.web_before

    def _discard(self, group: HolderGroup) -> None:
        group.retire()
        for child in group.children():
            child.kill("its reload was given up")

    # -- what the supervisor tells -------------------------------------------------------------------------------

    def models_read(self, catalog: Child, names: list[str], saved: Mapping[str, Source]) -> None:
        """These are the models now. Who has read them is of no more use."""
        catalog.retire()
        self.forget(catalog)
        self.supervisor.saved.declare(saved)
        self.replace_holders(names)

    def came(self, child: Child) -> bool:
        """A child is ready. Says whether it is one of ours."""
        ours = self.forget(child)
        self.changed_workers |= ours and child.role == "worker"
        return ours

    def failed(self, child: Child, group: HolderGroup | None) -> bool:
        """A child will not become ready. Says whether it is one of ours. `group`: of the model that it was to hold."""
        if not self.forget(child):
            return False
        if group is not None and group.model in self.added:
            self._leave_out(group.model)
        elif child.role == "worker":
            self.kept_workers = True
            if not self.changed_workers:
                self._restore()
        elif group is None:
            self.next_step = None  # it was to say which models there are
        return True

    def _leave_out(self, model: str) -> None:
        """A new model does not load. Where it is the only one, there is nothing to go on with."""
        if model in self.supervisor.saved.current:  # the new workers were told of it, and wait for it
            return self.abandon()
        self.supervisor.log(f"the new model {model!r} is left out")
        self.added.remove(model)
        self.removed.append(model)
        return None

    def forget(self, child: Child) -> bool:
        """Wait for it no longer."""
        if child in self.children:
            self.children.remove(child)
            return True
        return False

    # -- steps ---------------------------------------------------------------------------------------------------

    def replace_holders(self, names: list[str]) -> None:
        """New holders for models in Python, those there were and those that are new. Of saved ones the form is not known yet."""
        supervisor = self.supervisor
        self.names = names
        in_python = [name for name in names if name not in supervisor.saved.current]
        self.removed = [name for name in supervisor.groups if name not in names]
        kept = [group for name, group in supervisor.groups.items() if name in in_python]
        new = [group for name in in_python if name not in supervisor.groups for group in self._add(name)]
        for group in new:
            group.begin()
            self.children += group.children()
        self.children += [group.replace() for group in kept]
        self.next_step = self._replace_workers

    def _add(self, name: str) -> Iterator[HolderGroup]:
        try:
            yield self.supervisor.add_group(name)
        except StartFailed as error:
            self.supervisor.log(f"the new model {name!r} is left out: {error}")
        else:
            self.added.append(name)

    def form_decided(self, model: str, executor: str) -> None:
        """Of a saved model: its holder is replaced, begun, or no longer needed."""
        supervisor = self.supervisor
        if executor != "process":
            self.removed += [model] if model in supervisor.groups else []
        elif model in supervisor.groups:
            self.children.append(supervisor.groups[model].replace())
        else:
            group = supervisor.add_group(model)
            self.added.append(model)
            group.begin()
            self.children += group.children()

    def _replace_workers(self) -> None:
        supervisor = self.supervisor
        there = [*supervisor.groups, *supervisor.saved.current]
        supervisor.served = [name for name in self.names if name in there and name not in self.removed]
        for name in supervisor.served:
            supervisor.place(name)
        self._spawn_workers()

    def _spawn_workers(self) -> None:
        supervisor = self.supervisor
        for old in list(supervisor.workers):
            self.children.append(supervisor.spawn_worker(supervisor.paired_slot(old.slot), "ready"))
        self.next_step = self._dismiss_removed

    def _dismiss_removed(self) -> None:
        """Old workers may still owe answers of these models: not before they are gone."""
        if any(worker.retired for worker in self.supervisor.workers):
            return
        if self.kept_workers:  # one that would not be replaced still serves them
            self.next_step = None
            return
        for name in self.removed:
            self.supervisor.groups[name].retire()
        self.next_step = self._forget_removed

    def _forget_removed(self) -> None:
        if not any(name in self.supervisor.groups for name in self.removed):
            self.next_step = None
