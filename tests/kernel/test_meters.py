"""Where each figure lies, and what can be told of a distribution from its buckets."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel import meters
from modelport.kernel.meters import BATCH_ROWS, CELLS, ROWS_BOUNDS, SECONDS_BOUNDS, Histogram, reading


def histogram(values: list[float], bounds: tuple[float, ...] = SECONDS_BOUNDS) -> Histogram:
    counts = [0.0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return Histogram(bounds, tuple(counts), sum(values))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    found = histogram(values).quantile(share)
    true = sorted(values)[ceil(share * len(values)) - 1]
    assert found is not None
    at = bisect_left(SECONDS_BOUNDS, true)
    assert (SECONDS_BOUNDS[at - 1] if at else 0) <= found * (1 + 1e-9)
    assert found <= SECONDS_BOUNDS[at] * (1 + 1e-9)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 300), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_quantile_is_never_smaller(values: list[float], one: float, other: float) -> None:
    low, high = (histogram(values).quantile(share) for share in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert low <= high * (1 + 1e-9)


def test_nothing_is_told_of_no_values() -> None:
    empty = histogram([])
    assert (empty.observations, empty.mean, empty.quantile(0.5)) == (0, None, None)


def test_above_the_last_bound_a_quantile_is_that_bound() -> None:
    assert histogram([1000.0] * 3).quantile(0.5) == 100.0


def test_no_two_figures_share_a_cell() -> None:
    """Each cell is read into exactly one figure."""
    read = reading([float(cell) for cell in range(CELLS)], 0, 0, 0, 0)
    histograms = (read.request_seconds, read.queue_seconds, read.batch_rows, read.model_seconds)
    cells = [*read.requests, *read.shed, *[c for h in histograms for c in (*h.counts, h.total)], read.items]
    assert cells == list(range(CELLS))
    assert all(len(h.counts) == len(h.bounds) + 1 for h in histograms)


@pytest.mark.parametrize("bounds", [SECONDS_BOUNDS, ROWS_BOUNDS])
def test_bounds_rise_in_small_steps(bounds: tuple[float, ...]) -> None:
    assert all(low < high <= 2.5001 * low for low, high in pairwise(bounds))


def test_a_batch_of_a_power_of_two_ends_its_bucket() -> None:
    assert BATCH_ROWS.bounds[:4] == (1, 2, 4, 8)
    assert bisect_left(ROWS_BOUNDS, 8) == 3


def test_the_numbers_of_outcomes_are_those_of_their_names() -> None:
    for name in meters.OUTCOMES:
        assert meters.OUTCOMES[getattr(meters, name.upper())] == name
    assert meters.SHED_REASONS[meters.TOO_LATE] == "deadline"
