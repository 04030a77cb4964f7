"""The queue in front of an executor: every record runs once, in order, in batches that are bounded."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from modelport.kernel.batcher import Batcher, Slice, settle

Row = tuple[int, int]
"""Which call a record belongs to, and which of its records it is."""


class BatcherMachine(RuleBasedStateMachine):
    """Random offers and takes, beside a model of the queue that only counts."""

    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        self.batcher: Batcher[int] = Batcher(max_rows=8, queue_rows=20)
        self.calls: dict[int, int] = {}
        self.ran: list[Row] = []
        self.finished: dict[int, list[Row]] = {}
        self.next_call = 0

    @rule(rows=st.integers(1, 30))
    def offer(self, rows: int) -> None:
        """A call is taken where it fits; an empty queue takes any."""
        call, self.next_call = self.next_call, self.next_call + 1
        before = self.batcher.waiting_rows
        accepted = self.batcher.offer([(call, row) for row in range(rows)], call)
        assert accepted == (before == 0 or before + rows <= 20)
        if accepted:
            self.calls[call] = rows

    @rule(target=batches)
    def take(self) -> tuple[list[Row], list[Slice]]:
        """A batch is bounded, and as full as what waits allows."""
        waiting = self.batcher.waiting_rows
        records, slices = self.batcher.take()
        assert len(records) == min(8, waiting)
        assert sum(rows for _, rows in slices) == len(records)
        self.ran += records
        return records, slices

    @rule(batch=batches)
    def run(self, batch: tuple[list[Row], list[Slice]]) -> None:
        """Outcomes go back to those who wait, once; here a record's outcome is the record."""
        records, slices = batch
        for call, outcomes in settle(slices, records):
            assert call not in self.finished
            self.finished[call] = outcomes
        slices.clear()
        records.clear()

    @invariant()
    def nothing_runs_twice_and_nothing_is_lost(self) -> None:
        """What ran and what waits are together what was accepted."""
        assert len(self.ran) == len(set(self.ran))
        assert len(self.ran) + self.batcher.waiting_rows == sum(self.calls.values())

    @invariant()
    def records_of_a_call_keep_their_order(self) -> None:
        """Within one call, never ahead of one another."""
        seen: dict[int, int] = {}
        for call, row in self.ran:
            assert row == seen.get(call, 0)
            seen[call] = row + 1

    @invariant()
    def finished_calls_are_whole(self) -> None:
        """An owner hears once, when all of its outcomes are there."""
        for call, outcomes in self.finished.items():
            assert len(outcomes) == self.calls[call]


BatcherMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestBatcher = BatcherMachine.TestCase


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=300),
    st.integers(1, 64),
    st.integers(1, 200),
)
@settings(max_examples=60, deadline=None)
def test_thousands_of_records_are_each_answered_once_and_in_order(
    sizes: list[int], max_rows: int, queue_rows: int
) -> None:
    batcher: Batcher[int] = Batcher(max_rows, queue_rows)
    accepted: list[int] = []
    answered: dict[int, list[Row]] = {}
    batches = 0

    def run_one_batch() -> None:
        records, slices = batcher.take()
        assert len(records) <= max_rows
        for call, outcomes in settle(slices, records):
            assert call not in answered
            answered[call] = outcomes

    for call, rows in enumerate(sizes):
        if rows and batcher.offer([(call, row) for row in range(rows)], call):
            accepted.append(call)
        if rows % 3 == 0:
            run_one_batch()
    while batcher.waiting_rows:
        run_one_batch()
        batches += 1
        assert batches <= sum(sizes)
    assert sorted(answered) == accepted
    assert all(answered[call] == [(call, row) for row in range(sizes[call])] for call in accepted)


def test_an_empty_queue_takes_a_call_larger_than_its_bound() -> None:
    batcher: Batcher[str] = Batcher(max_rows=4, queue_rows=10)
    assert batcher.offer(list(range(25)), "large")
    assert not batcher.offer([1], "small")
    batcher.take()
    assert not batcher.offer([1], "small"), "21 rows still wait"


def test_a_long_call_lets_the_short_ones_behind_it_take_turns() -> None:
    batcher: Batcher[str] = Batcher(max_rows=4, queue_rows=1000)
    batcher.offer(list(range(100)), "long")
    batcher.offer(["a"], "short")
    finished: list[str] = []
    takes = 0
    while "short" not in finished:
        records, slices = batcher.take()
        finished += [owner for owner, _ in settle(slices, records)]
        takes += 1
    assert takes <= 2
    assert finished == ["short"]
