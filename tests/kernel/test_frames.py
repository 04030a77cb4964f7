"""Frames between processes: whatever the packets were, the same frames come out; garbage is refused."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelport.kernel import frames
from modelport.kernel.frames import Answer, Call, Frame, FrameError, FrameReader, Parts, packets_of

u32 = st.integers(0, 2**32 - 1)
bodies = st.binary(max_size=40)
moments = st.one_of(st.just(inf), st.floats(0, 1e9))
calls = st.builds(Call, u32, moments, u32, st.integers(0, 255), bodies)
answers = st.builds(Answer, u32, st.integers(0, 2**16 - 1), u32, u32, u32, moments, moments, bodies)
plain = st.tuples(st.sampled_from([frames.HELLO, frames.GOODBYE]), bodies)
items = st.tuples(st.just("item"), u32, bodies)
credits = st.tuples(st.just("credit"), u32, u32)
messages = st.lists(st.one_of(calls, answers, u32, plain, items, credits), max_size=12)


def encoded(message: Any) -> bytes:
    if isinstance(message, Call):
        return frames.encode_call(message)
    if isinstance(message, Answer):
        return frames.encode_answer(message)
    if isinstance(message, tuple) and message[0] in ("item", "credit"):
        return (frames.encode_item if message[0] == "item" else frames.encode_credit)(*message[1:])
    return frames.encode_cancel(message) if isinstance(message, int) else frames.encode_plain(*message)


def decoded(frame: Frame) -> Any:
    if frame.kind == frames.CALL:
        return frame.call()
    if frame.kind == frames.ANSWER:
        answer = frame.answer()
        return answer._replace(body=bytes(answer.body))
    if frame.kind in (frames.ITEM, frames.CREDIT):
        return ("item", *frame.item()) if frame.kind == frames.ITEM else ("credit", *frame.credit())
    return frame.cancelled() if frame.kind == frames.CANCEL else (frame.kind, frame.data)


def packets(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@settings(max_examples=1000, deadline=None)
@given(messages, st.lists(st.integers(0, 10**6), max_size=30))
def test_what_was_sent_arrives_whatever_the_packets_were(sent: list[Any], cuts: list[int]) -> None:
    reader = FrameReader()
    stream = b"".join(map(encoded, sent))
    assert [decoded(f) for packet in packets(stream, cuts) for f in reader.feed(packet)] == sent


@settings(max_examples=300, deadline=None)
@given(messages.filter(bool), st.integers(0, 10**6))
def test_a_frame_comes_out_as_soon_as_its_last_byte_is_there(sent: list[Any], cut: int) -> None:
    reader = FrameReader()
    stream = b"".join(map(encoded, sent))
    at = cut % len(stream)
    whole = [decoded(frame) for frame in reader.feed(stream[:at])]
    assert whole == sent[: len(whole)]
    assert len(b"".join(map(encoded, sent[: len(whole) + 1]))) > at


def test_the_length_of_each_frame_says_where_the_next_begins() -> None:
    for message in (Call(1, 2.0, 3, 4, b"body"), Answer(1, 200, 0, 0, 1, 0.0, 0.0, b"body"), 7, (frames.HELLO, b"")):
        frame = encoded(message)
        assert int.from_bytes(frame[:4], "little") == len(frame) - 4


@pytest.mark.parametrize("length", [0, 2**31 + 1, 2**32 - 1])
def test_a_length_that_no_frame_has_is_refused(length: int) -> None:
    with pytest.raises(FrameError, match=str(length)):
        FrameReader().feed(length.to_bytes(4, "little") + bytes([frames.CALL]))


@pytest.mark.parametrize("kind", [0, 8, 255])
def test_a_kind_that_no_frame_has_is_refused(kind: int) -> None:
    with pytest.raises(FrameError, match=f"kind {kind}"):
        FrameReader().feed(frames.encode_plain(kind, b"x"))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_garbage_is_refused_or_waited_for_and_raises_nothing_else(garbage: list[bytes]) -> None:
    reader = FrameReader()
    try:
        for packet in garbage:
            for frame in reader.feed(packet):
                decoded(frame)
    except FrameError:
        return


@pytest.mark.parametrize("kind", [frames.CALL, frames.ANSWER, frames.CANCEL, frames.ITEM, frames.CREDIT])
def test_a_head_that_is_cut_off_is_refused(kind: int) -> None:
    (frame,) = FrameReader().feed(frames.encode_plain(kind, b"abc"))
    with pytest.raises(FrameError, match="3 bytes"):
        decoded(frame)


def test_the_parts_of_a_large_frame_are_kept_and_joined_once() -> None:
    """Joining at every packet would copy a large body hundreds of times."""
    reader = FrameReader()
    stream = frames.encode_call(Call(1, inf, 1, 0, bytes(range(256)) * 4096))
    parts = [stream[at : at + 65536] for at in range(0, len(stream), 65536)]
    for part in parts[:-1]:
        assert not reader.feed(part)
    assert all(kept is part for kept, part in zip(reader._parts, parts[:-1], strict=True))
    assert len(reader.feed(parts[-1])) == 1
    assert not reader._parts


def test_media_travel_with_calls_and_answers() -> None:
    call = Call(1, 2.0, 3, 0, b"body", b"id", b"application/x-npy\napplication/json")
    answer = Answer(1, 200, 0, 1, 1, 0.0, 0.0, b"body", b"application/x-npy")
    first, second = FrameReader().feed(frames.encode_call(call) + frames.encode_answer(answer))
    assert first.call() == call
    assert second.answer() == answer


@pytest.mark.parametrize("kind", [frames.CALL, frames.ANSWER])
def test_media_that_are_cut_off_are_no_frame(kind: int) -> None:
    whole = (
        frames.encode_call(Call(1, 2.0, 3, 0, b"", b"id", b"m"))
        if kind == frames.CALL
        else frames.encode_answer(Answer(1, 200, 0, 0, 1, 0.0, 0.0, b"", b"m"))
    )
    frame = Frame(kind, whole[5:-1])
    with pytest.raises(FrameError):
        frame.call() if kind == frames.CALL else frame.answer()


def test_a_call_brings_the_models_that_it_came_through() -> None:
    call = Call(7, 2.5, 1, 0, b"body", b"request", chain=b"outer\0inner")
    (frame,) = FrameReader().feed(frames.encode_call(call))
    assert frame.call() == call


large = st.builds(
    Call, u32, moments, u32, st.integers(0, 255), st.just(bytes(range(251)) * 600), bodies, bodies, bodies
)
large_answers = st.builds(
    Answer, u32, st.integers(0, 2**16 - 1), u32, u32, u32, moments, moments, st.just(b"0.5," * 40_000), bodies
)
large_items = st.tuples(st.just("item"), u32, st.just(b"[1]" * 50_000))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(large, large_answers, large_items, calls, u32), max_size=4), st.lists(st.integers(0, 10**6)))
def test_large_bodies_arrive_whatever_the_packets_were_and_whatever_stands_around_them(
    sent: list[Any], cuts: list[int]
) -> None:
    reader = FrameReader()
    stream = b"".join(map(encoded, sent))
    assert [decoded(f) for packet in packets(stream, cuts) for f in reader.feed(packet)] == sent
    assert not any(reader._parts)


def test_a_head_that_reaches_beyond_the_first_packets_of_a_large_frame_is_read_whole() -> None:
    """No service has such a chain; a frame may have one."""
    call = Call(1, 2.0, 3, 0, b"x" * 100_000, b"id", b"media", chain=b"c" * 150_000)
    stream = frames.encode_call(call)
    reader = FrameReader()
    found = [f.call() for at in range(0, len(stream), 65_000) for f in reader.feed(stream[at : at + 65_000])]
    assert found == [call]


def test_the_packets_of_a_large_body_meet_once_in_the_body_itself() -> None:
    reader = FrameReader()
    stream = frames.encode_answer(Answer(1, 200, 0, 0, 1, 0.0, 0.0, bytes(1_000_000)))
    parts = [stream[at : at + 100_000] for at in range(0, len(stream), 100_000)]
    (frame,) = [frame for part in parts for frame in reader.feed(part)]
    assert all(kept is part for kept, part in zip(frame.tail, parts[1:], strict=True))


def test_a_large_answer_is_left_in_its_packets_for_whoever_passes_it_on() -> None:
    stream = frames.encode_answer(Answer(1, 200, 0, 0, 1, 0.0, 0.0, b"0.5," * 100_000, b"media"))
    parts = [stream[at : at + 100_000] for at in range(0, len(stream), 100_000)]
    reader = FrameReader()
    (answer,) = [frame.answer() for part in parts for frame in reader.feed(part)]
    assert isinstance(answer.body, Parts)
    assert list(answer.body.packets[1:]) == parts[1:]
    assert (len(answer.body), bytes(answer.body)) == (400_000, b"0.5," * 100_000)
    assert packets_of(b"x") == (b"x",)
    assert b"".join(packets_of(answer.body)) == bytes(answer.body)


def test_the_heads_of_frames_say_how_long_the_body_behind_them_is() -> None:
    call, answer = Call(1, 2.0, 3, 4, b"body", b"id"), Answer(1, 200, 0, 0, 1, 0.0, 0.0, b"body", b"media")
    assert frames.encode_call_head(call) + b"body" == frames.encode_call(call)
    assert frames.encode_answer_head(answer) + b"body" == frames.encode_answer(answer)
