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
