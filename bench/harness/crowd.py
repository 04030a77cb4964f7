"""Many clients whose requests each carry an id, and a count of what came back: right, wrong, refused, or nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.harness.asking import Caller, Lost, Reply, percentile

Body = Callable[[str], bytes]
IsRight = Callable[[str, Reply], bool]


class Failed(NamedTuple):
    """A request without a right answer; status 0 where nothing came."""

    began: float
    ended: float
    request: str
    status: int
    text: str


@dataclass
class Tally:
    """What came back. `mixed` are answers with status 200 that are not this caller's."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: dict[int, list[float]] = field(default_factory=dict)
    mixed: list[str] = field(default_factory=list)
    lost: list[Failed] = field(default_factory=list)
    failures: list[Failed] = field(default_factory=list)
    waiting: dict[str, float] = field(default_factory=dict)
    elapsed: float = 0.0

    def note(self, request: str, reply: Reply, is_right: IsRight) -> None:
        """One answer."""
        self.statuses[reply.status] += 1
        self.seconds.setdefault(reply.status, []).append(reply.seconds)
        if reply.status != 200:
            text, now = reply.body[:300].decode(errors="replace"), time.perf_counter()
            self.failures.append(Failed(now - reply.seconds, now, request, reply.status, text))
        elif not is_right(request, reply):
            self.mixed.append(f"{request} got {reply.body[:200]!r}")

    @property
    def total(self) -> int:
        """Everything that was asked."""
        return sum(self.statuses.values()) + len(self.lost)

    @property
    def failed(self) -> int:
        """Everything that was not answered right."""
        return self.total - self.statuses[200] + len(self.mixed)

    def at(self, share: float, status: int = 200) -> float:
        """A percentile of the latency, in milliseconds."""
        return percentile(self.seconds.get(status, []), share) * 1000

    def in_words(self) -> str:
        """What came back, for a table."""
        parts = [f"{count:,}× {status}" for status, count in sorted(self.statuses.items())]
        parts += [f"{len(self.lost):,} lost"] if self.lost else []
        return ", ".join([*parts, *([f"{len(self.mixed):,} mixed up"] if self.mixed else [])]) or "nothing"


async def ask(
    caller: Caller, path: str, request: str, body: bytes, tally: Tally, is_right: IsRight, headers: str = ""
) -> Reply | None:
    """Ask once and note what comes."""
    tally.waiting[request] = time.perf_counter()
    try:
        reply = await caller.post(path, body, headers)
    except Lost as lost:
        tally.lost.append(Failed(tally.waiting[request], time.perf_counter(), request, 0, str(lost)))
        return None
    finally:
        del tally.waiting[request]
    tally.note(request, reply, is_right)
    return reply
