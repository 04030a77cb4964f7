"""The queue under thousands of random schedules: nobody lost, nobody served twice, nobody starved. No clock, no sleeping."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel.batcher import Batch, Batcher, Ticket, settle

MAX_ROWS = 4

offers = st.tuples(
    st.just("offer"),
    st.integers(1, 11),  # rows
    st.sampled_from([inf, inf, 0.0, 1.0, 2.0, 5.0]),  # seconds to the deadline
    st.integers(0, 5),  # bytes
    st.sampled_from([False, False, False, True]),  # solo
)
drops = st.tuples(st.just("drop"), st.integers(0, 30))
takes = st.tuples(st.just("take"), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
schedules = st.lists(st.one_of(offers, drops, takes, takes), max_size=40)


@dataclass
class Schedule:
    """A batcher, and beside it the plainest account of what must be in it."""

    batcher: Batcher[int]
    now: float = 0.0
    tickets: list[Ticket[int]] = field(default_factory=list)
    left: dict[Ticket[int], int] = field(default_factory=dict)  # rows that wait, by ticket
    gone: set[Ticket[int]] = field(default_factory=set)  # dropped or expired
    ran: dict[Ticket[int], list[Any]] = field(default_factory=lambda: defaultdict(list))
    overtaken: dict[Ticket[int], dict[Ticket[int], int]] = field(default_factory=lambda: defaultdict(dict))
    batches: list[Batch] = field(default_factory=list)

    def play(self, events: list[Any]) -> None:
        for name, *arguments in events:
            getattr(self, name)(*arguments)
            self.check_counts()
        while self.left:
            self.take(0.0)
            self.check_counts()

    def offer(self, rows: int, seconds: float, size: int, solo: bool) -> None:
        name = len(self.tickets)
        ticket = Ticket([(name, row) for row in range(rows)], name, self.now + seconds, size, solo)
        self.tickets.append(ticket)
        if self.batcher.offer(ticket, self.now):
            self.left[ticket] = rows
        else:
            self.gone.add(ticket)

    def drop(self, index: int) -> None:
        if self.tickets:
            ticket = self.tickets[index % len(self.tickets)]
            assert self.batcher.drop(ticket) == (ticket in self.left)
            if self.left.pop(ticket, 0):
                self.gone.add(ticket)

    def take(self, elapsed: float) -> None:
        self.now += elapsed
        batch = self.batcher.take(self.now)
        for ticket in batch.expired:
            assert ticket.deadline <= self.now
            assert self.left.pop(ticket)
            self.gone.add(ticket)
        self.check_batch(batch)
        self.batches.append(batch)

    def check_batch(self, batch: Batch) -> None:
        assert len(batch.records) <= self.batcher.max_rows
        records = [record for ticket, rows in batch.slices for record in ticket.records[rows.start : rows.stop]]
        assert batch.records == records
        for ticket, rows in batch.slices:
            self.run(ticket, rows)
        owners = {ticket for ticket, _ in batch.slices}
        assert len(owners) == 1 or not any(ticket.solo for ticket in owners), "a solo ticket had company"
        if len(batch.records) < self.batcher.max_rows and self.left:
            assert any(ticket.solo for ticket in (*owners, *self.left)), "somebody waits though there was room"
        assert batch.records or not self.left, "an idle executor got nothing though somebody waits"

    def run(self, ticket: Ticket[int], rows: range) -> None:
        assert ticket.deadline > self.now, "a record ran whose deadline had passed"
        assert ticket not in self.gone, "a record ran whose caller had left"
        self.ran[ticket].extend(ticket.records[rows.start : rows.stop])
        self.left[ticket] -= len(rows)
        self.overtaken[ticket].clear()
        for other in self.left:
            if other is not ticket:
                before = self.overtaken[other].get(ticket, 0)
                self.overtaken[other][ticket] = before + len(rows)
        if not self.left[ticket]:
            del self.left[ticket]

    def check_counts(self) -> None:
        assert self.batcher.waiting_rows == sum(self.left.values())
        assert self.batcher.waiting_bytes == sum(ticket.size for ticket in self.left)
        assert len(self.batcher) == len(self.left)


def played(events: list[Any], queue_rows: int = 40, queue_bytes: int = 40) -> Schedule:
    schedule = Schedule(Batcher(MAX_ROWS, queue_rows, queue_bytes))
    schedule.play(events)
    return schedule


@settings(max_examples=1500, deadline=None)
@given(schedules, st.integers(1, 40), st.integers(0, 20))
def test_every_record_is_taken_or_leaves_exactly_once_and_in_order(
    events: list[Any], queue_rows: int, queue_bytes: int
) -> None:
    """The counts are exact after every step; the schedule's own checks run at each of them."""
    schedule = played(events, queue_rows, queue_bytes)
    for ticket in schedule.tickets:
        ran = schedule.ran[ticket]
        assert ran == ticket.records[: len(ran)]
        assert len(ran) == len(ticket.records) or ticket in schedule.gone


