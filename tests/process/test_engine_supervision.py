"""What the supervisor withstands: children that are stopped, talk nonsense or leave others behind; reloads that hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.process.engine import Served, alive, serve, until, write_app
from tests.process.test_engine_life import SLOW, WHO, Traffic, free_port, holder_of

VERBOSE = """
from typing import Literal
@service.model("verbose")
def verbose(x: Literal[tuple(f"value {i:06}" for i in range(30_000))]) -> list[object]:
    return [x, os.getpid()]
"""


@pytest.mark.slow
def test_a_long_description_and_a_stopped_worker_do_not_stop_the_supervisor(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, VERBOSE), "--workers", "2") as served:
        until(lambda: len(served.children("holder")) == 2, 10)
        os.kill(served.children("worker")[0], signal.SIGSTOP)  # it takes no more of its mail than the system buffers
        for _ in range(2):
            until(lambda: served.predict_later({"x": "value 000001"}).result().status == 200, 20)
            before = set(served.children("holder"))
            os.kill(served.children("holder")[0], signal.SIGKILL)
            until(lambda b=before: len(set(served.children("holder")) - b) == 1, 5)  # type: ignore[misc]
        answer = served.predict({"x": "value 000002"})
        assert answer.json[0] == "value 000002"


@pytest.mark.slow
def test_junk_on_the_line_to_the_supervisor_ends_only_who_sent_it(tmp_path: Path) -> None:
    junk = """
@service.model("junk")
def junk(line: str) -> int:
    import sys
    os.write(int(sys.argv[-1]), line.encode())
    time.sleep(5)
    return 1
"""
    lines = [
        "no json\n",
        "[1]\n",
        '{"event": "ready"}\n',
        '{"event": ["x"]}\n',
        "[" * 100_000 + "\n",
        '{"event": "ready", "version": "", "threads": "x"}\n',
        '{"event": "catalog", "models": ["other"]}\n',
    ]
    with serve(write_app(tmp_path, WHO + junk)) as served:
        for times, line in enumerate(lines, 1):
            until(lambda: served.predict({"x": 1}, "who").status == 200, 5)
            until(lambda x=line: "holder_lost" in str(served.predict({"line": x}, "junk").body), 15)  # type: ignore[misc]
            served.wait_for("it sent what is no message", times=times)
        assert served.process.poll() is None
        assert served.predict({"x": 1}, "who").status == 200
        assert "Traceback" not in served.text()


def test_a_stopped_worker_does_not_outlive_the_supervisor(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, WHO), "--workers", "2") as served:
        children = served.children()
        os.kill(served.children("worker")[0], signal.SIGSTOP)
        served.signal(signal.SIGKILL)
        until(lambda: not any(map(alive, children)), 2, lambda: f"alive: {[p for p in children if alive(p)]}")


def test_what_a_model_has_started_ends_with_it_and_holds_up_nobody(tmp_path: Path) -> None:
    forks = """
@service.model("forks")
def forks(die: bool) -> int:
    pid = os.fork()
    if not pid:
        time.sleep(600)
    if die:
        pathlib.Path("forked").write_text(str(pid))
        os.kill(os.getpid(), 9)
    return pid
"""
    with serve(write_app(tmp_path, forks)) as served:
        until(lambda: len(served.children("holder")) == 2, 10)
        time.sleep(0.5)
        left = served.predict({"die": False}).json
        assert served.predict({"die": True}, request_timeout="5").json["detail"][0]["type"] == "holder_lost"
        until(lambda: served.predict({"die": False}, request_timeout="5").status == 200, 10)  # a standby may still load
        left = [left, int((tmp_path / "forked").read_text())]
        until(lambda: not any(map(alive, left)), 2)


def test_a_fork_that_outlives_its_holder_does_not_hold_up_the_callers(tmp_path: Path) -> None:
    daemon = """
@service.model("daemon")
def daemon(die: bool) -> int:
    if die:
        pid = os.fork()
        if not pid:
            os.setsid()
            time.sleep(60)
        pathlib.Path("forked").write_text(str(pid))
        time.sleep(0.2)
        os.kill(os.getpid(), 9)
    return os.getpid()
