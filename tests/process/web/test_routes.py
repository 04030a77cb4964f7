"""Routes of a service, beside its models."""

from __future__ import annotations

import json
import threading

from tests.process.server import Server, chunked, request, wait_until


def test_a_route_has_path_and_query_parameters(served: Server) -> None:
    assert served.ask("GET", "/hello/Ann?times=2").json() == {"message": "Hello Hello Ann"}


def test_a_fault_of_a_route_has_the_shape_that_models_use(served: Server) -> None:
    answer = served.ask("GET", "/hello/Ann?times=0")
    assert answer.status == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "times"]


def test_a_route_reads_a_body(served: Server) -> None:
    song = {"title": "Roads", "tempo": 96.0}
    answer = served.ask("POST", "/songs", json.dumps(song).encode())
    assert (answer.status, answer.json()) == (201, song)


def test_a_dependency_refuses_and_lets_through(served: Server) -> None:
    assert served.ask("GET", "/me").status == 401
    assert served.ask("GET", "/me", authorization="Ann").json() == "Ann"


def test_a_model_answers_beside_the_routes(served: Server) -> None:
    assert served.predict({"decibel": 20.0}).json() == 10.0
    assert served.ask("POST", "/models/loudness/predict", b"[]").json() == []


def test_a_route_knows_its_client_its_state_and_its_own_addresses(served: Server) -> None:
    here = served.ask("GET", "/where", host="music.example").json()
    assert here == {
        "client": "127.0.0.1",
        "scheme": "http",
        "url": "http://music.example/hello/x",
        "thread": "modelport-web",
        "started": "modelport-web",
        "state": "yes",
    }


def test_probes_and_models_answer_while_a_route_blocks_its_loop_and_the_log_names_it(served: Server) -> None:
    blocked = threading.Thread(target=served.ask, args=("GET", "/block?seconds=1.2"))
    blocked.start()
    wait_until(lambda: "blocked the event loop" in served.stderr, "the watchdog names the route", 5)
    assert served.ask("GET", "/livez").status == 200
    assert served.predict({"decibel": 20.0}).status == 200
    assert blocked.is_alive()
    blocked.join()
    assert "block (" in served.stderr
    assert "apps/music.py:" in served.stderr


def test_a_form_with_a_file_is_read(served: Server) -> None:
    body = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n12345\r\n--b--\r\n'
    answer = served.ask("POST", "/upload", body, content_type="multipart/form-data; boundary=b")
    assert answer.json() == {"name": "a.txt", "size": 5}


def test_a_body_in_many_pieces_arrives_whole(served: Server) -> None:
    with served.connect() as connection:
        head = request("POST", "/size", content_type="text/plain", transfer_encoding="chunked")
        connection.send(head, *[b"%x\r\n%b\r\n" % (100_000, b"x" * 100_000)] * 30, b"0\r\n\r\n")
        assert connection.read().json() == 3_000_000


def test_a_client_that_waits_to_be_told_is_told_to_send_its_body(served: Server) -> None:
    with served.connect() as connection:
        connection.send(request("POST", "/size", content_length="3", expect="100-continue"))
        assert connection.read_line().startswith(b"HTTP/1.1 100")
        connection.read_line()
        connection.send(b"abc")
        assert connection.read().json() == 3


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(served: Server) -> None:
    with served.connect() as connection:
        connection.send(request("POST", "/size", content_length=str(17 * 2**20)))
        answer = connection.read()
        assert answer.status == 413
        assert answer.json()["detail"][0]["type"] == "body_too_large"
        assert connection.is_closed_by_peer()


def test_a_chunked_body_beyond_the_limit_is_cut(served: Server) -> None:
    with served.connect() as connection:
        connection.send(request("POST", "/size", transfer_encoding="chunked"))
        chunk = b"%x\r\n%b\r\n" % (2**20, b"x" * 2**20)
        assert connection.send_what_it_takes(iter([chunk] * 40)) < 40 * len(chunk) or connection.read().status == 413


