"""The life of the processes: loading, work, signals, deaths."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fronts.hostile import GOOD, track
from tests.fronts.models import TRACK
from tests.process.server import Server, child_environment, request, wait_until

Start = Callable[..., Server]
on_linux = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="children are looked up in /proc")


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that waits for its parent to take notice has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def is_free(port: int) -> bool:
    """Whether another service could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
        return True


def processes_that_answer(server: Server) -> set[str]:
    """Each worker begins the ids that it makes with text of its own."""
    return {server.predict(TRACK).headers["request-id"].partition("-")[0] for _ in range(50)}


# -- loading and working -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [False, True], ids=["on the loop", "in a process of its own"])
@pytest.mark.parametrize("workers", [1, 2])
def test_probes_answer_from_the_first_second_and_readiness_waits_for_all(
    serve_fake: Start, tmp_path: Path, workers: int, held: bool
) -> None:
    gate = tmp_path / "gate"
    with serve_fake(f"slow-to-load {gate}", "--workers", workers, ready=False, held=held) as server:
        wait_until(lambda: server.readiness()[0] != 0, "it listens")
        for _ in range(10):
            status, body = server.readiness()
            assert status == 503
            assert body["state"] == "loading"
            assert body["model"] == "slow-to-load"
            assert server.ask("GET", "/livez").status == 200
        refused = server.predict(TRACK)
        assert refused.status == 503
        assert refused.headers["retry-after"] == "1"
        assert "serves" not in server.stdout
        gate.touch()
        wait_until(lambda: server.readiness()[0] == 200, "it is ready")
        assert server.predict(TRACK).status == 200
        wait_until(lambda: f"serves slow-to-load at {server.url}" in server.stdout, "the banner is printed")


def test_probes_answer_while_a_prediction_runs(serve_fake: Start, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with serve_fake(f"gated {gate}", "--workers", 1, held=True) as server, server.connect() as connection:
        connection.send(request("POST", "/predict", GOOD))
        wait_until(Path(f"{gate}.begun").exists, "the prediction has begun")
        for _ in range(20):
            assert server.readiness()[0] == 200
            assert server.ask("GET", "/livez").status == 200
        gate.touch()
        assert connection.read().json() == {"prediction": 120.0}


ESTIMATOR = '''
import time
from pathlib import Path
from sklearn.base import BaseEstimator, RegressorMixin

class Slow(RegressorMixin, BaseEstimator):
    """Takes its time to load, and to predict, without ever letting go of the interpreter's lock for long."""
    n_features_in_ = 1

    def __setstate__(self, state):
        self.__dict__.update(state)
        while not Path("load").exists():
            sum(range(1000))

    def predict(self, X):
        Path("begun").touch()
        while X[0][0] == 7 and not Path("predict").exists():
            sum(range(1000))
        return X[:, 0]
'''
PICKLE = "import joblib, slow_estimator as s; m = s.Slow(); m.kind = 'slow'; joblib.dump(m, 'slow.joblib')"


@pytest.mark.slow
def test_a_pickle_of_the_users_own_slow_code_loads_from_the_current_folder_and_stops_no_probe(tmp_path: Path) -> None:
    (tmp_path / "slow_estimator.py").write_text(ESTIMATOR)
    subprocess.run([sys.executable, "-c", PICKLE], cwd=tmp_path, check=True, timeout=60)
    artifact = Path("slow.joblib")
    with Server.start(artifact, "--allow-pickle", "--workers", 1, folder=tmp_path, ready=False) as server:
        wait_until(lambda: server.readiness()[0] == 503, "it listens while it loads")
        for _ in range(5):
            assert server.ask("GET", "/livez").status == 200
        (tmp_path / "load").touch()
        wait_until(lambda: server.readiness()[0] == 200, "it is ready", 60)
        with server.connect() as connection:
            (tmp_path / "begun").unlink()  # the example was predicted at the start
            connection.send(request("POST", "/predict", b"[7]"))
            wait_until((tmp_path / "begun").exists, "the prediction has begun")
            for _ in range(5):
                assert server.readiness()[0] == 200
            (tmp_path / "predict").touch()
            assert connection.read().json() == {"prediction": 7.0}


@on_linux
def test_a_shells_limit_of_open_files_is_raised_to_what_the_system_allows(serve_fake: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    here = len(os.listdir("/proc/self/fd"))  # of the tests' own process, which may have run a thousand others
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, here + 256), hard))
    try:
        with serve_fake("track", "--workers", 1) as server:
            (worker,) = server.workers()
            limits = Path(f"/proc/{worker}/limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (line,) = [line.split() for line in limits.splitlines() if line.startswith("Max open files")]
    assert line[3] == line[4]


def test_two_workers_share_the_port(serve_fake: Start) -> None:
    with serve_fake("track", "--workers", 2) as server:
        assert "workers  2 (as configured)" in server.stdout
        wait_until(lambda: len(processes_that_answer(server)) == 2, "both answer")


@pytest.mark.parametrize("kind", ["inline", "thread", "process"])
@pytest.mark.parametrize("held", [False, True], ids=["compiled", "run by its library"])
def test_a_saved_model_runs_where_its_user_says(serve_fake: Start, kind: str, held: bool) -> None:
    with serve_fake("track", "--workers", 1, "--executor", kind, held=held) as server:
        assert server.predict(TRACK).status == 200
        assert server.ask("GET", "/models/track").json()["executor"] == kind
        assert f"runs     {kind}" in server.stdout
        assert "(as configured)" in server.stdout
        roles = {process["role"] for process in server.ask("GET", "/status").json()["processes"]}
        assert ("holder" in roles) == (kind == "process")


def test_log_lines_are_json_where_that_is_asked_for(serve_fake: Start) -> None:
    with serve_fake("track", "--workers", 1, "--log-format", "json") as server:
        assert server.predict({**TRACK, "tempo": 666}, request_id="abc").status == 500
        os.kill(server.workers()[0], signal.SIGKILL)
        wait_until(lambda: "ended" in server.stderr, "the death of the worker is told")
        lines = [json.loads(line) for line in server.stderr.splitlines()]
        assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
        failed = next(line for line in lines if line.get("request_id") == "abc")
        assert failed["level"] == "error"
        assert "cannot play 666" in failed["message"]


def test_log_lines_are_text_where_nothing_is_asked_for(serve_fake: Start) -> None:
    with serve_fake("track", "--workers", 1) as server:
        server.predict({**TRACK, "tempo": 666}, request_id="abc")
        wait_until(lambda: "(request abc)" in server.stderr, "the failure is told")
        assert len(server.stderr.splitlines()) == 1


# -- the end -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_is_in_flight_finish_and_the_exit_code_is_0(
    serve_fake: Start, tmp_path: Path, number: signal.Signals
) -> None:
    gate = tmp_path / "gate"
    with (
        serve_fake(f"gated {gate}", "--workers", 1, held=True) as server,
        server.connect() as connection,
        server.connect() as idle,
    ):
        idle.send(request("GET", "/livez"))
        assert idle.read("GET").status == 200
        connection.send(request("POST", "/predict", GOOD))
        wait_until(Path(f"{gate}.begun").exists, "the prediction has begun")
        server.process.send_signal(number)
        assert idle.is_closed_by_peer()
        wait_until(lambda: is_free(server.port), "it takes no new connections")
        assert server.process.poll() is None
        gate.touch()
        answer = connection.read()
        assert answer.json() == {"prediction": 120.0}
        assert answer.headers["connection"] == "close"
        assert server.process.wait(20) == 0
        assert server.stderr == ""


