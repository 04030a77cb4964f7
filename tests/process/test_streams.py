"""Models that answer item by item, in real processes: what readers get, and what becomes of the generators."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.engine import Served, alive, serve, until, write_app
from tests.process.streaming import (
    COUNT,
    EVENTS,
    HEAD,
    MODELS,
    PICKY,
    STUBBORN,
    TICKS,
    Socket,
    read_slowly,
    reading,
)

FLAGS = ("--workers", "1", "--default-deadline", "2", "--heartbeat", "0.3", "--stop-timeout", "6", "--standby", "off")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service for tests that leave it as it was."""
    with serve(write_app(tmp_path_factory.mktemp("streams"), MODELS), *FLAGS) as running:
        yield running


@pytest.fixture
def notes(served: Served) -> Path:
    """The file that a generator writes to."""
    path = served.log.parent / f"notes-{time.monotonic_ns()}"
    path.touch()
    return path


def holds(path: Path, text: str) -> bool:
    """Whether a generator has written that."""
    return text in path.read_text().splitlines()


# -- what readers get --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "items"), [("count", [0, 1, 2]), ("ticks", [{"tick": 0}, {"tick": 1}, {"tick": 2}])])
def test_items_come_as_events_with_a_recognisable_end(served: Served, model: str, items: list[object]) -> None:
    with reading(served.port, model, {"to": 3}, accept=EVENTS, request_id="abc") as reader:
        assert reader.status == 200
        assert reader.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.response.headers["request-id"] == "abc"
        assert reader.response.headers["cache-control"] == "no-store"
        assert reader.response.headers["x-accel-buffering"] == "no"
        assert list(reader.events()) == [*(("message", item) for item in items), ("end", {"items": 3})]


def test_a_client_for_events_reads_them(served: Served) -> None:
    sse = pytest.importorskip("httpx_sse")
    url = f"http://127.0.0.1:{served.port}/models/ticks/predict"
    with httpx.Client() as client, sse.connect_sse(client, "POST", url, json={"to": 2}) as source:
        events = [(event.event, event.json()) for event in source.iter_sse()]
    assert events == [("message", {"tick": 0}), ("message", {"tick": 1}), ("end", {"items": 2})]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/x-ndjson"),
        ("application/json", "application/x-ndjson"),
        ("application/jsonl", "application/jsonl"),
        ("application/x-ndjson, text/event-stream;q=0.5", "application/x-ndjson"),
    ],
)
def test_items_come_as_lines_to_everybody_else(served: Served, accept: str, media: str) -> None:
    with reading(served.port, "count", {"to": 3}, accept=accept) as reader:
        assert reader.response.headers["content-type"] == media
        assert reader.items() == [0, 1, 2]


def test_the_connection_goes_on_behind_a_stream(served: Served) -> None:
    with reading(served.port, "count", {"to": 3}) as reader:
        reader.items()
        reader.connection.request("GET", "/livez")
        assert reader.connection.getresponse().status == 200


def test_a_stream_without_items_is_one(served: Served) -> None:
    with reading(served.port, "count", {"to": 0}, accept=EVENTS) as reader:
        assert list(reader.events()) == [("end", {"items": 0})]


def test_each_item_comes_when_it_is_there(served: Served) -> None:
    with reading(served.port, "count", {"to": 3, "wait": 0.4}) as reader:
        started = time.monotonic()
        assert reader.line() == b"0"
        assert time.monotonic() - started < 0.3
        assert reader.line() == b"1"
        assert 0.3 < time.monotonic() - started < 0.75


def test_what_is_raised_before_the_first_item_is_a_status(served: Served) -> None:
    answer = served.predict({"at": 0, "how": "forbidden"}, "picky", accept=EVENTS)
    assert answer.status == 403
    assert answer.headers["content-type"] == "application/json"
    (problem,) = answer.json["detail"]
    assert (problem["type"], problem["msg"]) == ("http_exception", "not for you")
    assert served.predict({"at": 0, "how": "boom"}, "picky").status == 500


def test_what_is_raised_later_is_an_event_of_its_own(served: Served) -> None:
    with reading(served.port, "picky", {"at": 2, "how": "boom"}, accept=EVENTS) as reader:
        *items, (name, error) = list(reader.events())
    assert items == [("message", 0), ("message", 1)]
    assert (name, error["status"], error["detail"][0]["type"]) == ("error", 500, "model_failed")
    assert "boom" not in json.dumps(error)
    served.wait_for("boom inside")


def test_what_is_raised_later_is_a_line_of_its_own(served: Served) -> None:
    with reading(served.port, "picky", {"at": 2, "how": "forbidden"}) as reader:
        *items, last = reader.items()
    assert items == [0, 1]
    assert last["stream_error"]["status"] == 403
    assert last["stream_error"]["detail"][0]["msg"] == "not for you"


