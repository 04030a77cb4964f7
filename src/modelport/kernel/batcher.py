"""The queue in front of an executor, as a pure object that is told the time: it holds tickets, counts rows, cuts batches.

Batching is work-conserving: whoever drives it takes a batch as soon as the executor is idle, and nobody waits for a window.
Rows are counted, not calls; a call of many rows is cut into slices, so that it cannot hold up the small ones behind it:
a turn is `max_rows` rows, and whoever had one goes to the back. So nobody is overtaken by more than a turn of each other.
A ticket whose deadline has passed, or whose caller has left, never reaches a batch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Generic, TypeVar

Owner = TypeVar("Owner")


class Ticket(Generic[Owner]):
    """The records of one call, who waits for them, and until when."""

    __slots__ = (
        "deadline",
        "left",
        "offered_at",
        "outcomes",
        "owner",
        "records",
        "settled",
        "size",
        "solo",
        "tag",
        "taken",
        "turn",
    )

    def __init__(
        self, records: Sequence[Any], owner: Owner, deadline: float = inf, size: int = 0, solo: bool = False
    ) -> None:
        self.records = records
        self.owner = owner
        self.deadline = deadline
        self.size = size
        self.solo = solo  # runs in a batch of its own: it was in a batch that killed its process
        self.tag: Any = None  # whatever the driver wants to find again
        self.taken = 0  # rows that were put into batches, of which `turn` since it was last at the back of the queue
        self.turn = 0
        self.settled = 0  # rows whose outcome is known
        self.left = False  # its caller is gone
        self.offered_at = 0.0
        self.outcomes: list[Any] = []


Slice = tuple["Ticket[Any]", range]
"""A ticket and which of its rows are in the batch."""


@dataclass(slots=True)
class Batch:
    """What to run next, and whose deadline passed while it waited."""

    records: list[Any] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)
    expired: list[Ticket[Any]] = field(default_factory=list)

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for any of it."""
        return all(ticket.left for ticket, _ in self.slices)


class Batcher(Generic[Owner]):
    """A first-come queue bounded in rows and in bytes."""

    def __init__(self, max_rows: int, queue_rows: int, queue_bytes: int = 256 * 2**20) -> None:
        self.max_rows = max_rows
        self.queue_rows = queue_rows
        self.queue_bytes = queue_bytes
        self.waiting_rows = 0
        self.waiting_bytes = 0
        self._tickets: OrderedDict[Ticket[Owner], None] = OrderedDict()  # any one can leave; the first is found at once

    def offer(self, ticket: Ticket[Owner], now: float = 0.0) -> bool:
        """Queue one call. False where the queue is full: an empty queue takes a call of any size."""
        rows = len(ticket.records)
        if self._tickets and (
            self.waiting_rows + rows > self.queue_rows or self.waiting_bytes + ticket.size > self.queue_bytes
        ):
            return False
        ticket.offered_at = now
        self._tickets[ticket] = None
        self.waiting_rows += rows
        self.waiting_bytes += ticket.size
        return True

    def drop(self, ticket: Ticket[Owner]) -> bool:
        """The caller left: what was not taken yet leaves the queue. False where nothing of it was waiting."""
        if ticket not in self._tickets:
            return False
        self._remove(ticket)
        self.waiting_rows -= len(ticket.records) - ticket.taken
        return True

    def solo_next(self, now: float = 0.0) -> bool:
        """Whether what comes next has to run alone."""
        for ticket in self._tickets:
            if ticket.deadline > now:
                return ticket.solo
        return False

    def take(self, now: float = 0.0) -> Batch:
        """The next batch of at most `max_rows` records; nothing in it if nobody waits."""
        batch = Batch()
        room = self.max_rows
        while self._tickets and room > 0:
            ticket = next(iter(self._tickets))
            rows = len(ticket.records)
            if ticket.deadline > now and rows <= room and not ticket.taken and not ticket.solo:
                self._take_whole(ticket, rows, batch)  # almost every ticket
                room -= rows
                continue
            if ticket.deadline <= now:
                self.drop(ticket)
                batch.expired.append(ticket)
                continue
            if ticket.solo and batch.records:
                break
            room -= self._cut(ticket, room, batch)
            if ticket.solo:
                break
        return batch

    def _take_whole(self, ticket: Ticket[Owner], rows: int, batch: Batch) -> None:
        del self._tickets[ticket]
        batch.records += ticket.records
        batch.slices.append((ticket, range(rows)))
        ticket.taken = rows
        self.waiting_rows -= rows
        self.waiting_bytes -= ticket.size

    def _cut(self, ticket: Ticket[Owner], room: int, batch: Batch) -> int:
        start, total = ticket.taken, len(ticket.records)
        rows = min(room, total - start, max(1, self.max_rows - ticket.turn))
        batch.records.extend(ticket.records[start : start + rows])
        batch.slices.append((ticket, range(start, start + rows)))
        ticket.taken += rows
        ticket.turn += rows
        self.waiting_rows -= rows
        if ticket.taken == total:
            self._remove(ticket)
        elif ticket.turn >= self.max_rows:
            self._send_back(ticket)
        return rows

    def _send_back(self, ticket: Ticket[Owner]) -> None:
        ticket.turn = 0
        del self._tickets[ticket]
        self._tickets[ticket] = None

    def _remove(self, ticket: Ticket[Owner]) -> None:
        del self._tickets[ticket]
        self.waiting_bytes -= ticket.size

    def __len__(self) -> int:
        return len(self._tickets)


def settle(slices: Sequence[Slice], outcomes: Sequence[Any]) -> list[Ticket[Any]]:
    """Hand a batch's outcomes back to their tickets, whichever batch ends first; those now complete."""
    complete = []
    at = 0
    for ticket, rows in slices:
        count, total = len(rows), len(ticket.records)
        mine = outcomes[at : at + count]
        at += count
        if count == total:
            ticket.outcomes = list(mine)
            complete.append(ticket)
            continue
        if not ticket.outcomes:
            ticket.outcomes = [None] * total
        ticket.outcomes[rows.start : rows.stop] = mine
        ticket.settled += count
        if ticket.settled == total:
            complete.append(ticket)
    return complete