@settings(max_examples=300, deadline=None)
@given(schedules)
def test_nobody_waits_for_more_than_one_turn_of_each_other(events: list[Any]) -> None:
    """While one waits for its next row, each other gets at most a turn: `max_rows` rows."""
    schedule = Schedule(Batcher(MAX_ROWS, 10**6))
    for name, *arguments in events:
        getattr(schedule, name)(*arguments)
        waits = [rows for ticket in schedule.left for rows in schedule.overtaken[ticket].values()]
        assert all(rows <= MAX_ROWS for rows in waits)


@settings(max_examples=300, deadline=None)
@given(schedules)
def test_a_long_call_is_spread_over_no_more_batches_than_its_turns_need(events: list[Any]) -> None:
    """A turn lies in one batch, or at the end of one and the beginning of the next: never a row here and there."""
    schedule = played(events, 10**6, 10**6)
    for ticket in schedule.tickets:
        batches = sum(any(owner is ticket for owner, _ in batch.slices) for batch in schedule.batches)
        assert batches <= 2 * -(-len(ticket.records) // MAX_ROWS)


@settings(max_examples=300, deadline=None)
@given(schedules)
def test_calls_begin_in_the_order_they_came(events: list[Any]) -> None:
    schedule = played(events)
    begun = [ticket.owner for batch in schedule.batches for ticket, rows in batch.slices if rows.start == 0]
    assert begun == sorted(begun)


@settings(max_examples=500, deadline=None)
@given(schedules, st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_the_size_of_batches_may_change_at_any_time(events: list[Any], sizes: list[int]) -> None:
    """A target for the latency moves it while calls are cut."""
    schedule = Schedule(Batcher(MAX_ROWS, 40, 40))
    for at, event in enumerate(events):
        schedule.batcher.max_rows = sizes[at % len(sizes)]
        schedule.play([event])
    assert all(len(schedule.ran[t]) == len(t.records) or t in schedule.gone for t in schedule.tickets)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.integers(1, 11), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_each_caller_gets_its_own_outcomes_in_order_whichever_batch_ends_first(sizes: list[int], random: Any) -> None:
    """Two batches may run at once where the model stands it, and hold slices of one call."""
    batcher: Batcher[int] = Batcher(MAX_ROWS, 10**6)
    for name, rows in enumerate(sizes):
        batcher.offer(Ticket([(name, row) for row in range(rows)], name))
    batches = []
    while len(batcher):
        batches.append(batcher.take())
    random.shuffle(batches)
    complete = [t for batch in batches for t in settle(batch.slices, [("out", r) for r in batch.records])]
    assert sorted(ticket.owner for ticket in complete) == list(range(len(sizes)))
    assert all(ticket.outcomes == [("out", record) for record in ticket.records] for ticket in complete)


def test_a_long_call_is_not_fed_a_row_at_a_time_by_the_sizes_of_others() -> None:
    """Calls of three rows leave one row of each batch of four; the long call still gets its turns whole."""
    batcher: Batcher[str] = Batcher(MAX_ROWS, 1000)
    long_call = Ticket(list(range(12)), "long")
    batcher.offer(Ticket([0] * 3, "other"))
    batcher.offer(long_call)
    batches = 0
    while long_call.taken < 12:
        batcher.offer(Ticket([0] * 3, "other"))
        batches += any(ticket is long_call for ticket, _ in batcher.take().slices)
    assert batches <= 6


def test_a_turn_that_began_at_the_end_of_a_batch_ends_in_the_next() -> None:
    batcher: Batcher[str] = Batcher(MAX_ROWS, 1000)
    for rows, owner in ((3, "first"), (12, "long"), (2, "last")):
        batcher.offer(Ticket([0] * rows, owner))
    shares = [[(ticket.owner, len(rows)) for ticket, rows in batcher.take().slices] for _ in range(3)]
    assert shares == [[("first", 3), ("long", 1)], [("long", 3), ("last", 1)], [("last", 1), ("long", 3)]]


def test_a_lone_call_is_taken_at_once() -> None:
    batcher: Batcher[str] = Batcher(8, 16)
    batcher.offer(Ticket(["record"], "caller"))
    assert batcher.take().records == ["record"]


def test_an_empty_queue_takes_a_call_of_any_size_and_a_full_one_refuses() -> None:
    batcher: Batcher[str] = Batcher(8, 4, queue_bytes=10)
    assert batcher.offer(Ticket(list(range(100)), "large", size=99))
    assert not batcher.offer(Ticket([1], "small"))
    assert batcher.waiting_rows == 100


@pytest.mark.parametrize("size", [5, 6])
def test_the_queue_is_bounded_in_bytes(size: int) -> None:
    batcher: Batcher[str] = Batcher(8, 1000, queue_bytes=10)
    assert batcher.offer(Ticket([1], "first", size=5))
    assert batcher.offer(Ticket([1], "second", size=size)) == (size == 5)


def test_what_was_taken_of_a_dropped_call_does_not_come_back() -> None:
    batcher: Batcher[str] = Batcher(2, 100)
    ticket = Ticket([1, 2, 3, 4], "caller")
    batcher.offer(ticket)
    first = batcher.take()
    assert batcher.drop(ticket)
    assert (batcher.waiting_rows, batcher.waiting_bytes, len(batcher)) == (0, 0, 0)
    assert settle(first.slices, ["a", "b"]) == []
    assert not batcher.take().records
