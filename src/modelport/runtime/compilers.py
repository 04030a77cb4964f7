"""The processes that compile saved models, and the one decision for each, for all workers, which form of it serves."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from modelport.runtime.children import Child, StartFailed, describe_exit, spawn
from modelport.runtime.forms import COMPILE_SECONDS, ORIGINAL, Form, FormDecision, Source

if TYPE_CHECKING:
    from modelport.runtime.supervise import Supervisor

POLITE = 10
"""The priority (nice) of a compiler that nobody waits for any more."""


@dataclass(slots=True, eq=False)
class Compilers:
    """Of one saved model, from a start or a reload to the next. `outdated`: a reload was given up, or followed by another."""

    supervisor: Supervisor
    model: str
    source: Source
    children: list[Child] = field(default_factory=list)
    decision: FormDecision = field(init=False)
    begun: bool = False
    outdated: bool = False

    def __post_init__(self) -> None:
        limit_s = inf if self.patient else COMPILE_SECONDS
        self.decision = FormDecision(self._start, self._decided, limit_s)

    @property
    def required(self) -> bool:
        """Whether nothing but the compiled form will do."""
        return bool(self.source["options"].get("require_compiled"))

    @property
    def patient(self) -> bool:
        """Whether to wait for the form however long that takes: the original is no way out."""
        options = self.source["options"]
        signed = ("require_signature", "public_key", "certificate_chain")
        return self.required or any(options.get(name) for name in signed)

    @property
    def awaited(self) -> bool:
        """Whether workers wait for what a compiler says."""
        return self.decision.compiling and not self.outdated

    @property
    def form(self) -> Form | None:
        """What was decided."""
        return self.decision.decided

    @property
    def holder_serves(self) -> bool:
        """Whether workers are to ask a holder."""
        return self.form is not None and self.form["executor"] == "process"

    def order(self) -> dict[str, Any]:
        """What a worker that starts is told first."""
        what = {"do": "look"} if self.form is None else {"do": "form", **self.form}
        return {**what, "model": self.model}

    # -- what workers and compilers say --------------------------------------------------------------------------

    def looked(self, worker: Child, form: Mapping[str, Any]) -> None:
        """A worker has looked what is known of the artifact."""
        try:
            self.decision.reported(dict(form), time.monotonic())
        except StartFailed as error:
            if not self.supervisor.announced:
                raise
            self.decision.compiler_ended(str(error))
        if self.begun and self.awaited:
            worker.tell({"do": "compiling", "model": self.model})

    def heard(self, child: Child, kind: str, event: Form) -> None:
        """A compiler has something to say."""
        if kind == "begun":
            self._begin()
        elif kind == "proving":
            self._prove(event["what"])
        else:
            self._said(child, event)

    def _begin(self) -> None:
        """The original has loaded: from now on there is something to wait for."""
        self.begun = True
        which = "the model" if self.supervisor.saved.alone else f"the model {self.model!r}"
        self.supervisor.log(f"compiling {which}, once; until then /readyz says so", "info")
        for worker in self.supervisor.workers if self.awaited else ():
            worker.tell({"do": "compiling", "model": self.model})

    def _prove(self, what: str) -> None:
        """Another version saved it, so the original is no way out: there is no limit to wait for."""
        self.decision.wait_on()
        self.supervisor.log(what, "info")

    def _said(self, child: Child, form: Form) -> None:
        if self.awaited:
            self.decision.compiler_said(form)
        else:
            what = form.get("why") or form.get("error") or "the next start serves the compiled form"
            self.supervisor.log(f"the compiler is done: {what}", "info")

    def ended(self, child: Child) -> None:
        """Its process is gone, whether or not it has said anything."""
        self.children.remove(child)
        if self.awaited and not self.supervisor.stopping:
            self.decision.compiler_ended(describe_exit(child))

    # -- what is done about it -----------------------------------------------------------------------------------

    def _start(self) -> None:
        plan = self.supervisor.plan
        child = spawn("compiler", -1, plan.compiler(self.source), (), plan.cores)
        self.children.append(child)
        self.supervisor.switchboard.listen_to(child)

    def _decided(self, form: Form) -> None:
        if self.required and form["form"] == ORIGINAL and form["why"]:
            return self._refuse(form["why"])
        for child in self.children:
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, child.process.pid, POLITE)
        return self.supervisor.form_decided(self.model, form)

    def _refuse(self, why: str) -> None:
        if not self.supervisor.announced:
            raise StartFailed(f"{self._said_how}: {why}")
        self.supervisor.log(f"{self._said_how}: {why}", "error")
        for child in self.supervisor.reload.children if self.supervisor.reload else ():
            child.kill("its model is not compiled")

    @property
    def _said_how(self) -> str:
        return "--require-compiled" if self.supervisor.saved.alone else f"{self.model}: require_compiled"


@dataclass(slots=True, eq=False)
class SavedModels:
    """All saved models of a service: what is known of each, and which form of it serves."""

    supervisor: Supervisor
    current: dict[str, Compilers] = field(default_factory=dict)
    past: list[Compilers] = field(default_factory=list)
    """Whose compilers may still run, for the next start."""

    def declare(
        self, sources: Mapping[str, Source], kept: Collection[str] = (), remembered: Mapping[str, Form] | None = None
    ) -> None:
        """These are the saved models from now on; the form of each is decided anew, but for those that are kept as they are.

        `remembered` are forms that served at the last start, and do so now.
        """
        known = {name: self.current[name] for name in kept}
        fresh = {
            name: Compilers(self.supervisor, name, source) for name, source in sources.items() if name not in known
        }
        self._put({name: known.get(name) or fresh[name] for name in sources})
        for name, form in (remembered or {}).items():
            self.current[name].decision.reported(dict(form), time.monotonic())

    def restore(self, before: dict[str, Compilers]) -> None:
        """A reload failed: what was known and decided before it still holds."""
        self._put(before)

    def _put(self, compilers: dict[str, Compilers]) -> None:
        for each in self.current.values():
            if compilers.get(each.model) is not each:
                each.outdated = True
                self.past.append(each)
        self.current = compilers
        self.past = [each for each in self.past if each.children and each not in compilers.values()]
        for each in compilers.values():
            each.outdated = False

    @property
    def alone(self) -> bool:
        """Whether a single saved model was named on the command line."""
        return not self.supervisor.plan.catalog

    @property
    def children(self) -> list[Child]:
        """Every compiler that runs."""
        return [child for each in (*self.current.values(), *self.past) for child in each.children]

    def sources(self) -> dict[str, Source]:
        """What workers must know of each."""
        return {name: each.source for name, each in self.current.items()}

    def held(self, model: str) -> bool:
        """Whether workers are to ask a holder of this model: of a saved one, where that was decided; of one in Python, always."""
        return model not in self.current or self.current[model].holder_serves

    @property
    def any_local(self) -> bool:
        """Whether workers run some model themselves."""
        return any(not each.holder_serves for each in self.current.values())

    def looked(self, worker: Child, model: str, form: Mapping[str, Any]) -> None:
        """A worker has looked what is known of an artifact; of one that a reload took away meanwhile, nobody needs to know."""
        if model in self.current:
            self.current[model].looked(worker, form)

    def of(self, child: Child) -> Compilers | None:
        """Who has started this compiler."""
        return next((each for each in (*self.current.values(), *self.past) if child in each.children), None)

    def watch(self, now: float) -> None:
        """Wait no longer for any compiler than is bearable."""
        for each in list(self.current.values()):
            each.decision.watch(now)
