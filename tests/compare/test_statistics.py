"""Percentiles, intervals and the order of a run: pure arithmetic."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelport.compare.histogram import Histogram
from modelport.compare.intervals import (
    Interval,
    between_rounds,
    confidence_between,
    interval,
    paired_ratio,
    welch_ratio,
)
from modelport.compare.loadgen import arrivals
from modelport.compare.schedule import arrival_rates, order, reachable
from modelport.compare.tables import brackets

SPEEDS = st.lists(st.floats(0.001, 1e6), min_size=2, max_size=12)


@given(st.lists(st.floats(1e-5, 100), min_size=20, max_size=300))
def test_a_percentile_is_within_one_percent_of_the_sample_it_names(samples: list[float]) -> None:
    histogram = Histogram()
    for sample in samples:
        histogram.add(sample)
    told = histogram.percentile(0.5)
    assert told is not None
    exact = sorted(samples)[math.ceil(0.5 * len(samples)) - 1]
    assert told == pytest.approx(exact, rel=0.0101)


@pytest.mark.parametrize(
    ("samples", "share", "told"),
    [(19, 0.5, False), (20, 0.5, True), (999, 0.99, False), (1000, 0.99, True), (10_000, 0.999, True)],
)
def test_a_percentile_is_told_only_where_ten_samples_lie_above_it(samples: int, share: float, told: bool) -> None:
    histogram = Histogram([[500, samples]])
    assert (histogram.percentile(share) is not None) == told


def test_merged_histograms_hold_both_and_survive_json() -> None:
    one, other = Histogram([[1, 2], [5, 1]]), Histogram([[5, 3]])
    assert Histogram(one.merged(other).plain()).counts == {1: 2, 5: 4}


@given(SPEEDS)
def test_an_interval_holds_its_mean_and_grows_with_the_level(values: list[float]) -> None:
    usual, wide = interval(values, 0.95), interval(values, 0.99)
    assert usual is not None
    assert wide is not None
    assert usual.low is not None
    assert usual.high is not None
    assert usual.low <= usual.value * (1 + 1e-9)
    assert usual.value <= usual.high * (1 + 1e-9)
    assert (wide.low or 0) <= usual.low
    assert (wide.high or 0) >= usual.high


def test_an_interval_of_three_rounds_is_student_s() -> None:
    found = interval([math.exp(1), math.exp(2), math.exp(3)])
    assert found is not None
    assert math.log(found.low or 0) == pytest.approx(2 - 4.303 / math.sqrt(3))


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    draw = random.Random(1)
    covered = 0
    for _ in range(2000):
        found = interval([math.exp(draw.gauss(0, 0.2)) for _ in range(5)])
        assert found is not None
        covered += not found.excludes(1.0)
    assert 0.93 < covered / 2000 < 0.97


def test_a_single_round_has_no_interval() -> None:
    found = interval([5.0])
    assert found is not None
    assert (found.value, found.low, found.high) == (5.0, None, None)


def test_a_pair_of_rounds_that_were_slow_together_makes_no_difference() -> None:
    found = paired_ratio([100, 10, 50], [50, 5, 25])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))


@pytest.mark.parametrize("broken", [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0])])
def test_a_ratio_of_what_cannot_be_paired_is_none(broken: tuple[list[float], list[float]]) -> None:
    assert paired_ratio(*broken) is None


def test_two_runs_that_hardly_vary_show_a_small_change() -> None:
    found = welch_ratio([90, 91, 90, 89, 90], [100, 101, 100, 99, 100])
    assert found is not None
    assert found.high is not None
    assert found.high < 1
    noise = welch_ratio([50, 150, 90, 80, 120], [100, 60, 140, 90, 110])
    assert noise is not None
    assert not noise.excludes(1.0)


def test_everybody_runs_once_in_each_round_and_begins_one_in_turn() -> None:
    steps = order(["a", "b", "c"], 4)
    assert [sorted(name for number, name in steps if number == n) for n in range(4)] == [["a", "b", "c"]] * 4
    assert [next(name for number, name in steps if number == n) for n in range(4)] == ["a", "b", "c", "a"]


def test_rates_reach_from_what_all_can_do_to_what_one_can() -> None:
    rates = arrival_rates([100, 10_000], 5)
    assert rates[0] == pytest.approx(60)
    assert rates[-1] == pytest.approx(8500)
    assert rates == sorted(rates)
    assert reachable(rates, 100) == rates[:3]
    assert reachable(rates, 10_000) == rates


@given(st.lists(st.floats(1, 1e5), min_size=3, max_size=16), st.integers(3, 6), st.floats(0.5, 1e5))
def test_two_in_three_have_as_many_points_as_there_are_rates_below_the_middle(
    capacities: list[float], count: int, most: float
) -> None:
    rates = arrival_rates(capacities, count, most)
    assert rates == sorted(set(rates))
    assert rates[-1] <= most * 1.0001
    several = [c for c in capacities if len(reachable(rates, c)) >= min(len(rates), 2)]
    assert len(several) >= 2 / 3 * len(capacities)


def test_what_the_generator_sends_on_time_bounds_the_rates() -> None:
    rates = arrival_rates([1000, 1200, 1500, 50_000], 5, most=8000)
    assert rates[-1] == pytest.approx(8000)
    assert [len(reachable(rates, c)) for c in (1000, 1200, 1500, 50_000)] == [2, 3, 3, 5]
    assert arrival_rates([1000, 2000], 4, most=300) == [300]


def test_arrivals_are_the_same_for_everybody_and_of_the_rate_that_was_asked_for() -> None:
    assert arrivals(1000, 10, seed=7) == arrivals(1000, 10, seed=7) != arrivals(1000, 10, seed=8)
    assert len(arrivals(1000, 10, seed=7)) == pytest.approx(10_000, rel=0.05)


@given(st.lists(st.lists(st.floats(1e-4, 10), min_size=40, max_size=60), min_size=2, max_size=6))
def test_a_percentile_of_all_lies_between_the_lowest_and_the_highest_of_its_rounds(rounds: list[list[float]]) -> None:
    each, pooled = [Histogram() for _ in rounds], Histogram()
    for one, found_in_it in zip(each, rounds, strict=True):
        for seconds in found_in_it:
            one.add(seconds)
    for one in each:
        pooled = pooled.merged(one)
    value = pooled.percentile(0.5)
    assert value is not None
    found = between_rounds(value, [one.percentile(0.5) for one in each])
    assert found.low is not None
    assert found.high is not None
    assert found.low <= value <= found.high


def test_where_one_round_does_not_bear_a_percentile_no_edges_are_told() -> None:
    assert between_rounds(2.0, [1.0, None, 3.0]) == Interval(2.0, None, None, 2)
    assert between_rounds(2.0, [2.0]) == Interval(2.0, None, None, 1)


@pytest.mark.parametrize("rounds", [2, 3, 5])
def test_the_confidence_of_the_edges_is_how_often_they_hold_the_median(rounds: int) -> None:
    """Each round lies above or below the median: all such outcomes, of which two are all on one side."""
    sides = list(itertools.product((False, True), repeat=rounds))
    assert confidence_between(rounds) == sum(any(s) and not all(s) for s in sides) / len(sides)


def test_the_fewest_rounds_of_a_table_are_told_beside_its_brackets() -> None:
    """One that took part in fewer, or was interrupted, makes the whole table no surer than its own."""
    told = brackets([Interval(2.0, 1.0, 3.0, 5), Interval(2.0, 1.0, 3.0, 3), Interval(2.0, None, None, 1), None])
    assert "of 3 or more rounds these two hold the median with 75 % confidence" in told
    assert "of 9 rounds these two hold the median with 99 % confidence" in brackets([Interval(2.0, 1.0, 3.0, 9)])


def test_brackets_are_explained_where_there_are_any_and_only_there() -> None:
    span = Interval(2.0, 1.0, 3.0, 5)
    assert brackets([None, Interval(2.0, None, None, 1)], [None]) == ""
    assert brackets([], [span]) == "In brackets: the 95 % interval over the rounds."
    assert brackets([span], [span]).endswith("In brackets beside other numbers: the 95 % interval over the rounds.")
