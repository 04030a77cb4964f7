"""One served app with many models: what each caller gets when a call, or its neighbour, goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.engine import Served, serve, until, write_app

MODELS = """
import pydantic

def count(name):
    with open(name, "a") as file:
        file.write("x")

@service.model("echo")
def echo(x: float) -> float:
    return x

@service.model("poison", batch=True)
def poison(items: list[int]) -> list[int]:
    time.sleep(0.02)
    if 13 in items:
        raise ValueError("thirteen")
    return [item * 2 for item in items]

@service.model("miscount", batch=True)
def miscount(items: list[int]) -> list[int]:
    return items[1:]

@service.model("lists", batch=True)
def lists(items: list[list[float]]) -> list[float]:
    return [sum(item) for item in items]

@service.model("slow")
def slow(seconds: float) -> float:
    count("slow.count")
    time.sleep(seconds)
    return seconds

@service.model("runaway")
def runaway(forever: bool) -> str:
    while forever:
        pass
    return "fine"

@service.model("hold_gil")
def hold_gil(seconds: float) -> float:
    ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
    return seconds

@service.model("fatal")
def fatal(how: str) -> str:
    if how == "segfault":
        ctypes.string_at(0)
    if how == "exit":
        os._exit(3)
    return how

class Picky(pydantic.BaseModel):
    x: float

    @pydantic.field_validator("x")
    @classmethod
    def check(cls, x):
        if x == 1:
            raise KeyError("not there")
        if x == 2:
            os._exit(4)
        time.sleep(0.3 if x == 3 else 0)
        return x

@service.model("nothing")
def nothing(nan: bool) -> float | None:
    return float("nan") if nan else None

@service.model("picky")
def picky(item: Picky) -> float:
    return item.x

@service.model("patient", parallel=3)
async def patient(seconds: float, stubborn: bool = False) -> float:
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        count("patient.cancelled")
        while stubborn:
            await asyncio.sleep(1)
        raise
    return seconds

@service.model("upstream", parallel=8)
class Upstream:
    async def load(self):
        self.gate = asyncio.Event()
        self.waiting = 0
        self.loop = asyncio.get_running_loop()

    async def predict(self, needed: int) -> int:
        assert asyncio.get_running_loop() is self.loop
        if needed < 0:
            raise SystemExit(1)
        self.waiting += 1
        if self.waiting == needed:
            self.gate.set()
        await self.gate.wait()
        return self.waiting
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """All models, small queue, two workers."""
    app = write_app(tmp_path_factory.mktemp("engine"), MODELS)
    with serve(app, "--queue-rows", "6", "--workers", "2", "--kill-grace", "0.2", "--default-deadline", "2") as service:
        yield service


def calls_of(served: Served) -> int:
    """How often the slow model has begun."""
    path = served.log.with_name("slow.count")
    return path.stat().st_size if path.exists() else 0


def test_a_poison_record_fails_alone(served: Served) -> None:
    answers = [served.predict_later(value, "poison") for value in (1, 13, 2, 3)]
    got = [answer.result() for answer in answers]
    assert [a.status for a in got] == [200, 500, 200, 200]
    assert [a.json for a in got if a.status == 200] == [2, 4, 6]


def test_a_batch_says_which_of_its_rows_failed(served: Served) -> None:
    answer = served.predict([1, 13, 2], "poison")
    assert answer.headers["modelport-errors"] == "1"
    first, failed, last = answer.json
    assert (first, last) == (2, 4)
    assert "thirteen" not in json.dumps(failed)  # what the model raised is for the log
    served.wait_for("thirteen")


def test_async_calls_run_side_by_side_on_the_loop_that_load_ran_on(served: Served) -> None:
    calls = [served.predict_later({"needed": 6}, "upstream", request_timeout="5") for _ in range(6)]
    assert [call.result().status for call in calls] == [200] * 6


def test_an_async_model_that_exits_fails_only_that_call(served: Served) -> None:
    assert served.predict({"needed": -1}, "upstream", request_timeout="5").status == 500
    assert "tried to end its process: SystemExit" in served.text()
    assert served.predict({"needed": -1}, "upstream", request_timeout="5").status == 500


