"""What is written in one turn of the loop shares a write; a lone frame waits for nothing, and nothing changes its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from modelport.runtime.turn import MOST_BYTES, MOST_TOGETHER, TurnWriter


class Line:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closing = self.cut = False

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written.append(data)

    def writelines(self, parts: Sequence[bytes]) -> None:
        """Keep them."""
        self.written += parts

    def is_closing(self) -> bool:
        """Whether it was hung up."""
        return self.closing

    def get_write_buffer_size(self) -> int:
        """Nobody reads here."""
        return sum(map(len, self.written))

    def close(self) -> None:
        """Hang up."""
        self.closing = True

    def abort(self) -> None:
        """Hang up at once."""
        self.closing = self.cut = True


class Turns:
    """A loop of which each turn is ours to end."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        """In the next turn."""
        self.soon.append(call)

    def end(self) -> None:
        """The turn is over."""
        soon, self.soon = self.soon, []
        for call in soon:
            call()


def writer() -> tuple[TurnWriter, Line, Turns]:
    """One line."""
    line, turns = Line(), Turns()
    return TurnWriter(cast(Any, line), cast(asyncio.AbstractEventLoop, turns)), line, turns


def test_a_lone_frame_is_written_at_once_and_those_behind_it_go_together_at_the_end_of_the_turn() -> None:
    lane, line, turns = writer()
    for frame in (b"a", b"b", b"c"):
        lane.write(frame)
    assert line.written == [b"a"]
    assert lane.backlog == 3
    turns.end()
    assert line.written == [b"a", b"bc"]
    lane.write(b"d")
    assert line.written == [b"a", b"bc", b"d"]


def test_the_other_side_gets_something_to_do_while_there_is_more_to_come() -> None:
    lane, line, _ = writer()
    for _ in range(MOST_TOGETHER + 1):
        lane.write(b"x")
    assert line.written == [b"x", b"x" * MOST_TOGETHER]


def test_a_large_frame_is_not_copied_into_another() -> None:
    lane, line, _ = writer()
    large = bytes(MOST_BYTES + 1)
    for frame in (b"a", b"b", large):
        lane.write(frame)
    assert line.written[1] == b"b"
    assert line.written[2] is large


def test_a_frame_in_parts_goes_behind_what_waits_and_is_not_joined() -> None:
    lane, line, _ = writer()
    for frame in (b"a", b"b"):
        lane.write(frame)
    lane.write_parts([b"head", b"body"])
    lane.write(b"c")
    assert line.written == [b"a", b"b", b"head", b"body"]
    lane.close()
    lane.write_parts([b"late"])
    assert line.written[4:] == [b"c"]


def test_what_waits_is_sent_before_the_line_is_closed_and_dropped_where_it_is_cut() -> None:
    closed, closed_line, closed_turns = writer()
    cut, cut_line, cut_turns = writer()
    for lane in (closed, cut):
        lane.write(b"a")
        lane.write(b"b")
    closed.close()
    cut.abort()
    for lane in (closed, cut):
        lane.write(b"late")
    closed_turns.end()
    cut_turns.end()
    assert (closed_line.written, cut_line.written) == ([b"a", b"b"], [b"a"])
    assert (closed_line.cut, cut_line.cut) == (False, True)


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(bytes(MOST_BYTES + 1)), st.none()), max_size=80))
def test_whatever_the_turns_every_byte_comes_once_and_in_order(steps: list[bytes | None]) -> None:
    lane, line, turns = writer()
    for step in steps:
        turns.end() if step is None else lane.write(step)
    turns.end()
    assert b"".join(line.written) == b"".join(step for step in steps if step is not None)
    assert lane.backlog == line.get_write_buffer_size()
