"""A reload (SIGHUP): everything is read anew beside what serves, and takes its place when it is ready.

First a service in Python says which models it has now; then holders are replaced, then workers; at last the models that are
declared no more leave. Whatever fails to start leaves the old one in place, and a new model that fails is left out. While
developing (`--reload`), models that the edit does not concern stay as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelport.kernel.names import MOUNTED, is_mounted
from modelport.runtime import orders
from modelport.runtime.children import Child, StartFailed
from modelport.runtime.compilers import Compilers
from modelport.runtime.editions import Stamps
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
    keep: bool = False  # what has not changed
    kept: list[str] = field(default_factory=list)
    artifacts_before: dict[str, Stamps] = field(default_factory=dict)
    failures: int = 0
    began: float = field(default_factory=time.monotonic)
    next_step: Callable[[], None] | None = None

    def begin(self) -> None:
        """Start whoever reads anew. Like every step raises StartFailed where no process can be started."""
        supervisor = self.supervisor
        self.served_before, self.saved_before = supervisor.served, supervisor.saved.current
        self.web_before, self.artifacts_before = supervisor.web, supervisor.development.artifacts
        supervisor.log(f"reloading{supervisor.development.why if self.keep else ''}", "info")
        supervisor.development.begin_reading()
        if supervisor.plan.catalog:
            self.children = [supervisor.spawn_catalog()]
            self.next_step = self._end  # if it cannot be read, there is nothing else to do
        elif self._declare(supervisor.plan.saved):
            self._spawn_workers()  # they look which form there is now
        else:
            self._end_unchanged()

    @property
    def over(self) -> bool:
        """Whether everything has come and gone."""
        return self.next_step is None

    def proceed(self) -> None:
        """Take the next step, once nothing of the last one is waited for."""
        if self.next_step is not None and not self.children:
            self.next_step()

    def _end(self) -> None:
        """What was read is what is served now, or it is not."""
        self.next_step = None
        if self.failures:
            self.supervisor.development.miss()
        else:
            self.supervisor.development.settle(self.supervisor.groups.values())

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
        supervisor.development.miss()

    def _restore(self) -> None:
        """A process that starts from now on is told what was served before."""
        self.supervisor.served = self.served_before
        self.supervisor.saved.restore(self.saved_before)
        self.supervisor.web = self.web_before
        self.supervisor.development.artifacts = self.artifacts_before

    def _discard(self, group: HolderGroup) -> None:
        group.retire()
        for child in group.children():
            child.kill("its reload was given up")

    # -- what the supervisor tells -------------------------------------------------------------------------------

    def models_read(self, catalog: Child, names: list[str], saved: Mapping[str, Source]) -> None:
        """These are the models now. Who has read them is of no more use."""
        catalog.retire()
        self.forget(catalog)
        changed = self._declare(saved)
        if self.keep and not changed and self._is_as_served(names):
            self._end_unchanged()
        else:
            self.replace_holders(names)

    def _declare(self, saved: Mapping[str, Source]) -> bool:
        """Decide anew about saved models, but for those that are kept. Returns whether there are others."""
        supervisor = self.supervisor
        development, groups = supervisor.development, supervisor.groups
        if self.keep:
            before = {name: each.source for name, each in supervisor.saved.current.items()}
            same = [name for name, source in saved.items() if development.keeps_saved(name, source, before.get(name))]
            self.kept = [name for name in same if name not in groups or development.keeps(groups[name], ())]
        development.note(saved)
        supervisor.saved.declare(saved, self.kept)
        return len(self.kept) != len(saved)

    def _is_as_served(self, names: list[str]) -> bool:
        """Whether the models in Python, their names and all other code are what is served."""
        supervisor = self.supervisor
        there = [*supervisor.served, *filter(is_mounted, supervisor.groups)]
        same = sorted(names) == sorted(there) and supervisor.development.same_code
        return same and all(self._keeps(supervisor.groups[name]) for name in names if name not in self.kept)

    def _keeps(self, group: HolderGroup) -> bool:
        fresh = [name for name in self.supervisor.saved.current if name not in self.kept]
        return self.keep and self.supervisor.development.keeps(group, fresh)

    def _end_unchanged(self) -> None:
        self.supervisor.log("nothing that is served has changed: everything is kept", "info")
        self._end()

    def came(self, child: Child) -> bool:
        """A child is ready. Says whether it is one of ours."""
        ours = self.forget(child)
        if ours and child.role == "worker":
            self.changed_workers, self.supervisor.development.routes = True, ""  # some have it
        return ours

    def failed(self, child: Child, group: HolderGroup | None) -> bool:
        """A child will not become ready. Says whether it is one of ours. `group`: of the model that it was to hold."""
        if not self.forget(child):
            return False
        self.failures += 1
        if group is not None:
            self.supervisor.development.artifacts.pop(group.model, None)  # it is not what serves
        if group is not None and group.model in self.added:
            self._leave_out(group.model)
        elif child.role == "worker":
            self.kept_workers = True
            if not self.changed_workers:
                self._restore()
        elif group is None:
            self._end()  # it was to say which models there are
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
        there = [group for name, group in supervisor.groups.items() if name in in_python]
        kept = [group for group in there if self._keeps(group)]
        new = [group for name in in_python if name not in supervisor.groups for group in self._add(name)]
        for group in new:
            group.begin()
            self.children += group.children()
        self.children += [group.replace() for group in there if group not in kept]
        self.kept += [group.model for group in kept]
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
        supervisor.served = [
            name for name in self.names if name in there and name not in self.removed and not is_mounted(name)
        ]
        for name in supervisor.served:
            supervisor.place(name)
        for name in self.kept if supervisor.served != self.served_before else ():
            for child in supervisor.groups[name].children() if name in supervisor.groups else ():
                orders.tell_models(supervisor, child)  # whoever stays learns of the others
        if self._concerns_workers():
            self._spawn_workers()
        else:
            self._tell_what_was_done()
            self._end()

    def _concerns_workers(self) -> bool:
        """Whether there is more than data that a model in Python has read while it loaded."""
        supervisor = self.supervisor
        same_saved = all(name in self.kept for name in supervisor.saved.current)
        same = same_saved and supervisor.served == self.served_before and supervisor.development.same_code
        return not (self.keep and same)

    def _spawn_workers(self) -> None:
        supervisor = self.supervisor
        for old in list(supervisor.workers):
            self.children.append(supervisor.spawn_worker(supervisor.paired_slot(old.slot), "ready"))
        self.next_step = self._begin_dismissal

    def _begin_dismissal(self) -> None:
        """Once the new workers alone accept."""
        if any(worker.retired and not worker.left for worker in self.supervisor.workers):
            return
        if not self.kept_workers:
            self._tell_what_was_done()
            self.supervisor.development.routes = self.supervisor.development.read.whole
        self.next_step = self._dismiss_removed

    def _tell_what_was_done(self) -> None:
        """While developing: what is new, what stayed, and how long somebody who saved a file has waited for it."""
        if not self.keep:
            return
        supervisor = self.supervisor
        names = [*supervisor.served, *filter(is_mounted, supervisor.groups)]
        loaded = [name for name in names if name not in self.kept and name not in self.removed]
        models = [name for name in loaded if not is_mounted(name)]
        parts = ["the routes"] * (supervisor.web and self._concerns_workers())
        parts += [f"the model{'s' * (len(models) > 1)} {', '.join(models)}"] * bool(models)
        parts += [f"the application at {name.removeprefix(MOUNTED)}" for name in loaded if is_mounted(name)]
        kept = f"; kept as loaded: {', '.join(name for name in names if name in self.kept)}"
        seconds = time.monotonic() - self.began
        done = f"reloaded in {seconds:.1f} s: {' and '.join(parts) or 'the service'}{kept if self.kept else ''}"
        supervisor.log(done, "info")

    def _dismiss_removed(self) -> None:
        """Old workers may still owe answers of these models: not before they are gone."""
        if any(worker.retired for worker in self.supervisor.workers):
            return
        if self.kept_workers:  # one that would not be replaced still serves them
            self._end()
            return
        for name in self.removed:
            self.supervisor.groups[name].retire()
        self.next_step = self._forget_removed

    def _forget_removed(self) -> None:
        if not any(name in self.supervisor.groups for name in self.removed):
            self._end()