def test_an_item_of_the_wrong_type_ends_the_stream(served: Served) -> None:
    with reading(served.port, "picky", {"at": 1, "how": "text"}) as reader:
        first, last = reader.items()
    assert (first, last["stream_error"]["detail"][0]["type"]) == (0, "wrong_answer")


@pytest.mark.parametrize("body", [{"to": "three"}, [{"to": 1}, {"to": 2}], {}])
def test_a_body_that_does_not_fit_is_refused_before_anything_runs(served: Served, body: object) -> None:
    assert served.predict(body, "count", accept=EVENTS).status == 422


def test_a_media_type_that_no_stream_has_is_refused(served: Served) -> None:
    answer = served.predict({"to": 1}, "count", accept="image/png")
    assert answer.status == 406
    assert "text/event-stream" in answer.json["detail"][0]["hint"]


def test_a_silent_stream_gives_signs_of_life_among_events_and_none_among_lines(served: Served) -> None:
    with reading(served.port, "count", {"to": 2, "wait": 0.5}, accept=EVENTS) as reader:
        text = reader.response.read().decode()
    assert ": alive\n\n" in text
    with reading(served.port, "count", {"to": 2, "wait": 0.5}) as reader:
        assert reader.response.read() == b"0\n1\n"


def test_an_old_client_reads_to_the_end_of_the_connection(served: Served) -> None:
    raw = read_slowly(served.port, "count", {"to": 0})
    raw.close()
    with read_slowly_by_http_1_0(served.port) as text:
        head, _, body = text.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert body == b"0\n1\n"


def read_slowly_by_http_1_0(port: int):  # type: ignore[no-untyped-def]
    """The whole answer to an HTTP/1.0 client."""
    import socket
    from contextlib import nullcontext

    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        content = b'{"to":2}'
        head = b"POST /models/count/predict HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        raw.sendall(head % (len(content), content))
        parts = []
        while part := raw.recv(65536):
            parts.append(part)
    return nullcontext(b"".join(parts))


# -- time ----------------------------------------------------------------------------------------------------------


def test_the_deadline_is_for_the_first_item(served: Served) -> None:
    answer = served.predict({"at": 0, "how": "sleep"}, "picky", request_timeout="0.3")
    assert (answer.status, answer.json["detail"][0]["type"]) == (504, "deadline_exceeded")


def test_the_deadline_is_for_each_next_item_too_and_for_no_whole_stream(served: Served) -> None:
    with reading(served.port, "ticks", {"to": 8, "wait": 0.2}, request_timeout="0.6") as reader:
        assert len(reader.items()) == 8
    with reading(served.port, "ticks", {"to": 2, "wait": 5}, request_timeout="0.5") as reader:
        first, last = reader.items()
    assert first == {"tick": 0}
    assert (last["stream_error"]["status"], last["stream_error"]["detail"][0]["type"]) == (504, "deadline_exceeded")


@pytest.mark.slow
def test_a_stream_may_run_for_longer_than_any_call(served: Served) -> None:
    """Beyond the default deadline and the grace, after which a call would be killed: 2.5 s here."""
    with reading(served.port, "count", {"to": 12, "wait": 0.3}) as reader:
        assert reader.items() == list(range(12))


def test_one_stream_at_a_time_where_nothing_else_is_declared(served: Served) -> None:
    with reading(served.port, "one", {"to": 1000, "wait": 0.01}) as reader:
        assert reader.line() == b'"loaded"'
        waited = served.predict({"to": 1}, "one", request_timeout="0.4")
        assert waited.status == 504
    until(lambda: served.predict({"to": 1}, "one").status == 200, 3)


# -- leaving -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["count", "ticks"])
def test_a_generator_is_closed_within_a_second_of_its_readers_leaving(served: Served, notes: Path, model: str) -> None:
    with reading(served.port, model, {"to": 10_000, "wait": 0.1, "name": notes.name}) as reader:
        reader.line()
        assert holds(notes, "open")
        assert not holds(notes, "closed")
    until(lambda: holds(notes, "closed"), 1.0)


def test_a_reader_who_leaves_is_counted(served: Served) -> None:
    before = cancelled(served)
    with reading(served.port, "count", {"to": 10_000, "wait": 0.05}) as reader:
        reader.line()
    until(lambda: cancelled(served) == before + 1, 2)


def test_the_items_that_were_sent_are_counted(served: Served) -> None:
    before = figures(served)["stream_items"]
    with reading(served.port, "count", {"to": 3}) as reader:
        assert reader.items() == [0, 1, 2]
    until(lambda: figures(served)["stream_items"] == before + 3, 2)
    assert f'modelport_stream_items_total{{model="count"}} {before + 3}.0' in served.get("/metrics").body.decode()


