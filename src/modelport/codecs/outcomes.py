"""From what a function returned to what its caller gets: checked, written, or a failure whose cause is for the log alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from modelport.codecs.answers import CannotWrite, UnknownAnswer, encode_answer
from modelport.codecs.arrow import join_arrow, write_arrow
from modelport.codecs.declared import WrongAnswer, compile_check
from modelport.codecs.json import Encoded
from modelport.codecs.media import ARROW, JSON, NPY, OCTETS, is_installed
from modelport.codecs.npy import count_npy, join_npy, write_npy
from modelport.errors import NotAcceptable, Problem
from modelport.kernel.ports import Outcome
from modelport.kernel.reply import Reply
from modelport.kernel.values import Failure

Write = Callable[[Any], bytes | Failure]
WRONG, UNKNOWN = "does not fit its annotation", "cannot be written"


def compile_writer(answer: TypeAdapter[Any] | None) -> Write:
    """How answers of one function become JSON; decided once, by its return annotation."""
    check = compile_check(answer)

    def write(value: Any) -> bytes | Failure:
        try:
            return encode_answer(value)
        except UnknownAnswer as error:
            return wrong_answer(UNKNOWN, error)

    def write_checked(value: Any) -> bytes | Failure:
        assert check is not None
        try:
            return encode_answer(check(value))
        except (UnknownAnswer, WrongAnswer) as error:
            return wrong_answer(WRONG if isinstance(error, WrongAnswer) else UNKNOWN, error)

    return write if check is None else write_checked


def wrong_answer(what: str, error: Exception) -> Failure:
    """The caller is told that the answer was wrong, the log in what."""
    return Failure("wrong_answer", "The model gave an answer that it should not give", f"the answer {what}: {error}")


# -- other media types than JSON ----------------------------------------------------------------------------------


def _write_bytes(value: Any) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise CannotWrite(f"it is of type {type(value).__name__}, not bytes")
    return bytes(value)


WRITERS: dict[bytes, Callable[[Any], bytes]] = {NPY: write_npy, ARROW: write_arrow, OCTETS: _write_bytes}
JOINERS: dict[bytes, Callable[[list[bytes]], bytes]] = {NPY: join_npy, ARROW: join_arrow}


def offered(answer: TypeAdapter[Any] | None) -> list[str]:
    """The media types that a function's answers may have beside JSON, by what it declares and what is installed."""
    kind = None if answer is None else answer._type
    offers = [NPY] if is_installed("numpy") else []
    offers += [ARROW] if is_installed("pyarrow") else []
    if kind is bytes:
        offers = [OCTETS]
    elif kind is None:
        offers.append(OCTETS)
    elif kind in (bool, str):
        offers = []
    return [media.decode() for media in offers]


def compile_media_writer(answer: TypeAdapter[Any] | None) -> Callable[[bytes], Write]:
    """How answers are written in the first of some media types, joined by commas, that has a form for them."""
    check = compile_check(answer) or (lambda value: value)
    write_json = compile_writer(answer)

    @lru_cache(64)
    def way(wanted: bytes) -> Write:
        names = wanted.split(b",")

        def write(value: Any) -> Outcome:
            try:
                return _write_first(names, check(value), write_json)
            except (UnknownAnswer, WrongAnswer) as error:
                return wrong_answer(WRONG if isinstance(error, WrongAnswer) else UNKNOWN, error)

        return write

    return way


def _write_first(names: list[bytes], value: Any, write_json: Write) -> Outcome:
    reasons = []
    for media in names:
        if media == JSON:
            return write_json(value)
        try:
            written = Encoded(WRITERS[media](value))
        except CannotWrite as error:
            reasons.append(f"as {media.decode()}, because {error}")
            continue
        written.media = media
        written.non_finite = count_npy(written) if media == NPY else 0
        return written
    return _not_acceptable(" nor ".join(reasons))


def _not_acceptable(reasons: str) -> Failure:
    message = f"The answer cannot be written {reasons}"
    problem = Problem(("header", "accept"), message, "not_acceptable", None, "accept application/json")
    return Failure("not_acceptable", message, "", NotAcceptable([problem]))


def assemble_media(outcomes: Sequence[Outcome], listed: bool, encode_error: Callable[[Failure], bytes]) -> Reply | None:
    """One answer where the outcomes are not JSON; None where they are. No record of a batch may be missing."""
    media = {outcome.media for outcome in outcomes if isinstance(outcome, Encoded)} - {b""}
    if not media:
        return None
    failure = next((o for o in outcomes if isinstance(o, Failure)), None)
    parts = [o for o in outcomes if isinstance(o, Encoded) and o.media]
    if failure is None and (len(media) > 1 or len(parts) < len(outcomes)):
        failure = _not_acceptable("in one media type: the answers of this batch are of several kinds")
    if failure is not None:
        status = 500 if failure.error is None else 406 if failure.code == "not_acceptable" else 422
        return Reply(status, encode_error(failure), cause=failure.cause)
    kind = media.pop()
    try:
        body = JOINERS[kind](list(parts)) if listed else bytes(parts[0])
    except (CannotWrite, KeyError) as error:
        reason = error if isinstance(error, CannotWrite) else "it has no form for batches"
        return Reply(406, encode_error(_not_acceptable(f"as {kind.decode()}, because {reason}")))
    return Reply(200, body, 0, sum(part.non_finite for part in parts), media=kind)
