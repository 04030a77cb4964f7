"""Kill a random child of a server now and then, and tell which failures that excuses: those that were in flight there."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from bench.harness.crowd import Failed, Tally
from modelport.compare.processes import tree

REACTION_S = 0.05
"""A client that asks within this of a kill may not have seen yet that its connection is dead."""


@dataclass
class Killer:
    """Every kill: when, and whom."""

    top: int
    dice: random.Random
    kills: list[tuple[float, str]] = field(default_factory=list)

    def kill_one(self) -> None:
        """SIGKILL to one of the children, whichever it is."""
        children = [(pid, role) for pid, _ in tree(self.top) if pid != self.top and (role := role_of(pid))]
        if children:
            pid, role = self.dice.choice(children)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills.append((time.perf_counter(), role))

    async def keep_killing(self, every_s: float, seconds: float) -> None:
        """The first after half an interval, none in the last."""
        started = time.perf_counter()
        await asyncio.sleep(every_s / 2)
        while time.perf_counter() - started < seconds - every_s:
            self.kill_one()
            await asyncio.sleep(every_s)

    def inexcusable(self, tally: Tally) -> list[Failed]:
        """Failures of requests that were not in flight at any kill."""
        return [each for each in [*tally.lost, *tally.failures] if not self._excused(each)]

    def _excused(self, failed: Failed) -> bool:
        return failed.status in (0, 503) and any(
            failed.began <= moment + REACTION_S and failed.ended >= moment for moment, _ in self.kills
        )

    def in_words(self) -> str:
        """How many of which."""
        roles = [role for _, role in self.kills]
        return ", ".join(f"{roles.count(role)} {role}s" for role in sorted(set(roles))) or "none"


def role_of(pid: int) -> str:
    """What a child is, from its command line; empty for helpers of the standard library."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    if "resource_tracker" in command:
        return ""
    return "holder" if "assembly.holder" in command else "worker"


def longest_pause(moments: Sequence[float]) -> float:
    """The longest time between two right answers, in seconds."""
    ranked = sorted(moments)
    return max((later - earlier for earlier, later in pairwise(ranked)), default=0.0)