def test_an_answer_that_does_not_wait_for_its_body_comes_and_the_next_request_is_answered(served: Server) -> None:
    with served.connect() as connection:
        connection.send(request("POST", "/early", content_length="5"))
        assert connection.read().json() == "done"
        connection.send(b"12345", request("GET", "/hello/Ann"))
        assert connection.read().status == 200


def test_pipelined_requests_to_routes_and_models_are_answered_in_order(served: Server) -> None:
    with served.connect() as connection:
        predict = request("POST", "/predict", b'{"decibel": 20}')
        connection.send(request("GET", "/wait?seconds=0.2") + predict + request("GET", "/hello/Ann"))
        assert [connection.read().json() for _ in range(3)] == ["done", 10.0, {"message": "Hello Ann"}]


def test_a_stream_ends_within_a_second_of_its_reader(served: Server) -> None:
    with served.connect() as connection:
        connection.send(request("GET", "/endless/left"))
        connection.read_line()
        wait_until(lambda: "left began" in served.ask("GET", "/events").json(), "the stream begins")
    wait_until(lambda: "left ended" in served.ask("GET", "/events").json(), "the stream ends", 1)


def test_a_reader_that_does_not_read_delays_nobody_and_fills_no_memory(served: Server) -> None:
    with served.connect() as slow:
        slow.send(request("GET", "/endless/slow"))
        slow.read_line()
        assert served.ask("GET", "/hello/Ann").status == 200
        before = _resident(served)
        for _ in range(20):
            served.ask("GET", "/wait?seconds=0.02")
        assert _resident(served) - before < 8 * 2**20
    wait_until(lambda: "slow ended" in served.ask("GET", "/events").json(), "the stream ends", 1)


def _resident(served: Server) -> int:
    with open(f"/proc/{served.workers()[0]}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_a_stream_that_breaks_is_cut_so_that_its_reader_can_tell(served: Server) -> None:
    with served.connect() as connection:
        connection.send(request("GET", "/broken-stream"))
        lines = b"".join(iter(connection.read_line, b""))
    assert b"first" in lines
    assert not lines.endswith(b"0\r\n\r\n")


def test_a_fault_in_a_route_is_a_500_and_the_log_has_its_cause(served: Server) -> None:
    assert served.ask("GET", "/crash").status == 500
    wait_until(lambda: "ValueError: on purpose" in served.stderr, "the log names the cause")


def test_an_exception_handler_answers(served: Server) -> None:
    answer = served.ask("GET", "/unlucky")
    assert (answer.status, answer.json()) == (418, {"unlucky": True})


def test_a_background_task_runs_after_the_answer(served: Server) -> None:
    assert served.ask("GET", "/later").json() == "soon"
    wait_until(lambda: "later ran" in served.ask("GET", "/events").json(), "the task runs")


def test_a_path_of_nobody_is_refused_in_our_shape(served: Server) -> None:
    answer = served.ask("GET", "/nobody")
    assert (answer.status, answer.json()["detail"][0]["type"]) == (404, "not_found")


def test_a_head_request_has_no_body(served: Server) -> None:
    answer = served.ask("HEAD", "/shop/")
    assert (answer.status, answer.body) == (200, b"")


def test_a_websocket_speaks_with_its_route(served: Server) -> None:
    from wsproto import ConnectionType, WSConnection
    from wsproto.events import AcceptConnection, Request, TextMessage

    speaker = WSConnection(ConnectionType.CLIENT)
    with served.connect() as connection:
        connection.send(speaker.send(Request(host="test", target="/echo")))
        events: list[object] = []
        while not any(isinstance(event, AcceptConnection) for event in events):
            speaker.receive_data(connection.socket.recv(4096))
            events += speaker.events()
        connection.send(speaker.send(TextMessage(data="loud")))
        while not any(isinstance(event, TextMessage) for event in events):
            speaker.receive_data(connection.socket.recv(4096))
            events += speaker.events()
    assert [event.data for event in events if isinstance(event, TextMessage)] == ["LOUD"]


def test_a_chunked_body_reaches_a_mounted_application(served: Server) -> None:
    with served.connect() as connection:
        connection.send(request("POST", "/size", transfer_encoding="chunked") + chunked(b"ab", b"cde"))
        assert connection.read().json() == 5
