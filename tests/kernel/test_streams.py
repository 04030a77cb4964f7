"""Streams as decisions: how far ahead, when a sign of life, when too late, whose turn. Whatever happens in between."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel.streams import ITEM_BYTES, TURN_SECONDS, Due, ReceiveWindow, Rhythm, SendWindow, Turn, weight

sizes = st.integers(0, 400)
limits = st.integers(1, 1000)


@settings(max_examples=500, deadline=None)
@given(limits, st.lists(st.tuples(sizes, st.booleans()), max_size=60))
def test_a_generator_is_never_ahead_by_more_than_its_window_and_one_item(
    limit: int, steps: list[tuple[int, bool]]
) -> None:
    """`True`: the reader takes the oldest item, if there is one; else the generator gives one, if it may."""
    sender, reader = SendWindow(limit), ReceiveWindow(limit)
    on_the_way: deque[int] = deque()
    for size, takes in steps:
        if takes and on_the_way:
            sender.credited(reader.taken(on_the_way.popleft()))
        elif sender.open:
            sender.sent(size)
            on_the_way.append(size)
            assert sum(on_the_way) < limit + size + 1


@settings(max_examples=500, deadline=None)
@given(limits, st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_a_reader_who_reads_on_gets_every_item(limit: int, items: list[int]) -> None:
    """Credit comes in lumps: it must never be so late that both sides wait for each other."""
    sender, reader = SendWindow(limit), ReceiveWindow(limit)
    waiting, on_the_way, taken = deque(items), deque[int](), 0
    while waiting or on_the_way:
        while waiting and sender.open:
            sender.sent(waiting[0])
            on_the_way.append(waiting.popleft())
        assert on_the_way, "the generator waits for credit, and the reader for items"
        while on_the_way:
            size = on_the_way.popleft()
            taken += size
            sender.credited(reader.taken(size))
    assert taken == sum(items)


def test_a_million_empty_items_do_not_pass_for_nothing() -> None:
    assert weight(b"") == ITEM_BYTES > 0
    assert weight(b"abc") == ITEM_BYTES + 3


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["item", "write", "block", "unblock", "wait"]), st.floats(0, 50)), max_size=40)
)
def test_a_stream_is_looked_at_again_soon_enough_and_never_at_once(steps: list[tuple[str, float]]) -> None:
    rhythm, now, blocked, since = Rhythm(15.0, 30.0, 0.0), 0.0, False, 0.0
    for step, seconds in steps:
        now += seconds
        if step == "item":
            rhythm.heard(now)
            since = now
        elif step == "write":
            rhythm.wrote(now)
        elif step == "block":
            rhythm.block()
            blocked = True
        elif step == "unblock":
            rhythm.unblock(now)
            since = now if blocked else since
            blocked = False
        assert now < rhythm.wake_at(now) <= now + 15.0
        due = rhythm.due(now)
        assert (due is Due.END) == (not blocked and now - since >= 30.0)
        assert not (blocked and due is not Due.NOTHING)


def test_a_silent_stream_gives_signs_of_life_and_then_ends() -> None:
    rhythm = Rhythm(15.0, 40.0, 100.0)
    assert rhythm.due(114.9) is Due.NOTHING
    assert rhythm.due(115.0) is Due.BEAT
    rhythm.wrote(115.0)
    assert rhythm.due(120.0) is Due.NOTHING
    assert rhythm.due(139.9) is Due.BEAT
    assert rhythm.due(140.0) is Due.END


def test_a_turn_is_lost_by_standing_still_while_others_wait() -> None:
    turn = Turn()
    looks = [turn.look(float(second), paused=True, wanted=True) for second in range(int(TURN_SECONDS) + 3)]
    assert looks.index(True) == int(TURN_SECONDS) + 1


def test_a_turn_that_nobody_wants_is_kept_for_ever() -> None:
    turn = Turn()
    assert not any(turn.look(float(second), paused=True, wanted=False) for second in range(1000))


def test_a_turn_is_kept_by_who_reads() -> None:
    turn = Turn()
    assert not any(turn.look(float(second), paused=False, wanted=True) for second in range(1000))


def test_short_pauses_add_up() -> None:
    """Whoever reads a little now and then holds the others up just as well."""
    turn = Turn()
    looks = [turn.look(float(second), paused=second % 3 != 0, wanted=True) for second in range(60)]
    assert any(looks)
