"""The queue in front of an executor, as a pure object: it holds tickets, counts rows, and cuts batches.

Batching is work-conserving: whoever drives it takes a batch as soon as the executor is idle, and nobody waits for a window.
Rows are counted, not calls; a call of many rows is cut into slices, so that it cannot hold up the small ones behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

Owner = TypeVar("Owner")


class Ticket(Generic[Owner]):
    """The records of one call, and who waits for them."""

    __slots__ = ("outcomes", "owner", "records", "taken")

    def __init__(self, records: Sequence[Any], owner: Owner) -> None:
        self.records = records
        self.owner = owner
        self.taken = 0
        self.outcomes: list[Any] = []


Slice = tuple["Ticket[Any]", int]
"""A ticket and how many of its rows are in the batch."""


class Batcher(Generic[Owner]):
    """A first-come queue bounded in rows."""

    def __init__(self, max_rows: int, queue_rows: int) -> None:
        self.max_rows = max_rows
        self.queue_rows = queue_rows
        self.waiting_rows = 0
        self._tickets: deque[Ticket[Owner]] = deque()

    def offer(self, records: Sequence[Any], owner: Owner) -> bool:
        """Queue the records of one call. False where the queue is full: an empty queue takes a call of any size."""
        if self._tickets and self.waiting_rows + len(records) > self.queue_rows:
            return False
        self._tickets.append(Ticket(records, owner))
        self.waiting_rows += len(records)
        return True

    def take(self) -> tuple[list[Any], list[Slice]]:
        """The next batch: at most `max_rows` records, and which slice of which ticket they are. Empty if none wait.

        A ticket cut at the end of a batch goes to the back, so that long calls and short ones take turns.
        """
        records: list[Any] = []
        slices: list[Slice] = []
        room = self.max_rows
        while self._tickets and room > 0:
            ticket = self._tickets.popleft()
            rows = min(room, len(ticket.records) - ticket.taken)
            records.extend(ticket.records[ticket.taken : ticket.taken + rows])
            ticket.taken += rows
            room -= rows
            slices.append((ticket, rows))
            if ticket.taken < len(ticket.records):
                self._tickets.append(ticket)
        self.waiting_rows -= len(records)
        return records, slices


def settle(slices: Sequence[Slice], outcomes: Sequence[Any]) -> list[tuple[Any, list[Any]]]:
    """Hand a batch's outcomes back to their tickets; the owners of those now complete, with all their outcomes."""
    complete = []
    at = 0
    for ticket, rows in slices:
        ticket.outcomes.extend(outcomes[at : at + rows])
        at += rows
        if len(ticket.outcomes) == len(ticket.records):
            complete.append((ticket.owner, ticket.outcomes))
    return complete
