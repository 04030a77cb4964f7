"""A record is refused after its second death, not after somebody else's, and not for ever."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel.strikes import FORGIVEN_SECONDS, LIMIT, REMEMBERED, Strikes

deaths = st.lists(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=6), max_size=12)


@settings(max_examples=200, deadline=None)
@given(deaths)
def test_each_death_counts_once_for_every_record_that_was_there(history: list[list[bytes]]) -> None:
    """Two callers with the same body were there once, not twice."""
    strikes = Strikes()
    for running in history:
        strikes.record(running, 1.0)
    for digest in (b"a", b"b", b"c", b"d"):
        assert strikes.of(digest) == sum(digest in running for running in history)
        assert strikes.refused(digest) == (strikes.of(digest) >= LIMIT)
    assert bool(strikes) == any(history)


def test_it_stays_small_and_forgets_the_oldest_first() -> None:
    strikes = Strikes()
    for number in range(3 * REMEMBERED):
        strikes.record([b"killer", number.to_bytes(8, "little")], 1.0)
    assert strikes.refused(b"killer")
    assert strikes.of((0).to_bytes(8, "little")) == 0
    assert len(strikes._deaths) == REMEMBERED


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.floats(0.0, 2 * FORGIVEN_SECONDS)), max_size=12))
def test_a_record_is_forgotten_when_its_last_death_is_long_ago(history: list[tuple[bytes, float]]) -> None:
    strikes, now = Strikes(), 0.0
    expected: dict[bytes, list[float]] = {}
    for digest, pause in history:
        now += pause
        before = {known for known, times in expected.items() if len(times) >= LIMIT}
        expected = {known: times for known, times in expected.items() if now - times[-1] < FORGIVEN_SECONDS}
        assert strikes.expire(now) == bool(before - expected.keys())
        assert set(strikes.all_refused()) == before & expected.keys()
        strikes.record([digest], now)
        expected.setdefault(digest, []).append(now)
    assert {digest: strikes.of(digest) for digest in expected} == {d: len(times) for d, times in expected.items()}


def test_a_reload_clears_all() -> None:
    strikes = Strikes()
    for _ in range(LIMIT):
        strikes.record([b"a"], 1.0)
    strikes.clear()
    assert not strikes
    assert not strikes.all_refused()