def leave(served: Served, model: str, body: bytes, **headers: str) -> None:
    """Ask, and hang up while it runs."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST /models/{model}/predict HTTP/1.1\r\nhost: a\r\n{lines}content-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(head.encode() + body)
        time.sleep(0.2)


def test_a_coroutine_that_nobody_waits_for_is_cancelled_and_its_neighbours_are_not(served: Served) -> None:
    cancelled = served.log.with_name("patient.cancelled")
    good = served.predict_later({"seconds": 2.8}, "patient", request_timeout="10")
    assert served.predict({"seconds": 60}, "patient", request_timeout="0.2").status == 504
    until(lambda: cancelled.exists() and cancelled.stat().st_size == 1, 2)
    leave(served, "patient", b'{"seconds": 60}')
    until(lambda: cancelled.stat().st_size == 2, 2)
    assert good.result().status == 200  # it would have died with the process
    assert "of patient ended" not in served.text()


def test_a_coroutine_that_will_not_end_is_ended(served: Served) -> None:
    served.predict({"seconds": 60, "stubborn": True}, "patient", request_timeout="0.2")
    assert "past its hard limit" in served.wait_for("of patient ended")


def test_who_has_left_holds_the_model_no_longer_than_others(served: Served) -> None:
    leave(served, "runaway", b'{"forever":  true}', request_timeout="3600")
    assert served.predict({"forever": False}, "runaway", request_timeout="10").status == 200


def test_a_wrong_number_of_answers_names_both_numbers(served: Served) -> None:
    for error in (each["error"]["message"] for each in served.predict([1, 2, 3], "miscount").json):
        given, asked = map(int, re.findall(r"\d+", error))  # a cold model is asked in small batches at first
        assert given == asked - 1
    assert served.predict(1, "miscount").status == 500


def test_where_a_body_is_a_list_a_batch_is_a_list_of_lists(served: Served) -> None:
    assert served.predict([1, 2, 3.5], "lists").json == 6.5
    assert served.predict([[1, 2], [3]], "lists").json == [3, 3]
    assert served.predict([], "lists").status in (200, 422)
    assert served.predict([[1, 2], 3], "lists").status == 422
    assert served.predict(1, "lists").status == 422


def test_a_list_of_bodies_is_a_batch(served: Served) -> None:
    assert served.predict([{"x": 1}, {"x": 2.5}], "echo").json == [1, 2.5]
    assert served.predict([], "echo").json == []
    wrong = served.predict([{"x": 1}, {"x": "a"}, {"y": 1}], "echo")
    assert wrong.status == 422
    assert "x" in wrong.body.decode()


def test_a_validator_that_fails_costs_no_call_but_its_own(served: Served) -> None:
    good = [served.predict_later({"x": 3}, "picky") for _ in range(2)]
    assert served.predict({"x": 1}, "picky").status == 500
    assert [answer.result().status for answer in good] == [200, 200]
    assert "KeyError: 'not there'" in served.wait_for("KeyError")
    assert "of picky ended" not in served.text()


def test_a_validator_that_ends_the_process_is_tried_twice_and_then_refused(served: Served) -> None:
    for _ in range(2):
        assert served.predict({"x": 2}, "picky", request_timeout="10").status == 503
        until(lambda: served.predict({"x": 0}, "picky").status == 200, 10)
    until(lambda: served.predict({"x": 2}, "picky").status == 422, 2)
    assert served.text().count("of picky ended") == 2


def test_a_deadline_that_passes_is_a_504_in_time(served: Served) -> None:
    answer = served.predict({"seconds": 0.5}, "slow", request_timeout="0.2")
    assert answer.status == 504
    hint = answer.json["detail"][0]["hint"]
    assert "Request-Timeout" in hint
    assert "--default-deadline" in hint
    assert 0.15 < answer.seconds < 0.45
    until(lambda: served.predict({"seconds": 0}, "slow").status == 200, 2)


def test_a_deadline_that_is_no_number_is_refused(served: Served) -> None:
    for wrong in ("soon", "-1", "nan", "0", "1_0"):
        assert served.predict({"x": 1}, "echo", request_timeout=wrong).status == 400


def test_what_waited_past_its_deadline_is_never_run(served: Served) -> None:
    before = calls_of(served)
    running = served.predict_later({"seconds": 0.6}, "slow")
    until(lambda: calls_of(served) == before + 1, 2)
    late = [served.predict_later({"seconds": 0}, "slow", request_timeout="0.2") for _ in range(3)]
    assert [call.result().status for call in late] == [504, 504, 504]
    assert running.result().status == 200
    assert served.predict({"seconds": 0}, "slow").status == 200
    assert calls_of(served) == before + 2


def test_callers_who_leave_leave_the_queue(served: Served) -> None:
    before = calls_of(served)
    running = served.predict_later({"seconds": 0.6}, "slow")
    until(lambda: calls_of(served) == before + 1, 2)
    body = b'{"seconds": 0}'
    patient = b"request-timeout: 20\r\n"  # whatever the calls before have made the queue look like, there is time
    head = b"POST /models/slow/predict HTTP/1.1\r\nhost: a\r\n%scontent-length: %d\r\n\r\n" % (patient, len(body))
    leaving = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(4)]
    for line in leaving:
        line.sendall(head + body)
    staying = served.predict_later({"seconds": 0}, "slow", request_timeout="20")
    time.sleep(0.1)
    for line in leaving:
        line.close()
    assert running.result().status == 200
    assert staying.result().status == 200
    assert served.predict({"seconds": 0}, "slow").status == 200
    assert calls_of(served) == before + 3


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(served: Served) -> None:
    calls = [served.predict_later({"seconds": 0.1}, "slow") for _ in range(16)]
    answers = [call.result() for call in calls]
    shed = [answer for answer in answers if answer.status == 503]
    assert {answer.status for answer in answers} == {200, 503}
    assert len(answers) - len(shed) >= 5
    for answer in shed:
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.seconds < 0.1
    assert served.predict({"seconds": 0}, "slow").status == 200


def invalid_calls(served: Served) -> float:
    """How many calls of the echo were counted as invalid."""
    line = next(x for x in served.get("/metrics").body.decode().splitlines() if INVALID_ECHO in x)
    return float(line.rpartition(" ")[2])


INVALID_ECHO = 'modelport_requests_total{model="echo",outcome="invalid"}'


def test_a_body_that_is_too_large_is_counted_as_invalid(served: Served) -> None:
    before = invalid_calls(served)
    with socket.create_connection(("127.0.0.1", served.port)) as line:
        line.sendall(b"POST /models/echo/predict HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n")
        assert b" 413 " in line.recv(1000)
    assert invalid_calls(served) == before + 1


def test_none_is_an_answer_and_nan_is_flagged(served: Served) -> None:
    none, nan = served.predict({"nan": False}, "nothing"), served.predict({"nan": True}, "nothing")
    assert none.body == nan.body == b"null"
    assert "modelport-non-finite" not in none.headers
    assert nan.headers["modelport-non-finite"] == "1"


def test_a_list_counts_as_the_rows_it_has(served: Served) -> None:
    calls = [served.predict_later([{"seconds": 0.2}] * 4, "slow") for _ in range(3)]
    assert sorted(call.result().status for call in calls) == [200, 503, 503]
    assert "of 6 rows" in next(c.result() for c in calls if c.result().status == 503).json["detail"][0]["msg"]


def test_bodies_that_wait_are_bounded_in_bytes_too(tmp_path: Path) -> None:
    app = write_app(
        tmp_path, "@service.model('m')\ndef m(text: str) -> int:\n    time.sleep(0.5)\n    return len(text)\n"
    )
    with serve(app, "--queue-bytes", "1MB", "--workers", "2") as served:
        calls = [served.predict_later({"text": "a" * 300_000}) for _ in range(8)]
        assert sorted(call.result().status for call in calls) == [200] * 3 + [503] * 5
        refused = next(call.result() for call in calls if call.result().status == 503)
        assert "of 1,000,000 bytes" in refused.json["detail"][0]["msg"]
        assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize(("model", "body"), [("runaway", {"forever": True}), ("hold_gil", {"seconds": 20})])
def test_a_call_that_never_ends_is_ended_and_the_next_one_answered(served: Served, model: str, body: object) -> None:
    began = time.monotonic()
    stuck = served.predict_later(body, model, request_timeout="0.5")
    time.sleep(0.1)
    assert served.get("/livez").seconds < 0.5
    assert served.predict({"x": 1}, "echo").status == 200
    assert stuck.result().status == 504
    assert 0.4 < stuck.result().seconds < 1.0
    good = {"forever": False} if model == "runaway" else {"seconds": 0}
    assert served.predict(good, model, request_timeout="10").status == 200
    assert 2.2 < time.monotonic() - began < 2.2 + 2.5  # the default deadline and the grace
    assert "past its hard limit" in served.wait_for(f"of {model} ended: killed")


def test_a_caller_in_a_hurry_costs_no_process_and_no_body_its_answer(served: Served) -> None:
    for _ in range(2):
        assert served.predict({"seconds": 1.0}, "slow", request_timeout="0.05").status == 504
        until(lambda: served.predict({"seconds": 0}, "slow", request_timeout="5").status == 200, 5)
    assert served.predict({"seconds": 1.0}, "slow", request_timeout="5").status == 200
    assert "of slow ended" not in served.text()


def test_calls_that_waited_behind_a_call_that_never_ends_are_answered_by_the_next_process(served: Served) -> None:
    until(lambda: served.predict({"forever": False}, "runaway").status == 200, 10)
    stuck = served.predict_later(
        {
            "forever": True,
        },
        "runaway",
        request_timeout="0.5",
    )
    time.sleep(0.1)
    behind = [served.predict_later({"forever": False}, "runaway", request_timeout="10") for _ in range(3)]
    assert stuck.result().status in (504, 422)
    assert [answer.result().status for answer in behind] == [200, 200, 200]


def test_a_body_that_kills_twice_is_refused_unrun_and_others_are_served(served: Served) -> None:
    for _ in range(2):
        until(lambda: served.predict({"how": "fine"}, "fatal").status == 200, 10)
        died = served.predict({"how": "segfault"}, "fatal")
        assert died.status == 503
        assert int(died.headers["retry-after"]) >= 1
    until(lambda: served.predict({"how": "fine"}, "fatal").status == 200, 10)
    before = served.text().count("of fatal ended")
    until(lambda: served.predict({"how": "segfault"}, "fatal").status == 422, 2)
    assert b"record_refused" in served.predict({"how": "segfault"}, "fatal").body
    assert served.text().count("of fatal ended") == before == 2
    for worker in served.children("worker"):
        os.kill(worker, signal.SIGKILL)
    served.wait_for("starting another", times=2)
    until(lambda: served.predict({"how": "segfault"}, "fatal").status == 422, 10)
    assert served.text().count("of fatal ended") == 2
    assert "SIGSEGV" in served.text()
