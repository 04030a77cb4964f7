"""HTTP as it comes over the wire. Model endpoints have a path of their own through the server, beside ASGI's: here the
two must be the same."""

from __future__ import annotations

import itertools
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fronts.hostile import CASES, GOOD, Case, track
from tests.fronts.models import TRACK
from tests.fronts.shape import assert_error_body, strict_json
from tests.process.server import Answer, Connection, Server, chunked, request, wait_until

DIRECT, THROUGH_ASGI = "/predict", "/predict?through=asgi"
PATHS = (DIRECT, THROUGH_ASGI)
Start = Callable[..., Server]


@pytest.fixture(scope="module")
def server(serve_fake: Start) -> Iterator[Server]:
    """A service of the model that the hostile bodies are for; at the end, its one worker is still the first one."""
    with serve_fake("track", "--workers", 1) as running:
        workers = running.workers()
        yield running
        assert running.workers() == workers


@pytest.fixture(scope="module")
def small(serve_fake: Start) -> Iterator[Server]:
    """A service that reads no more than 100,000 bytes."""
    with serve_fake("track", "--workers", 1, "--max-body", "100kB") as running:
        yield running


def good(answer: Answer) -> bool:
    """Whether it is the answer to the good record."""
    return answer.status == 200 and answer.json() == {"prediction": 123.0}


def assert_unharmed(server: Server) -> None:
    """It answers as before."""
    for path in PATHS:
        assert good(server.ask("POST", path, GOOD))


