"""A record is refused after its second death, not after somebody else's."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel.strikes import LIMIT, REMEMBERED, Strikes

deaths = st.lists(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=6), max_size=12)


@settings(max_examples=200, deadline=None)
@given(deaths)
def test_each_death_counts_once_for_every_record_that_was_there(history: list[list[bytes]]) -> None:
    """Two callers with the same body were there once, not twice."""
    strikes = Strikes()
    for running in history:
        strikes.record(running)
    for digest in (b"a", b"b", b"c", b"d"):
        assert strikes.of(digest) == sum(digest in running for running in history)
        assert strikes.refused(digest) == (strikes.of(digest) >= LIMIT)
    assert bool(strikes) == any(history)


def test_it_stays_small_and_forgets_the_oldest_first() -> None:
    strikes = Strikes()
    for number in range(3 * REMEMBERED):
        strikes.record([b"killer", number.to_bytes(8, "little")])
    assert strikes.refused(b"killer")
    assert strikes.of((0).to_bytes(8, "little")) == 0
    assert len(strikes._deaths) == REMEMBERED
