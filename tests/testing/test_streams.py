"""Models that stream, in tests: read item by item, over a WebSocket, and replaced by fakes."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

import modelport
from modelport import Service, SetupError
from modelport.fronts import sockets
from modelport.testing import Fake, WebSocket, WebSocketClosed, check_concurrency, client, replay, websocket


def make_service(gate: threading.Event) -> Service:
    """One that waits between its items, and one that is async."""
    service = Service("s")

    @service.model("words")
    def words(text: str) -> Iterator[str]:
        for number, word in enumerate(text.split()):
            if number:
                gate.wait(30)
            yield word

    @service.model("count")
    async def count(most: int) -> AsyncIterator[int]:
        for number in range(most):
            yield number

    return service


def test_items_are_read_as_they_come() -> None:
    gate = threading.Event()
    with (
        client(make_service(gate)) as api,
        api.stream("POST", "/models/words/predict", json={"text": "one two three"}) as answer,
    ):
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert "one" in next(lines)
        gate.set()
        assert any("three" in line for line in lines)


def test_a_model_is_asked_over_a_websocket() -> None:
    gate = threading.Event()
    gate.set()
    with client(make_service(gate)) as api, websocket(api, "/models/count/predict") as socket:
        socket.send_json({"most": 2})
        assert [socket.receive_json(), socket.receive_json()] == [0, 1]
        assert closing_code(socket) == 1000


def test_a_connection_whose_message_never_comes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "SILENT_SECONDS", 0.05)
    with client(make_service(threading.Event())) as api, websocket(api, "/models/count/predict") as socket:
        problem = socket.receive_json()["stream_error"]
        assert (problem["status"], problem["detail"][0]["type"]) == (408, "request_timeout")
        assert closing_code(socket) == 4408


def closing_code(socket: WebSocket) -> int:
    """With which code the service closes, whatever it sends before."""
    while True:
        try:
            socket.receive()
        except WebSocketClosed as closed:
            return closed.code


def items(api: object, model: str, body: dict[str, object]) -> list[object]:
    """The items of a stream as JSON lines."""
    answer = api.post(f"/models/{model}/predict", json=body)  # type: ignore[attr-defined]
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines() if line]


def test_fakes_stream_too() -> None:
    asked = Fake(function=lambda text: iter(text.upper()))
    fakes = {"words": asked, "count": [7, 8]}
    with client(make_service(threading.Event()), fakes=fakes) as api:
        assert items(api, "words", {"text": "ab"})[:2] == ["A", "B"]
        assert items(api, "count", {"most": 1})[:2] == [7, 8]
        assert asked.calls == ["ab"]


def test_what_hands_on_an_iterator_is_replaced_by_a_stream_too() -> None:
    service = Service("s")

    @service.model("handed")
    def handed(most: int) -> Iterator[int]:
        return iter(range(most))

    with client(service, fakes={"handed": [7, 8]}) as api:
        assert items(api, "handed", {"most": 1}) == [7, 8]
    with client(service) as api:
        assert items(api, "handed", {"most": 2}) == [0, 1]


def test_a_fake_of_a_stream_fails_before_its_first_item_and_gives_no_wrong_one() -> None:
    service = make_service(threading.Event())
    with client(service, fakes={"count": modelport.Overloaded("full")}) as api:
        assert api.post("/models/count/predict", json={"most": 1}).status_code == 503
    with (
        pytest.raises(SetupError, match="fake of 'count' gives an answer"),
        client(service, fakes={"count": ["seven"]}),
    ):
        pass
    with (
        client(service, fakes={"count": lambda most: ["seven"]}) as api,
        pytest.raises(AssertionError, match="'count'"),
    ):
        api.post("/models/count/predict", json={"most": 1})


def test_golden_cases_of_a_stream_are_the_lists_of_its_items() -> None:
    service = Service("s")

    @service.model("down")
    def down(start: int) -> Iterator[int]:
        for number in range(start, 0, -1):
            if number == 5:
                raise ValueError("five")
            yield number

    cases = [({"start": 3}, [3, 2, 1]), ({"start": 2}, [2, 2]), ({"start": 6}, [6, 5]), ({"start": 0}, [])]
    found = replay(service, cases)
    assert [(each.place, each.field) for each in found.differences] == [
        ("case 2", "[1]"),
        ("case 3", "the end of the stream"),
    ]


def test_streams_are_checked_for_thread_safety_as_a_whole() -> None:
    gate = threading.Event()
    gate.set()
    service = make_service(gate)
    texts = [{"text": "a b"}, {"text": "c d e"}]
    assert check_concurrency(service["words"], texts, threads=4, calls=10).safe

    class Shared:
        def predict(self, text: str) -> Iterator[str]:
            self.text = text
            for index in range(len(text)):
                threading.Event().wait(0.001)
                yield self.text[index : index + 1]

    service.model("shared")(Shared)
    assert not check_concurrency(service["shared"], [{"text": "aaa"}, {"text": "bbb"}], threads=4, calls=5).safe
