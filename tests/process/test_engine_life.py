"""Starting, dying, being replaced: what a service does when its processes end, or are asked to."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.process.engine import Answer, Served, alive, serve, until, write_app

WHO = """
@service.model("who")
def who(x: int) -> list[int]:
    return [x, os.getpid()]
"""
SLOW = """
@service.model("slow")
def slow(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()
"""


class Traffic:
    """Somebody who asks again and again, and remembers what was not answered right."""

    def __init__(self, served: Served, model: str = "", threads: int = 3) -> None:
        self.served = served
        self.model = model
        self.asked = 0
        self.wrong: list[Answer] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            self.asked += 1
            answer = self.served.predict({"x": self.asked}, self.model)
            if answer.status != 200:
                self.wrong.append(answer)


def holder_of(served: Served) -> int:
    """The process that answers now."""
    return int(served.predict({"x": 1}).json[1])


def test_a_killed_holder_is_replaced_by_its_standby(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, WHO)) as served:
        until(lambda: len(served.children("holder")) == 2, 10)
        time.sleep(0.5)
        first = holder_of(served)
        for _ in range(3):
            os.kill(first, signal.SIGKILL)
            began = time.monotonic()
            until(lambda: served.predict({"x": 1}).status == 200, 5)
            assert time.monotonic() - began < 1
            first, before = holder_of(served), first
            assert first != before
            until(lambda: len(served.children("holder")) == 2, 10)
        assert "SIGKILL" in served.text()
        assert "Traceback" not in served.text()


def test_a_killed_worker_is_replaced_and_the_model_stays(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, WHO + SLOW), "--workers", "2") as served:
        holder = served.predict({"x": 1}, "who").json[1]
        for _ in range(3):
            victim = served.children("worker")[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda gone=victim: gone not in served.children("worker"), 5)  # type: ignore[misc]
            assert served.predict({"x": 1}, "who").status == 200
            until(lambda: len(served.children("worker")) == 2, 5)
        time.sleep(0.7)
        for _ in range(40):
            assert served.predict({"x": 1}, "who").json == [1, holder]
            assert served.predict({"x": 1}).status == 404  # two models: none of them is the only one
            assert served.predict({"seconds": 0}, "slow").status == 200


@pytest.mark.slow
def test_a_saved_model_is_asked_once_more_when_its_process_dies(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    (tmp_path / "sleepy.py").write_text(
        "import time\nfrom sklearn.base import BaseEstimator, RegressorMixin\n"
        "class Sleepy(RegressorMixin, BaseEstimator):\n"
        "    def fit(self, X, y):\n        self.n_features_in_ = 1\n        return self\n"
        "    def predict(self, X):\n        import numpy\n        time.sleep(0.6)\n"
        "        return numpy.asarray(X, dtype=float)[:, 0] * 2\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        model = __import__("sleepy").Sleepy().fit([[1.0]], [1.0])
        joblib.dump(model, tmp_path / "model.joblib")
    finally:
        sys.path.remove(str(tmp_path))
    with serve(tmp_path / "model.joblib", "--allow-pickle") as served:
        until(lambda: len(served.children("holder")) == 2, 20)
        assert served.predict({"x0": 2.0}).status == 200
        time.sleep(1.5)  # the standby loads scikit-learn
        call = served.predict_later({"x0": 3.0})
        time.sleep(0.3)
        for pid in served.children("holder")[:1]:
            os.kill(pid, signal.SIGKILL)
        assert call.result().status == 200
        assert call.result().json["prediction"] == 6.0


@pytest.mark.parametrize("stuck", [False, True], ids=["idle", "with a call that holds the interpreter"])
def test_nothing_is_left_of_a_service_whose_supervisor_was_killed(tmp_path: Path, stuck: bool) -> None:
    holds = """
@service.model("holds")
def holds(seconds: int) -> int:
    ctypes.PyDLL(None).usleep(seconds * 1_000_000)
    return seconds
"""
    with serve(write_app(tmp_path, holds)) as served:
        until(lambda: len(served.children("holder")) == 2, 10)
        children = served.children()
        if stuck:
            served.predict_later({"seconds": 20})
            time.sleep(0.2)
        served.signal(signal.SIGKILL)
        began = time.monotonic()
        until(lambda: not any(map(alive, children)), 2, lambda: f"alive: {[p for p in children if alive(p)]}")
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", served.port))
            again.listen()
        assert time.monotonic() - began < 2
        assert "Traceback" not in served.text()


def test_sigterm_answers_what_is_in_flight_and_exits_0(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, SLOW)) as served:
        children = served.children()
        calls = [served.predict_later({"seconds": 0.4}) for _ in range(3)]
        time.sleep(0.2)
        served.signal(signal.SIGTERM)
        until(lambda: served.get("/readyz").status == 503, 1)
        assert served.get("/livez").status == 200
        assert [call.result().status for call in calls] == [200, 200, 200]
        assert served.process.wait(10) == 0
        assert not any(map(alive, children))


def test_sigterm_takes_no_longer_than_the_time_to_stop_and_tells_those_who_still_wait(tmp_path: Path) -> None:
    stuck = """
@service.model("stuck")
def stuck(seconds: int) -> int:
    ctypes.PyDLL(None).sleep(seconds)  # holds the GIL
    return seconds
"""
    app = write_app(tmp_path, SLOW + stuck)
    with serve(app, "--stop-timeout", "2s", "--standby", "off", "--workers", "2") as served:
        calls = [served.predict_later({"seconds": 60}, name, request_id=name) for name in ("slow", "stuck")]
        with socket.create_connection(("127.0.0.1", served.port)) as unfinished:
            unfinished.sendall(b"POST /models/slow/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
            time.sleep(0.5)
            began = time.monotonic()
            served.signal(signal.SIGTERM)
            for call in calls:
                assert call.result().status == 503
                assert call.result().json["detail"][0]["type"] == "stopped"
                assert call.result().headers["retry-after"] == "1"
            assert unfinished.recv(10) == b""
        assert served.process.wait(10) == 0
        assert 1.4 < time.monotonic() - began < 3
        assert "model slow: a call was not done when the service had to end (request slow)" in served.text()
        assert re.search(r"holder \d+ of stuck had not ended in time and is killed", served.text())
        assert "Traceback" not in served.text()


def test_a_reload_loses_nothing_and_brings_the_new_code(tmp_path: Path) -> None:
    app = write_app(tmp_path, WHO)
    with serve(app, "--workers", "2") as served, Traffic(served) as traffic:
        for version in range(2, 5):
            write_app(tmp_path, WHO.replace("[x, os", f"[x * {version}, os"))
            served.signal(signal.SIGHUP)
            until(lambda v=version: served.predict({"x": 1}).json[0] == v, 10)  # type: ignore[misc]
            until(lambda: len(served.children("worker")) == 2 and len(served.children("holder")) == 2, 10)
    assert traffic.asked > 100
    assert [(answer.status, answer.body) for answer in traffic.wrong] == []
    assert "Traceback" not in served.text()


def test_hangups_in_quick_succession_end_in_one_service(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, WHO), "--workers", "2") as served, Traffic(served) as traffic:
        for _ in range(6):
            served.signal(signal.SIGHUP)
            time.sleep(0.05)
        time.sleep(1)
        until(lambda: len(served.children("worker")) == 2 and len(served.children("holder")) == 2, 15)
        assert served.process.poll() is None
    assert [(answer.status, answer.body) for answer in traffic.wrong] == []


def test_new_code_that_does_not_start_leaves_the_old_in_place(tmp_path: Path) -> None:
    app = write_app(tmp_path, WHO)
    with serve(app) as served:
        with Traffic(served) as traffic:
            app.write_text("raise RuntimeError('broken on purpose')\n")
            served.signal(signal.SIGHUP)
            served.wait_for("broken on purpose")
            time.sleep(0.3)
        assert [(answer.status, answer.body) for answer in traffic.wrong] == []
        assert traffic.asked
        write_app(tmp_path, WHO)  # and mended code comes in again
        served.signal(signal.SIGHUP)
        until(lambda: len(served.children("holder")) == 2 and len(served.children("worker")) >= 1, 10)
        time.sleep(1)
        os.kill(holder_of(served), signal.SIGKILL)
        until(lambda: served.predict({"x": 1}).status == 200, 5)


OTHER = """
@service.model("other")
def other(x: int) -> list[int]:
    return [-x, os.getpid()]
"""


@pytest.mark.slow
def test_a_reload_brings_models_that_were_added_and_takes_those_that_were_removed(tmp_path: Path) -> None:
    app = write_app(tmp_path, WHO)
    with serve(app, "--workers", "2") as served, Traffic(served, model="who") as traffic:
        for _ in range(2):
            write_app(tmp_path, WHO + OTHER)
            served.signal(signal.SIGHUP)
            until(lambda: served.predict({"x": 1}, "other").status == 200, 15)
            until(lambda: len(served.children("worker")) == 2 and len(served.children("holder")) == 4, 15)
            assert [model["name"] for model in served.get("/status").json["models"]] == ["who", "other"]
            write_app(tmp_path, WHO)
            served.signal(signal.SIGHUP)
            until(lambda: len(served.children("worker")) == 2 and len(served.children("holder")) == 2, 15)
            assert served.predict({"x": 1}, "other").status == 404
            assert [model["name"] for model in served.get("/status").json["models"]] == ["who"]
    assert traffic.asked > 100
    assert [(answer.status, answer.body) for answer in traffic.wrong] == []
    assert "Traceback" not in served.text()


def test_a_new_model_that_does_not_load_is_left_out_of_the_reload(tmp_path: Path) -> None:
    broken = """
@service.model("broken")
class Broken:
    def load(self):
        raise OSError("no weights")
    def predict(self, x: int) -> int:
        return x
"""
    with serve(write_app(tmp_path, WHO)) as served, Traffic(served, model="who") as traffic:
        write_app(tmp_path, WHO.replace("[x, os", "[x * 2, os") + broken)
        served.signal(signal.SIGHUP)
        served.wait_for("the new model 'broken' is left out")
        until(lambda: served.predict({"x": 1}, "who").json[0] == 2, 10)
        write_app(tmp_path, WHO.replace("[x, os", "[x * 3, os"))
        served.signal(signal.SIGHUP)
        until(lambda: served.predict({"x": 1}, "who").json[0] == 3, 15)
    assert [(answer.status, answer.body) for answer in traffic.wrong] == []


def test_code_that_was_edited_is_not_described_before_it_serves(tmp_path: Path) -> None:
    telling = f"pathlib.Path({str(tmp_path)!r}, f'read-{{os.getpid()}}').touch()\n{WHO}"
    with serve(write_app(tmp_path, telling)) as served:
        until(lambda: len(served.children("holder")) == 2, 10)
        until(lambda: all((tmp_path / f"read-{pid}").exists() for pid in served.children("holder")), 10)
        time.sleep(0.5)
        write_app(tmp_path, telling.replace("x: int", "y: int").replace("[x,", "[y,"))
        os.kill(served.children("holder")[0], signal.SIGKILL)
        until(lambda: served.predict({"x": 1}).status == 200, 5)
        time.sleep(1)  # the next standby has read the new code
        assert served.predict({"x": 1}).status == 200
        assert '"x"' in served.get("/openapi.json").body.decode()
        served.signal(signal.SIGHUP)
        until(lambda: served.predict({"y": 1}).status == 200, 10)
        assert '"y"' in served.get("/openapi.json").body.decode()


@pytest.mark.slow
@pytest.mark.parametrize("role", ["worker", "holder"])
def test_a_process_that_stands_still_is_replaced(tmp_path: Path, role: str) -> None:
    with serve(write_app(tmp_path, WHO), "--workers", "2") as served:
        until(lambda: len(served.children("holder")) == 2, 10)
        time.sleep(1.5)
        frozen = holder_of(served) if role == "holder" else served.children(role)[0]
        os.kill(frozen, signal.SIGSTOP)
        served.wait_for("gave no sign of life", 30)
        until(lambda: not alive(frozen), 5)
        until(lambda: len(served.children(role)) == 2, 10)
        for _ in range(20):
            assert served.predict({"x": 1}).status == 200


def test_several_models_share_the_cores(tmp_path: Path) -> None:
    threads = """
@service.model("{name}")
def {name}(x: int) -> str:
    return os.environ["OMP_NUM_THREADS"]
"""
    names = [f"m{i}" for i in range(3)]
    with serve(write_app(tmp_path, "".join(threads.replace("{name}", name) for name in names))) as served:
        cores = len(os.sched_getaffinity(0))
        assert {served.predict({"x": 1}, name).json for name in names} == {str(max(1, cores // 3))}
        assert "runs     process, 1 thread" in served.text() or cores > 5


def test_loading_is_a_state(tmp_path: Path) -> None:
    models = """
@service.model("late")
class Late:
    def load(self):
        ctypes.PyDLL(None).usleep(1_500_000)
    def predict(self, x: float) -> float:
        return x
"""
    port = free_port()
    with serve(write_app(tmp_path, models), "--port", str(port), ready=False) as served:
        served.port = port
        until(lambda: served.get("/livez").status == 200, 5)
        seen = set()
        slowest = 0.0
        while (answer := served.get("/readyz")).status == 503:
            seen.add(answer.json["state"])
            slowest = max(slowest, served.get("/livez").seconds)
        assert seen == {"loading"}
        assert slowest < 0.5
        assert served.predict({"x": 1}).status == 200


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ('@service.model("m")\ndef m(x: "NoSuchType") -> float:\n    return x\n', "app.py:"),
        ('@service.model("m")\ndef m(x) -> float:\n    return x\n', "app.py:"),
        ('@service.model("m", batch=True)\ndef m(x: float) -> float:\n    return x\n', "app.py:"),
        ('@service.model("m")\nclass M:\n    def predict(self, *x: float) -> float:\n        return 1.0\n', "app.py:"),
        (
            '@service.model("m")\nclass M:\n    def load(self):\n        raise OSError("no weights")\n'
            "    def predict(self, x: float) -> float:\n        return x\n",
            "no weights",
        ),
        ("raise KeyError('at import')\n", "at import"),
        ("service = None\n", "no Service"),
    ],
)
def test_what_cannot_be_served_fails_at_the_start(tmp_path: Path, models: str, said: str) -> None:
    with serve(write_app(tmp_path, models), ready=False) as served:
        assert served.process.wait(15) != 0
        assert said in served.text()
        assert not served.children()


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "modelport", "serve", str(write_app(tmp_path, WHO)), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "in use" in done.stderr
