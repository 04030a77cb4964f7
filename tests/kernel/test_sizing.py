"""How many rows a batch may have: full where that pays, one where it does not, and found out soon."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel.cost import CostModel
from modelport.kernel.sizing import EXPLORE_EVERY, EXPLORE_ROWS, BatchSizer

CLIENTS = 32


def sizes(cost_of: Callable[[int], float], lone: int, batches: int, target_s: float | None = None) -> list[int]:
    """What is cut for callers who come one by one at first, and then all at once."""
    cost, sizer, random, found = CostModel(), BatchSizer(256, target_s), Random(1), []
    for number in range(lone + batches):
        rows = min(1 if number < lone else CLIENTS, sizer.rows(cost))
        cost.observe(rows, cost_of(rows) * random.uniform(0.95, 1.05))
        found.append(rows)
    return found[lone:]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 600))
def test_a_model_that_gains_by_batches_gets_them_by_doubling_however_long_it_was_asked_one_by_one(lone: int) -> None:
    found = sizes(lambda rows: 0.01 + 0.0001 * rows, lone, 40)
    assert found.count(CLIENTS) >= 33
    assert all(rows <= 2 * max(found[:i], default=1) for i, rows in enumerate(found))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 600))
def test_a_model_that_gains_nothing_is_soon_asked_one_by_one(lone: int) -> None:
    found = sizes(lambda rows: 0.01 * rows, lone, EXPLORE_EVERY)
    assert found.count(1) >= EXPLORE_EVERY - 10
    assert sum(found[:12]) <= 80  # nobody waits long for it to be found out


@pytest.mark.parametrize(
    ("target_s", "rows"), [(0.04, 10), (0.03, 10), (0.02, 10), (0.015, 5), (0.001, 1), (1.0, CLIENTS)]
)
def test_a_target_for_the_latency_bounds_the_batch(target_s: float, rows: int) -> None:
    found = sizes(lambda rows: 0.01 + 0.001 * rows, 0, 200, target_s)
    assert sorted(found[50:])[len(found[50:]) // 2] == pytest.approx(rows, abs=1)


def test_a_batch_leaves_half_of_the_target_to_the_wait_for_the_one_before() -> None:
    found = sizes(lambda rows: 0.001 + 0.001 * rows, 0, 200, 0.02)
    assert sorted(found[50:])[len(found[50:]) // 2] == pytest.approx(9, abs=1)


def test_one_batch_in_many_has_a_few_rows_to_find_out_what_has_changed() -> None:
    found = sizes(lambda rows: 0.01 * rows, 0, 3 * EXPLORE_EVERY)
    assert found[EXPLORE_EVERY - 10 :].count(EXPLORE_ROWS) >= 2
    assert max(found[20:]) == EXPLORE_ROWS  # nobody waits for a full batch that does not pay


def test_a_model_that_begins_to_gain_by_batches_gets_them() -> None:
    changed = 600
    seen = []

    def cost_of(rows: int) -> float:
        seen.append(rows)
        return 0.01 * rows if len(seen) < changed else 0.01 + 0.0001 * rows

    found = sizes(cost_of, 0, changed + 4 * EXPLORE_EVERY)
    assert found[-20:] == [CLIENTS] * 20


def test_a_model_that_takes_one_record_at_a_time_is_given_no_more() -> None:
    assert BatchSizer(1).rows(CostModel()) == 1