def assert_error(answer: Answer, status: int) -> None:
    """Our error shape over the wire."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["request-id"]
    assert_error_body(answer.body)


# -- the same table as in process ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_body_is_answered_alike_on_both_paths_as_in_process(server: Server, case: Case) -> None:
    headers = {name.replace("-", "_"): value or "" for name, value in case.headers.items()}
    direct, asgi = (server.ask("POST", path, case.body, **headers) for path in PATHS)
    assert (direct.status, direct.body) == (asgi.status, asgi.body)
    assert set(direct.headers) == set(asgi.headers)
    for name in set(direct.headers) - {"request-id", "date"}:
        assert direct.headers[name] == asgi.headers[name]
    assert direct.status == case.status, direct
    if case.status == 200:
        strict_json(direct.body)
    else:
        assert_error(direct, case.status)
        assert [entry["type"] for entry in direct.json()["detail"]] == list(case.types)


@pytest.mark.parametrize(
    "record",
    [{**TRACK, "tempo": 666}, [TRACK, {**TRACK, "tempo": 666}], {**TRACK, "tempo": 300}, {**TRACK, "tempo": 601}],
)
def test_failures_and_flags_are_alike_on_both_paths(server: Server, record: object) -> None:
    direct, asgi = (server.ask("POST", path, json.dumps(record).encode(), request_id="same") for path in PATHS)
    direct.headers.pop("date"), asgi.headers.pop("date")
    assert direct == asgi
    assert direct.headers["request-id"] == "same"


# -- one connection, many requests ---------------------------------------------------------------------------------


def test_requests_in_one_packet_are_answered_in_order(server: Server) -> None:
    with server.connect() as connection:
        connection.send(b"".join(request("POST", "/predict", track(plays=i)) for i in range(50)))
        assert [connection.read().json()["prediction"] for _ in range(50)] == [120.0 + i for i in range(50)]


def test_a_head_that_is_split_between_large_packets_is_no_large_head(server: Server) -> None:
    with server.connect() as connection:
        connection.send(request("POST", DIRECT, GOOD, x_more="y" * 900) * 2000)
        assert all(good(connection.read()) for _ in range(2000))


def test_pipelined_requests_of_all_kinds_are_answered_in_order(server: Server) -> None:
    kinds: list[tuple[bytes, Callable[[Answer], bool]]] = [
        (request("POST", DIRECT, GOOD), good),
        (request("POST", THROUGH_ASGI, GOOD), good),
        (request("GET", "/livez"), lambda a: a.json() == {"status": "ok"}),
        (request("POST", DIRECT, b"{}"), lambda a: a.status == 422),
        (request("GET", "/nothing"), lambda a: a.status == 404),
        (request("POST", DIRECT, transfer_encoding="chunked") + chunked(GOOD[:9], GOOD[9:]), good),
        (request("GET", DIRECT), lambda a: a.status == 405),
    ]
    with server.connect() as connection:
        for order in itertools.islice(itertools.permutations(range(len(kinds))), 0, None, 200):
            connection.send(b"".join(kinds[i][0] for i in order))
            for i in order:
                assert kinds[i][1](connection.read("GET" if b"GET" in kinds[i][0][:3] else "POST")), (order, i)


def test_requests_one_after_the_other_keep_the_connection(server: Server) -> None:
    with server.connect() as connection:
        for i in range(20):
            connection.send(request("POST", PATHS[i % 2], GOOD))
            answer = connection.read()
            assert good(answer)
            assert "connection" not in answer.headers


@pytest.mark.parametrize("path", [*PATHS, "/livez"])
def test_connection_close_is_answered_and_then_the_connection_ends(server: Server, path: str) -> None:
    method, body = ("GET", None) if path == "/livez" else ("POST", GOOD)
    with server.connect() as connection:
        connection.send(request(method, path, body, connection="close"))
        answer = connection.read(method)
        assert answer.status == 200
        assert answer.headers["connection"] == "close"
        assert connection.is_closed_by_peer()


@pytest.mark.parametrize("path", PATHS)
def test_http_1_0_is_answered_and_then_the_connection_ends(server: Server, path: str) -> None:
    with server.connect() as connection:
        connection.send(request("POST", path, GOOD).replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        assert good(connection.read())
        assert connection.is_closed_by_peer()


@pytest.mark.parametrize("path", PATHS)
def test_head_has_no_body_and_leaves_the_connection_usable(server: Server, path: str) -> None:
    with server.connect() as connection:
        for asked, status in ((path, 405), ("/livez", 200), ("/openapi.json", 200)):
            connection.send(request("HEAD", asked))
            answer = connection.read("HEAD")
            assert (answer.status, answer.body) == (status, b"")
        connection.send(request("POST", path, GOOD))
        assert good(connection.read())


# -- how bodies come -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_a_request_may_come_byte_by_byte(server: Server, path: str) -> None:
    whole = request("POST", path, GOOD)
    with server.connect() as connection:
        connection.send(*(whole[i : i + 1] for i in range(len(whole))))
        assert good(connection.read())


@pytest.mark.parametrize("path", PATHS)
def test_a_large_body_comes_in_many_packets(server: Server, path: str) -> None:
    records = b"[" + b",".join(track(plays=i % 1000) for i in range(20_000)) + b"]"
    answer = server.ask("POST", path, records)
    assert [a["prediction"] for a in answer.json()] == [120.0 + i % 1000 for i in range(20_000)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_may_come_in_chunks(server: Server, path: str, size: int) -> None:
    parts = [GOOD[i : i + size] for i in range(0, len(GOOD), size)]
    with server.connect() as connection:
        connection.send(request("POST", path, None, content_type="application/json", transfer_encoding="chunked"))
        connection.send(*(b"%x\r\n%b\r\n" % (len(part), part) for part in parts), b"0\r\n\r\n")
        assert good(connection.read())
        connection.send(request("POST", path, GOOD))
        assert good(connection.read())


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_waits_for_100_continue_gets_it(server: Server, path: str) -> None:
    with server.connect() as connection:
        connection.send(request("POST", path, None, expect="100-continue", content_length=str(len(GOOD))))
        assert connection.read_line() == b"HTTP/1.1 100 Continue\r\n"
        assert connection.read_line() == b"\r\n"
        connection.send(GOOD)
        assert good(connection.read())


def test_a_client_that_waits_with_too_large_a_body_is_refused_before_it_sends(server: Server) -> None:
    with server.connect() as connection:
        connection.send(request("POST", DIRECT, None, expect="100-continue", content_length=str(10**9)))
        assert_error(connection.read(), 413)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_announces_too_much_is_refused_at_once(small: Server, path: str) -> None:
    with small.connect(5) as connection:
        connection.send(request("POST", path, None, content_length="100001"))
        answer = connection.read()
        assert_error(answer, 413)
        assert answer.headers["connection"] == "close"
        assert connection.is_closed_by_peer()
    assert_unharmed(small)


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_sends_too_large_a_body_whole_still_reads_the_answer(small: Server, path: str) -> None:
    for size in (100_001, 3_000_000):
        with small.connect() as connection:
            connection.send_what_it_takes(iter([request("POST", path, b" " * size)]))
            assert_error(connection.read(), 413)
    assert good(small.ask("POST", path, GOOD.ljust(100_000)))


@pytest.mark.parametrize("path", PATHS)
def test_chunks_without_end_are_stopped_while_they_are_read(small: Server, path: str) -> None:
    head = request("POST", path, None, content_type="application/json", transfer_encoding="chunked")
    chunk = b"%x\r\n%b\r\n" % (10_000, b" " * 10_000)
    with small.connect() as connection:
        sent = connection.send_what_it_takes(itertools.chain([head], itertools.repeat(chunk, 10_000)))
        assert sent < 50_000_000, "it reads on"
        assert_error(connection.read(), 413)
    assert_unharmed(small)


# -- clients that leave --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", ["in the head", "before the body", "in the body", "in a chunk"])
def test_clients_that_leave_in_the_middle_of_a_request_do_no_harm(server: Server, path: str, how: str) -> None:
    said = server.stderr
    whole = request("POST", path, GOOD)
    cut = {"in the head": 30, "before the body": -len(GOOD), "in the body": -10}.get(how)
    part = request("POST", path, None, transfer_encoding="chunked") + b"ff\r\n{" if cut is None else whole[:cut]
    for reset in (False, True):
        connection = server.connect()
        connection.send(part)
        if reset:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    assert_unharmed(server)
    assert server.stderr == said, "a client's mistake is no line in our log"


@pytest.mark.parametrize("path", PATHS)
def test_clients_that_leave_during_their_prediction_do_no_harm(serve_fake: Start, tmp_path: Path, path: str) -> None:
    gate = tmp_path / "gate"
    with serve_fake(f"gated {gate}", "--workers", 1, held=True) as server:
        leavers = [server.connect() for _ in range(5)]
        for connection in leavers:
            connection.send(request("POST", path, GOOD))
        wait_until(Path(f"{gate}.begun").exists, "the prediction has begun")
        stayer = server.connect()
        stayer.send(request("POST", path, track(tempo=1)))
        for connection in leavers:
            connection.close()
        gate.touch()
        assert stayer.read().json() == {"prediction": 1.0}
        stayer.close()
        assert server.ask("POST", path, track(tempo=1)).status == 200
        assert server.stderr == ""


# -- no HTTP at all ------------------------------------------------------------------------------------------------

BROKEN = {
    "CONNECT": b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n",
    "no HTTP": b"hello?\r\n\r\n",
    "binary": bytes(range(256)),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a bad version": b"POST /predict HTTP/9.9\r\nhost: x\r\n\r\n",
    "a header without a colon": b"POST /predict HTTP/1.1\r\nhost x\r\n\r\n",
    "a space before the colon": b"POST /predict HTTP/1.1\r\ncontent-length : 2\r\n\r\n{}",
    "a negative length": b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "a length that is no number": b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2x\r\n\r\n{}",
    "a length beyond 64 bits": b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n{}",
    "two lengths": b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
    "a length and chunks": b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a malformed chunk": b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a malformed chunk through ASGI": b"POST /predict?a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "a folded header": b"GET /livez HTTP/1.1\r\nhost: x\r\nfolded: a\r\n b\r\n\r\n",
    "a NUL in a header": b"GET /livez HTTP/1.1\r\nhost: x\r\nnull: a\x00b\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_http_is_refused_once_and_the_connection_ends(server: Server, name: str) -> None:
    said = server.stderr
    with server.connect() as connection:
        connection.send(BROKEN[name] + request("GET", "/livez"))
        answer = connection.read()
        assert answer.status == 400
        (problem,) = assert_error_body(answer.body)
        assert "https://" in problem["hint"]
        assert connection.is_closed_by_peer(), "a second answer: the request after it was smuggled in"
    assert_unharmed(server)
    assert server.stderr == said, "a client's mistake is no line in our log"


@pytest.mark.parametrize("path", PATHS)
def test_headers_of_some_size_are_read(server: Server, path: str) -> None:
    assert good(server.ask("POST", path, GOOD, **{f"x_{i}": "y" * 100 for i in range(100)}))


def test_headers_without_end_are_refused(server: Server) -> None:
    with server.connect() as connection:
        line = b"x-more: " + b"y" * 10_000 + b"\r\n"
        head = b"POST /predict HTTP/1.1\r\nhost: x\r\n"
        sent = connection.send_what_it_takes(itertools.chain([head], itertools.repeat(line, 10_000)))
        assert sent < 50_000_000, "it reads on"
    assert_unharmed(server)


UPGRADES: list[dict[str, Any]] = [
    {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2_settings": "AAMAAABkAAQAoAAAAAIAAAAA"},
    {"connection": "keep-alive, upgrade", "upgrade": "websocket"},
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("offer", UPGRADES, ids=["h2c", "websocket"])
def test_an_upgrade_is_not_taken_and_the_request_is_answered(server: Server, path: str, offer: dict[str, Any]) -> None:
    whole = request("POST", path, GOOD, **offer)
    in_chunks = request("POST", path, transfer_encoding="chunked", **offer) + chunked(GOOD[:9], GOOD[9:])
    with server.connect() as connection:
        connection.send(whole)
        assert good(connection.read())
        connection.send(*(whole[i : i + 1] for i in range(len(whole))))
        assert good(connection.read())
        connection.send(in_chunks + request("GET", "/livez", **offer) + whole)
        assert good(connection.read())
        assert connection.read("GET").json() == {"status": "ok"}
        assert good(connection.read())
        connection.send(request("POST", path, GOOD, **{**offer, "connection": "close, upgrade"}))
        assert good(connection.read())
        assert connection.is_closed_by_peer()


def test_thousands_of_offers_in_one_packet_are_all_answered(server: Server) -> None:
    with server.connect() as connection:
        connection.send(request("POST", DIRECT, GOOD, **UPGRADES[0]) * 2000)
        assert all(good(connection.read()) for _ in range(2000))


def test_an_offer_does_not_lift_the_limit_of_a_body(small: Server) -> None:
    for path in PATHS:
        with small.connect() as connection:
            connection.send_what_it_takes(iter([request("POST", path, b" " * 100_001, **UPGRADES[0])]))
            assert_error(connection.read(), 413)


def test_a_path_of_any_spelling_reaches_the_model_that_it_names(server: Server) -> None:
    for path in ("/%70redict", "/models/track/predict", "/models/tr%61ck/predict", "/predict?", "/predict?a=b#c"):
        assert good(server.ask("POST", path, GOOD)), path


def test_a_name_beyond_ascii_is_reached_through_the_links_that_are_shown(serve_fake: Start) -> None:
    with serve_fake("track", "--workers", 1, "--name", "größe (neu)") as server:
        shown = re.findall(r"POST http://[^/ ]+(/\S+)", server.stdout)
        described = server.ask("GET", "/models").json()["models"][0]["predict"]
        assert shown == ["/predict", described] == ["/predict", "/models/gr%C3%B6%C3%9Fe%20%28neu%29/predict"]
        for path in (described, "/models/gr%c3%b6%c3%9fe%20(neu)/predict", described + "?through=asgi"):
            assert good(server.ask("POST", path, GOOD))


def test_the_date_is_sent_once_and_no_server_names_itself(server: Server) -> None:
    for path in PATHS:
        answer = server.ask("POST", path, GOOD)
        assert re.fullmatch(r"\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT", answer.headers["date"])
        assert "server" not in answer.headers


@pytest.mark.slow
@pytest.mark.parametrize(
    "begun", [b"POST /predict HTTP/1.1\r\nhost: x", request("POST", "/predict", content_length="9")]
)
def test_who_begins_a_request_and_never_ends_it_is_cut_off(server: Server, begun: bytes) -> None:
    with server.connect(60) as connection:
        connection.send(begun)
        started = time.monotonic()
        assert connection.read().status == 408
        assert connection.is_closed_by_peer()
        assert 5 < time.monotonic() - started < 40


def test_many_connections_at_once_are_each_answered_their_own(server: Server) -> None:
    connections: list[Connection] = [server.connect() for _ in range(200)]
    for i, connection in enumerate(connections):
        connection.send(request("POST", PATHS[i % 2], track(plays=i), request_id=f"r{i}"))
    for i, connection in enumerate(connections):
        answer = connection.read()
        assert answer.json() == {"prediction": 120.0 + i}
        assert answer.headers["request-id"] == f"r{i}"
        connection.close()