"""
    with serve(write_app(tmp_path, daemon)) as served:
        until(lambda: len(served.children("holder")) == 2, 10)
        answer = served.predict({"die": True}, request_timeout="10")
        left = int((tmp_path / "forked").read_text())
        try:
            assert answer.json["detail"][0]["type"] == "holder_lost"
            assert answer.seconds < 5
            until(lambda: served.predict({"die": False}, request_timeout="5").status == 200, 10)
            assert alive(left)
        finally:
            os.kill(left, signal.SIGKILL)


def test_it_serves_without_a_folder_and_without_a_reader_of_its_log(tmp_path: Path) -> None:
    app = write_app(tmp_path, WHO)
    port = free_port()
    environment = {**os.environ, "TMPDIR": "/nowhere/" + "x" * 200}
    command = [sys.executable, "-m", "modelport", "serve", app.name, "--port", str(port), "--drain-delay", "0"]
    reader, writer = os.pipe()
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=writer, stderr=writer)
    os.close(writer)
    os.close(reader)
    served = Served(process, app, port)
    try:
        until(lambda: served.get("/readyz").status == 200, 20)
        os.kill(holder_of(served), signal.SIGKILL)
        until(lambda: served.predict({"x": 1}).status == 200, 5)
        served.signal(signal.SIGTERM)
        assert process.wait(10) in (0, 120)  # 120: Python could not flush what nobody reads
    finally:
        process.kill()
        process.wait()


def test_a_failed_reload_leaves_a_standby(tmp_path: Path) -> None:
    breaks = """
@service.model("who")
class Who:
    def load(self):
        raise OSError("no weights")
    def predict(self, x: int) -> list[int]:
        return [x, os.getpid()]
"""
    with serve(write_app(tmp_path, WHO)) as served, Traffic(served) as traffic:
        until(lambda: len(served.children("holder")) == 2, 10)
        time.sleep(1)
        before = set(served.children("holder"))
        write_app(tmp_path, breaks)
        served.signal(signal.SIGHUP)
        served.wait_for("what served before goes on")
        assert before <= set(served.children("holder"))
        first = holder_of(served)
        os.kill(first, signal.SIGKILL)
        time.sleep(0.3)
        assert holder_of(served) in before - {first}
    assert {answer.status for answer in traffic.wrong} <= {503}  # those that ran in the one that was killed
    assert len(traffic.wrong) <= 3


@pytest.mark.slow
def test_a_reload_that_hangs_gives_way_to_another(tmp_path: Path) -> None:
    hangs = """
@service.model("who")
class Who:
    def load(self):
        pathlib.Path("loading").touch()
        ctypes.PyDLL(None).sleep(600)
    def predict(self, x: int) -> int:
        return x
"""
    with serve(write_app(tmp_path, WHO)) as served, Traffic(served) as traffic:
        write_app(tmp_path, hangs)
        served.signal(signal.SIGHUP)
        until((tmp_path / "loading").exists, 10)
        write_app(tmp_path, WHO.replace("[x, os", "[x * 2, os"))
        served.signal(signal.SIGHUP)
        served.wait_for("begun anew")
        until(lambda: served.predict({"x": 1}).json[0] == 2, 15)
        until(lambda: len(served.children("worker")) == 2 or len(served.children("holder")) == 2, 10)
    assert [(answer.status, answer.body) for answer in traffic.wrong] == []


def test_during_a_reload_the_service_stays_ready_though_a_slow_call_keeps_the_old_worker(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, SLOW), "--drain-delay", "1") as served:
        call = served.predict_later({"seconds": 3})
        time.sleep(0.2)
        old = served.children("worker")
        served.signal(signal.SIGHUP)
        seen = set()
        while not call.done():
            seen.add(served.get("/readyz").status)
        assert seen == {200}
        assert call.result().status == 200
        until(lambda: not set(old) & set(served.children("worker")), 10)


def test_without_a_holder_the_service_is_not_ready_until_the_next_has_loaded(tmp_path: Path) -> None:
    gated = """
