"""Mounted WSGI applications, asked on raw sockets: what the usual adapters get wrong, a test for each."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.process.server import Connection, Server, chunked, request, wait_until


@pytest.fixture(scope="module")
def wsgi(serve: Callable[..., Server]) -> Server:
    """An application that is plain WSGI, on two threads with two places to wait."""
    return serve("plain_wsgi.py", "--web-threads", 2, "--web-queue", 2)


def seen(answer: object) -> dict[str, str]:
    """The environment that the application told."""
    environ: dict[str, str] = json.loads(answer.body)  # type: ignore[attr-defined]
    return environ


def test_a_post_with_a_length_is_read(wsgi: Server) -> None:
    assert wsgi.ask("POST", "/read", b"12345").body == b"12345"


def test_a_chunked_post_is_read_to_its_end(wsgi: Server) -> None:
    with wsgi.connect() as connection:
        connection.send(request("POST", "/read", transfer_encoding="chunked") + chunked(b"ab", b"cde"))
        assert connection.read().body == b"abcde"


def test_a_large_body_is_read_whole_by_lines_and_parts(wsgi: Server) -> None:
    body = b"".join(b"%d\n" % n for n in range(300_000))
    assert wsgi.ask("POST", "/lines", body).body == b"300000"
    assert wsgi.ask("POST", "/count", body).body == str(len(body)).encode()


def test_two_cookie_headers_are_joined_by_semicolons(wsgi: Server) -> None:
    with wsgi.connect() as connection:
        connection.send(b"GET /environ HTTP/1.1\r\nhost: test\r\ncookie: a=1\r\ncookie: b=2\r\n\r\n")
        assert seen(connection.read("GET"))["HTTP_COOKIE"] == "a=1; b=2"


def test_a_header_with_an_underscore_cannot_pass_for_one_with_a_hyphen(wsgi: Server) -> None:
    with wsgi.connect() as connection:
        connection.send(
            b"GET /environ HTTP/1.1\r\nhost: test\r\nx-forwarded-for: 1.1.1.1\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n"
        )
        assert seen(connection.read("GET"))["HTTP_X_FORWARDED_FOR"] == "1.1.1.1"


def test_an_encoded_slash_can_be_told_from_one_that_parts(wsgi: Server) -> None:
    environ = seen(wsgi.ask("GET", "/environ/a%2Fb/c?d=%2F"))
    assert environ["RAW_URI"] == environ["REQUEST_URI"] == "/environ/a%2Fb/c?d=%2F"
    assert environ["PATH_INFO"] == "/environ/a/b/c"
    assert environ["QUERY_STRING"] == "d=%2F"


def test_a_path_in_other_letters_is_spelled_as_the_standard_wants(wsgi: Server) -> None:
    assert seen(wsgi.ask("GET", "/environ/caf%C3%A9"))["PATH_INFO"] == "/environ/caf\xc3\xa9"


def test_streams_that_their_readers_left_end_within_a_second_and_leave_the_threads_free(wsgi: Server) -> None:
    for _ in range(6):
        with wsgi.connect() as connection:
            connection.send(request("GET", "/endless"))
            connection.read_line()
        started = time.monotonic()
        assert wsgi.ask("GET", "/environ").status == 200
        assert time.monotonic() - started < 1
    wait_until(lambda: _counts(wsgi)["endless closed"] == 6, "every stream was closed, once", 1)


def _counts(wsgi: Server) -> dict[str, int]:
    counts: dict[str, int] = wsgi.ask("GET", "/counts").json()
    return counts


def test_an_error_after_the_first_part_cuts_the_answer(wsgi: Server) -> None:
    with wsgi.connect() as connection:
        connection.send(request("GET", "/broken"))
        lines = b"".join(iter(connection.read_line, b""))
    assert b"first" in lines
    assert not lines.endswith(b"0\r\n\r\n")


def test_an_error_before_the_first_part_is_a_500_with_its_cause_in_the_log(wsgi: Server) -> None:
    answer = wsgi.ask("GET", "/raise")
    assert (answer.status, answer.json()["detail"][0]["type"]) == (500, "internal_error")
    wait_until(lambda: "ZeroDivisionError" in wsgi.stderr, "the log has the cause")


def test_an_upload_that_breaks_off_is_an_error_for_its_reader(wsgi: Server) -> None:
    for kind in ({"content_length": "1000000"}, {"transfer_encoding": "chunked"}):
        before = _counts(wsgi)["cut"]
        with wsgi.connect() as connection:
            body = b"x" * 400_000
            sent = body if "content_length" in kind else b"%x\r\n%b\r\n" % (len(body), body)
            connection.send(request("POST", "/cut", None, **kind) + sent)
            wait_until(lambda: _counts(wsgi)["reading"] > before, "the application reads")  # noqa: B023
        wait_until(lambda: _counts(wsgi)["cut"] == before + 1, "the reader is told", 2)  # noqa: B023


def test_an_upload_that_is_reset_is_an_error_too(wsgi: Server) -> None:
    before = _counts(wsgi)["cut"]
    connection: Connection = wsgi.connect()
    connection.send(request("POST", "/cut", content_length="1000000") + b"x" * 400_000)
    wait_until(lambda: _counts(wsgi)["reading"] > before, "the application reads")
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    wait_until(lambda: _counts(wsgi)["cut"] == before + 1, "the reader is told", 2)


def test_start_response_may_replace_what_was_not_sent_and_raises_where_it_was(wsgi: Server) -> None:
    assert wsgi.ask("GET", "/replaced").status == 502
    with wsgi.connect() as connection:
        connection.send(request("GET", "/too-late"))
        b"".join(iter(connection.read_line, b""))
    assert _counts(wsgi)["raised again"] == 1


def test_what_is_written_comes_before_what_is_returned(wsgi: Server) -> None:
    assert wsgi.ask("GET", "/write").body == b"writtenreturned"


def test_a_file_is_sent_whole_and_closed(wsgi: Server) -> None:
    before = _counts(wsgi)["file closed"]
    assert len(wsgi.ask("GET", "/file").body) == 300_000
    wait_until(lambda: _counts(wsgi)["file closed"] == before + 1, "the file is closed")


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_none(wsgi: Server, status: int) -> None:
    with wsgi.connect() as connection:
        connection.send(request("GET", f"/status?{status}"))
        answer = connection.read("GET")
        assert (answer.status, answer.body) == (status, b"")
        connection.send(request("GET", "/counts"))
        assert connection.read("GET").status == 200


def test_a_head_request_has_the_length_and_no_body(wsgi: Server) -> None:
    with wsgi.connect() as connection:
        connection.send(request("HEAD", "/sized"), request("GET", "/sized"))
        answer = connection.read("HEAD")
        assert (answer.body, answer.headers["content-length"]) == (b"", "5")
        assert connection.read("GET").body == b"sized"


def test_an_answer_in_one_piece_has_its_length(wsgi: Server) -> None:
    assert wsgi.ask("GET", "/one-piece").headers["content-length"] == "9"


def test_more_or_less_than_the_announced_length_is_never_taken_for_an_answer(wsgi: Server) -> None:
    assert wsgi.ask("GET", "/longer").status == 500
    with wsgi.connect() as connection:
        connection.send(request("GET", "/shorter"))
        assert b"".join(iter(connection.read_line, b"")).endswith(b"\r\n\r\n12345")
    wait_until(lambda: "bytes less than its Content-Length" in wsgi.stderr, "the log says so")
    wait_until(lambda: "more bytes than its Content-Length" in wsgi.stderr, "the log says so")


def test_a_full_lane_refuses_at_once_and_says_when_to_come_again(wsgi: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as callers:
        asked = [callers.submit(wsgi.ask, "GET", f"/busy?{tmp_path}/over") for _ in range(8)]
        try:
            wait_until(lambda: sum(each.done() for each in asked) >= 4, "four are refused")
            assert wsgi.ask("GET", "/livez").status == 200
        finally:
            (tmp_path / "over").touch()
    answers = [each.result() for each in asked]
    assert sorted(answer.status for answer in answers) == [200] * 4 + [503] * 4
    for refused in (answer for answer in answers if answer.status == 503):
        assert refused.headers["retry-after"] == "1"
        assert refused.json()["detail"][0]["type"] == "overloaded"
    assert wsgi.ask("GET", "/environ").status == 200


def test_an_application_that_stops_its_thread_stops_nothing_else(wsgi: Server) -> None:
    for _ in range(3):
        assert wsgi.ask("GET", "/exit").status == 500
    assert wsgi.ask("GET", "/environ").status == 200


def test_the_reference_validator_finds_nothing(wsgi: Server) -> None:
    assert wsgi.ask("GET", "/validated/page?a=1").body == b"valid"
    assert wsgi.ask("POST", "/validated/page", b"body").body == b"valid"


def test_two_flask_applications_have_sessions_of_their_own(served: Server) -> None:
    first = served.ask("GET", "/shop/visits")
    cookie = first.headers["set-cookie"]
    assert "Path=/shop" in cookie
    again = served.ask("GET", "/shop/visits", cookie=cookie.partition(";")[0])
    assert again.body == b"2"
    assert "Path=/blog" in served.ask("GET", "/blog/visits").headers["set-cookie"]


def test_a_flask_application_knows_the_prefix_that_it_is_mounted_at(served: Server) -> None:
    assert served.ask("GET", "/shop/", host="music.example").body == b"http://music.example/shop/visits"
    assert served.ask("GET", "/shop/numbers").body == b"012"
    assert served.ask("GET", "/shop/nothing").status == 404
