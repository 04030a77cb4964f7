"""The processes that compile a saved model, and the one decision, for all workers, which form of it serves."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from modelport.runtime.children import Child, StartFailed, describe_exit, spawn
from modelport.runtime.forms import COMPILE_SECONDS, ORIGINAL, Form, FormDecision

if TYPE_CHECKING:
    from modelport.runtime.supervise import Supervisor

POLITE = 10
"""The priority (nice) of a compiler that nobody waits for any more."""


@dataclass(slots=True, eq=False)
class Compilers:
    """Of one saved model. The last process is waited for; earlier ones go on for the next start."""

    supervisor: Supervisor
    children: list[Child] = field(default_factory=list)
    decision: FormDecision = field(init=False)
    begun: bool = False

    def __post_init__(self) -> None:
        self.decide_anew()

    def decide_anew(self) -> None:
        """At the start and at each reload: workers look, and the first that knows decides."""
        limit_s = inf if self.supervisor.plan.patient else COMPILE_SECONDS
        self.begun = False
        self.decision = FormDecision(self._start, self._decided, limit_s)

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
        return {"do": "look"} if self.form is None else {"do": "form", **self.form}

    # -- what workers and compilers say --------------------------------------------------------------------------

    def looked(self, worker: Child, form: Mapping[str, Any]) -> None:
        """A worker has looked what is known of the artifact."""
        try:
            self.decision.reported(dict(form), time.monotonic())
        except StartFailed as error:
            if not self.supervisor.announced:
                raise
            self.decision.compiler_ended(str(error))
        if self.begun and self.decision.compiling:
            worker.tell({"do": "compiling"})

    def heard(self, child: Child, kind: str, event: Form) -> None:
        """A compiler has something to say."""
        if kind == "begun":
            self._begin()
        else:
            self._said(child, event)

    def _begin(self) -> None:
        """The original has loaded: from now on there is something to wait for."""
        self.begun = True
        self.supervisor.log("compiling the model, once; until then /readyz says so", "info")
        for worker in self.supervisor.workers if self.decision.compiling else ():
            worker.tell({"do": "compiling"})

    def _said(self, child: Child, form: Form) -> None:
        if child is self.children[-1] and self.decision.compiling:
            self.decision.compiler_said(form)
        else:
            message = f"the compiler is done: {form['why'] or 'the next start serves the compiled form'}"
            self.supervisor.log(message, "info")

    def ended(self, child: Child) -> None:
        """Its process is gone, whether or not it has said anything."""
        awaited = child is self.children[-1]
        self.children.remove(child)
        if awaited and not self.supervisor.stopping:
            self.decision.compiler_ended(describe_exit(child))

    # -- what is done about it -----------------------------------------------------------------------------------

    def _start(self) -> None:
        plan = self.supervisor.plan
        child = spawn("compiler", -1, plan.compiler, (), plan.cores)
        self.children.append(child)
        self.supervisor.switchboard.listen_to(child)

    def _decided(self, form: Form) -> None:
        if self.supervisor.plan.require_compiled and form["form"] == ORIGINAL and form["why"]:
            return self._refuse(form["why"])
        for child in self.children:
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, child.process.pid, POLITE)
        return self.supervisor.form_decided(form)

    def _refuse(self, why: str) -> None:
        if not self.supervisor.announced:
            raise StartFailed(f"--require-compiled: {why}")
        self.supervisor.log(f"--require-compiled: {why}", "error")
        for child in self.supervisor.reload.children if self.supervisor.reload else ():
            child.kill("its model is not compiled")