def test_while_it_drains_the_service_says_so_and_answers_those_who_still_come(serve_fake: Start) -> None:
    with serve_fake("track", "--workers", 2, "--drain-delay", "1s") as server:
        server.process.terminate()
        wait_until(lambda: server.readiness()[0] == 503, "it is not ready any more")
        for _ in range(10):
            assert server.predict(TRACK).status == 200
            assert server.ask("GET", "/livez").status == 200
        wait_until(lambda: server.readiness()[0] == 0, "nobody listens")
        assert server.process.wait(20) == 0


@on_linux
def test_a_second_signal_ends_the_service_now(serve_fake: Start, tmp_path: Path) -> None:
    with serve_fake(f"gated {tmp_path / 'gate'}", "--workers", 1, held=True) as server, server.connect() as connection:
        connection.send(request("POST", "/predict", GOOD))
        wait_until((tmp_path / "gate.begun").exists, "the prediction has begun")
        workers = server.workers()
        server.process.terminate()
        wait_until(lambda: is_free(server.port), "the first signal is heard")
        server.process.terminate()
        assert server.process.wait(10) == 0
        assert all(is_gone(pid) for pid in workers)


def test_a_signal_while_loading_ends_the_service(serve_fake: Start, tmp_path: Path) -> None:
    with serve_fake(f"slow-to-load {tmp_path / 'gate'}", "--workers", 2, ready=False) as server:
        wait_until(lambda: server.readiness()[0] == 503, "it listens")
        server.process.terminate()
        assert server.process.wait(20) == 0
        assert server.stderr == ""


def test_under_load_a_signal_loses_no_request(serve_fake: Start) -> None:
    """Every request that was sent on a live connection is answered; a closed one may be tried again by its client."""
    with serve_fake("track", "--workers", 2) as server:
        lost: list[str] = []
        answered = [0] * 8

        def ask(number: int) -> None:
            try:
                with server.connect() as connection:
                    while True:
                        connection.send(request("POST", "/predict", GOOD))
                        answer = connection.read()
                        answered[number] += 1
                        assert answer.status == 200
                        if answer.headers.get("connection") == "close":
                            return
            except ConnectionRefusedError:
                return
            except Exception as error:
                lost.append(f"{type(error).__name__}: {error}")

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: min(answered) > 20, "all are busy")
        server.process.terminate()
        for thread in threads:
            thread.join(20)
        assert server.process.wait(20) == 0
        # Uvicorn closes a connection that is idle at that moment; a request that crosses it on the wire is the client's to repeat.
        assert all(line.startswith(("RemoteDisconnected", "ConnectionResetError", "BrokenPipeError")) for line in lost)


