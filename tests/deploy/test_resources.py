"""From a measurement to what is asked of a cluster."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from modelport.deploy.measure import Measured
from modelport.deploy.resources import MIB, Patience, resources

measurements = st.builds(
    Measured,
    start_s=st.floats(0.01, 600),
    idle_bytes=st.just(0),
    peak_bytes=st.integers(10 * MIB, 64_000 * MIB),
    own_processes=st.integers(0, 8),
    call_s=st.floats(0, 300),
    workers=st.integers(1, 16),
)


@given(measurements, st.integers(0, 60), st.floats(0, 300))
def test_every_replica_has_room_beyond_what_was_seen_and_ends_before_it_is_killed(
    measured: Measured, pre_stop_s: int, stop_s: float
) -> None:
    given_to_it = resources(measured, Patience(pre_stop_s, stop_s, drain_s=1.0, longest_s=30.5))
    assert given_to_it.memory_mib * MIB >= max(128 * MIB, measured.peak_bytes * 1.4)
    assert given_to_it.memory_mib % 32 == 0
    assert given_to_it.cpu_millis == 1000 * (measured.workers + measured.own_processes)
    assert given_to_it.start_s >= 10 * measured.start_s
    assert given_to_it.stop_s >= max(stop_s, 1 + 30.5 + 3, 1 + measured.call_s + 3)  # who came last has all its time
    assert given_to_it.termination_s >= pre_stop_s + given_to_it.stop_s + 5


def waiting_rows(rows_per_s: float | None, patience: Patience) -> int:
    measured = Measured(1.0, 0, MIB, own_processes=1, call_s=0.1, rows_per_s={"one": rows_per_s})
    ((model, rows),) = resources(measured, patience).waiting_rows
    assert model == ""
    return rows


def test_a_slow_model_gets_another_replica_before_it_refuses_calls() -> None:
    usual = Patience(5, 25.0, longest_s=30.5)
    assert waiting_rows(10_000.0, usual) == 64
    assert waiting_rows(5.0, usual) == 5  # a second's work
    assert waiting_rows(0.3, usual) == 1
    assert waiting_rows(None, usual) == 64  # nobody knows
    assert waiting_rows(40.0, Patience(5, 25.0, longest_s=2.0)) == 20  # a quarter of what callers wait for
    assert waiting_rows(10_000.0, Patience(5, 25.0, queue_rows=8)) == 4  # they are refused at eight


def test_what_waits_for_a_slow_model_is_not_lost_among_what_waits_for_a_fast_one() -> None:
    def waiting(rows_per_s: dict[str, float | None]) -> object:
        measured = Measured(1.0, 0, MIB, own_processes=2, call_s=0.1, rows_per_s=rows_per_s)
        return resources(measured, Patience(5, 25.0, longest_s=30.5)).waiting_rows

    assert waiting({"slow": 2.0, "fast": 9000.0}) == (("slow", 2), ("fast", 64))
    assert waiting({'slow "one"': 2.0, "fast": 9000.0}) == (("", 2),)  # no label can be called so
    assert waiting({}) == (("", 64),)


def test_what_is_slow_is_told_by_the_measured_call_and_stays_within_the_histogram() -> None:
    def slow_s(call_s: float) -> float:
        return resources(Measured(1.0, 0, MIB, own_processes=1, call_s=call_s), Patience(5, 25.0)).slow_s

    assert (slow_s(0.02), slow_s(3.2), slow_s(500.0)) == (1.0, 7, 60)


def test_a_model_that_runs_where_calls_are_read_is_said_to() -> None:
    inline = Measured(1.0, 0, MIB, own_processes=0, call_s=0.1, inline_models=1)
    assert resources(inline, Patience(5, 25.0)).inline
    assert not resources(Measured(1.0, 0, MIB, own_processes=1, call_s=0.1), Patience(5, 25.0)).inline


def test_bodies_that_may_wait_have_room_and_no_more_may_wait_than_have() -> None:
    measured = Measured(1.0, 0, 100 * MIB, own_processes=0, call_s=0.1, body_factor=6.0)
    usual = resources(measured, Patience(5, 25.0))
    assert usual.queue_bytes == 18 * MIB  # the largest body, and some small ones beside it
    assert usual.memory_mib >= 100 + 18 * 6
    assert usual.environment["MODELPORT_QUEUE_BYTES"] == str(18 * MIB)
    small = resources(measured, Patience(5, 25.0, max_body=MIB))
    assert small.memory_mib < usual.memory_mib
    wanted = resources(measured, Patience(5, 25.0, queue_bytes=100 * MIB))  # as its user says
    assert wanted.queue_bytes == 100 * MIB
    assert wanted.memory_mib >= 100 + 100 * 6