@service.model("gated")
class Gated:
    def load(self):
        while pathlib.Path("closed").exists():
            time.sleep(0.02)
    def predict(self, x: int) -> list[int]:
        return [x, os.getpid()]
"""
    with serve(write_app(tmp_path, gated), "--standby", "off") as served:
        (tmp_path / "closed").touch()
        os.kill(holder_of(served), signal.SIGKILL)
        until(lambda: served.get("/readyz").status == 503, 5)
        assert served.get("/readyz").json["state"] == "loading"
        assert served.predict({"x": 1}).json["detail"][0]["type"] == "not_ready"
        (tmp_path / "closed").unlink()
        until(lambda: served.get("/readyz").status == 200, 10)
        until(lambda: served.predict({"x": 1}).status == 200, 5)  # another worker hears of it a moment later


@pytest.mark.slow
def test_the_status_lists_the_processes_that_live(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, WHO)) as served:
        until(lambda: len(served.children("holder")) == 2, 10)
        old = served.children("worker")
        served.signal(signal.SIGHUP)
        until(lambda: not set(old) & set(served.children("worker")), 15)
        until(lambda: len(served.children("holder")) == 2 and len(served.children("worker")) == len(old), 10)

        def listed() -> set[int]:
            return {process["pid"] for process in served.get("/status").json["processes"]}

        until(lambda: listed() == {served.process.pid, *served.children()}, 5)


@pytest.mark.slow
def test_a_body_that_ends_its_process_is_found_and_refused_where_calls_run_beside_each_other(tmp_path: Path) -> None:
    beside = """
@service.model("beside", parallel=3)
def beside(x: int) -> int:
    time.sleep(0.05)
    if x == 13:
        os.abort()
    return x
"""
    met: set[str] = set()

    def ask(x: int) -> int:
        answer = served.predict({"x": x})
        if answer.status != 200:
            met.add(answer.json["detail"][0]["type"])
        return answer.status

    def find(x: int) -> bool:
        others = [served.pool.submit(ask, 100 + i) for i in range(6)]  # so that it is never alone by chance
        refused = served.predict({"x": x}).status == 422
        assert all(other.result() in (200, 503) for other in others)
        return refused

    with serve(write_app(tmp_path, beside), "--workers", "1") as served:
        until(lambda: find(13), 40)
        assert met <= {"holder_lost", "not_ready"}  # never refused for the company they were in
        until(lambda: ask(1) == 200, 15)
        deaths = served.text().count("killed by SIGABRT")
        assert served.predict({"x": 13}).json["detail"][0]["type"] == "record_refused"
        assert [ask(100 + i) for i in range(6)] == [200] * 6
        assert served.text().count("killed by SIGABRT") == deaths


@pytest.mark.slow
def test_a_body_that_runs_while_somebody_kills_its_process_is_not_refused(tmp_path: Path) -> None:
    slow = """
@service.model("slow")
def slow(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()
"""
    with serve(write_app(tmp_path, slow), "--workers", "1") as served:
        for _ in range(2):
            until(lambda: served.predict({"seconds": 0}).status == 200, 10)
            holder = served.predict({"seconds": 0}).json
            call = served.predict_later({"seconds": 1.0})
            time.sleep(0.3)
            os.kill(holder, signal.SIGKILL)
            assert call.result().json["detail"][0]["type"] == "holder_lost"
        until(lambda: served.predict({"seconds": 0}).status == 200, 10)
        assert served.predict({"seconds": 1.0}).status == 200


def test_a_reload_tries_again_what_was_refused(tmp_path: Path) -> None:
    fatal = """
@service.model("fatal")
def fatal(x: int) -> int:
    if x == 13:
        os.abort()
    return x
"""
    with serve(write_app(tmp_path, fatal), "--workers", "1") as served:
        for _ in range(2):
            until(lambda: served.predict({"x": 1}).status == 200, 10)
            assert served.predict({"x": 13}).status == 503
        until(lambda: served.predict({"x": 13}).status == 422, 5)
        write_app(tmp_path, fatal.replace("os.abort()", "return 26"))
        served.signal(signal.SIGHUP)
        until(lambda: served.predict({"x": 13}).status == 200, 15)