def cancelled(served: Served) -> int:
    """How many streams of `count` were left."""
    return int(figures(served)["requests"]["cancelled"])


def figures(served: Served) -> dict[str, Any]:
    """What is told of `count`."""
    models = served.get("/status").json["models"]
    found: dict[str, Any] = next(m for m in models if m["name"] == "count")
    return found


# -- slow readers --------------------------------------------------------------------------------------------------


def test_a_reader_of_a_byte_a_second_pauses_its_own_generator_and_delays_nobody(served: Served, notes: Path) -> None:
    with read_slowly(served.port, "large", {"items": 10_000, "size": 10_000, "name": notes.name}) as slow:
        until(lambda: len(notes.read_text().splitlines()) > 20, 5)
        for _ in range(2):
            assert slow.recv(1)
            started = time.monotonic()
            assert served.get("/livez").status == 200
            with reading(served.port, "large", {"items": 20, "size": 10_000}) as other:
                assert len(other.items()) == 20
            assert time.monotonic() - started < 1.0
            time.sleep(1)
        given = len(notes.read_text().splitlines())
        time.sleep(0.5)
        assert len(notes.read_text().splitlines()) == given < 1000
        assert not holds(notes, "closed")
    until(lambda: holds(notes, "closed"), 1.0)


# -- WebSockets ----------------------------------------------------------------------------------------------------


def test_a_websocket_gets_a_message_for_each_item(served: Served) -> None:
    with Socket(served.port, "/models/count/predict") as client:
        assert client.accepted
        client.send({"to": 3})
        assert list(client.messages()) == [0, 1, 2, {"close": 1000}]


@pytest.mark.parametrize(
    ("body", "items", "status"),
    [({"at": 0, "how": "forbidden"}, [], 403), ({"at": 2, "how": "boom"}, [0, 1], 500), ({"at": "x"}, [], 422)],
)
def test_a_websocket_is_told_of_an_error_and_closed_with_its_status(
    served: Served, body: object, items: list[int], status: int
) -> None:
    with Socket(served.port, "/models/picky/predict") as client:
        client.send(body)
        *got, error, close = client.messages()
    assert got == items
    assert error["stream_error"]["status"] == status
    assert close == {"close": 4000 + status}


def test_a_generator_is_closed_within_a_second_of_its_websockets_end(served: Served, notes: Path) -> None:
    with Socket(served.port, "/models/ticks/predict") as client:
        client.send({"to": 10_000, "wait": 0.1, "name": notes.name})
        next(client.messages())
    until(lambda: holds(notes, "closed"), 1.0)


def test_a_websocket_elsewhere_is_refused(served: Served) -> None:
    with Socket(served.port, "/models/nothing/predict") as client:
        assert not client.accepted


# -- the end of processes ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service for tests that harm it, one after the other."""
    with serve(write_app(tmp_path_factory.mktemp("fragile"), HEAD + COUNT + PICKY + STUBBORN), *FLAGS) as running:
        yield running


def test_the_death_of_the_process_is_the_last_event(fragile: Served) -> None:
    with reading(fragile.port, "picky", {"at": 2, "how": "exit"}, accept=EVENTS) as reader:
        *items, (name, error) = list(reader.events())
    assert len(items) == 2
    assert (name, error["status"], error["detail"][0]["type"]) == ("error", 503, "holder_lost")
    until(lambda: fragile.predict({"to": 1}, "count").status == 200, 5)


def test_a_generator_that_will_not_close_is_ended_with_its_process(fragile: Served) -> None:
    path = fragile.log.parent / "stubborn"
    path.touch()
    with reading(fragile.port, "stubborn", {"name": path.name}) as reader:
        reader.line()
    until(lambda: holds(path, "asked"), 1.0)
    fragile.wait_for("holder", 8)
    until(lambda: "stubborn ended" in fragile.text(), 8, fragile.text)


@pytest.mark.slow
def test_a_stream_goes_on_through_a_reload_and_new_ones_are_served_by_the_new_code(fragile: Served) -> None:
    with reading(fragile.port, "count", {"to": 14, "wait": 0.15}) as reader:
        reader.line()
        fragile.signal(signal.SIGHUP)
        old = fragile.children("holder")
        assert len(reader.items()) == 13
    until(lambda: not any(map(alive, old)) and fragile.predict({"to": 1}, "count").status == 200, 15)


@pytest.mark.slow
def test_streams_are_ended_with_a_word_when_the_service_has_to_end(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, HEAD + TICKS), *FLAGS) as own:
        with reading(own.port, "ticks", {"to": 10_000, "wait": 0.1}, accept=EVENTS) as reader:
            events = reader.events()
            next(events)
            own.signal(signal.SIGTERM)
            *_, (name, error) = list(events)
        assert (name, error["status"], error["detail"][0]["type"]) == ("error", 503, "stopped")
        assert own.process.wait(10) == 0