@on_linux
@pytest.mark.parametrize("busy", [False, True])
def test_when_the_supervisor_is_killed_nobody_stays_and_the_port_is_free(
    serve_fake: Start, tmp_path: Path, busy: bool
) -> None:
    gate = tmp_path / "gate"
    with serve_fake(f"gated {gate}", "--workers", 2, held=True) as server, server.connect() as connection:
        if busy:
            connection.send(request("POST", "/predict", GOOD))
            wait_until(Path(f"{gate}.begun").exists, "the prediction has begun")
        children = server.children()
        assert len(server.workers()) == 2
        assert len(children) > 2
        server.process.kill()
        server.process.wait()
        wait_until(lambda: all(map(is_gone, children)), "all are gone")
        wait_until(lambda: is_free(server.port), "the port is free")
        assert connection.is_closed_by_peer()


@on_linux
def test_when_the_supervisor_is_killed_while_loading_no_worker_stays(serve_fake: Start, tmp_path: Path) -> None:
    with serve_fake(f"slow-to-load {tmp_path / 'gate'}", "--workers", 1, ready=False) as server:
        wait_until(lambda: server.readiness()[0] == 503, "it listens")
        workers = server.workers()
        server.process.kill()
        server.process.wait()
        wait_until(lambda: all(map(is_gone, workers)), "the workers are gone")


@on_linux
def test_a_worker_that_dies_is_replaced_and_the_other_answers_meanwhile(serve_fake: Start) -> None:
    with serve_fake("track", "--workers", 2) as server:
        before = server.workers()
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: is_gone(before[0]), "it is dead")
        for _ in range(20):
            assert server.predict(TRACK).status == 200
        wait_until(lambda: len(server.workers()) == 2 and before[0] not in server.workers(), "there are two again")
        assert f"worker {before[0]} ended: killed by SIGKILL; starting another" in server.stderr
        assert len(server.stderr.splitlines()) == 1
        wait_until(lambda: len(processes_that_answer(server)) == 2, "the new one answers, too")
        assert server.stop() == 0


@on_linux
def test_the_only_worker_that_dies_is_replaced(serve_fake: Start) -> None:
    with serve_fake("track", "--workers", 1) as server:
        for _ in range(2):
            (pid,) = server.workers()
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: server.workers() not in ([], [pid]), "there is another")  # type: ignore[misc]
            wait_until(lambda: server.readiness()[0] == 200, "it is ready")
            assert server.predict(TRACK).status == 200


@on_linux
def test_a_new_worker_that_cannot_load_leaves_the_others_to_serve(serve_fake: Start) -> None:
    with serve_fake("track", "--workers", 2) as server:
        first, second = server.workers()
        (server.folder / "track.fake").write_text("fails-to-load")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: "was replaced since the start" in server.stderr, "the failure is told")
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert server.process.poll() is None, "the whole service has ended"
            time.sleep(0.1)
        assert server.predict(TRACK).status == 200
        assert second in server.workers()


# -- TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed, so there is no certificate")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=localhost"]
    subprocess.run([*command, *files], check=True, capture_output=True, timeout=30)
    return cert, key


def test_tls_works_on_both_paths_and_the_banner_says_https(serve_fake: Start, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    flags = ("--workers", 1, "--tls-cert", cert, "--tls-key", key)
    with serve_fake("track", *flags, scheme="https") as server:
        assert f"at {server.url}" in server.stdout
        assert server.url.startswith("https")
        assert "curl -k https" in server.stdout
        with server.connect() as connection:
            for path in ("/predict", "/predict?asgi", "/predict"):
                connection.send(request("POST", path, GOOD))
                assert connection.read().json() == {"prediction": 123.0}
        big = b"[" + b",".join([track()] * 20_000) + b"]"
        assert len(server.ask("POST", "/predict", big).json()) == 20_000
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(request("GET", "/livez"))
            plain.recv(1000)
        assert server.predict(TRACK).status == 200
        assert server.stderr == ""


# -- the banner ----------------------------------------------------------------------------------------------------


def test_the_curl_line_of_the_banner_works_as_it_stands(serve_fake: Start) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with serve_fake("odd-names", "--workers", 1) as server:
        line = next(line.strip() for line in server.stdout.splitlines() if "curl " in line)
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30)
        assert json.loads(done.stdout) == {"prediction": 3.5}


def test_python_dash_m_and_the_script_are_the_same(fake: Callable[[str], Path]) -> None:
    versions = [
        subprocess.run(
            [*command, "--version"], capture_output=True, text=True, env=child_environment(), timeout=30
        ).stdout
        for command in ([sys.executable, "-m", "modelport"], [str(Path(sys.executable).parent / "modelport")])
    ]
    assert versions[0] == versions[1] != ""
