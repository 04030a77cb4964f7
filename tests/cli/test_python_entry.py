"""`modelport.serve` from a script and from a notebook, and `modelport.app`."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import modelport
from modelport import entry
from modelport.errors import ArtifactError, ConfigError, SetupError
from tests.conftest import ROOT
from tests.fronts.models import TRACK
from tests.process.server import Server, child_environment, free_port, wait_until

Write = Callable[..., Path]


def ask(url: str, body: object = None) -> Any:
    """The parsed answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def notebook(
    monkeypatch: pytest.MonkeyPatch, plugin: Path, tmp_path: Path
) -> Iterator[Callable[..., modelport.Handle]]:
    """`modelport.serve` as in a notebook; what it started is ended."""
    started: list[modelport.Handle] = []
    monkeypatch.setattr(entry, "in_notebook", lambda: True)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(plugin)]))
    monkeypatch.chdir(tmp_path)

    def serve(artifact: object, **options: Any) -> modelport.Handle:
        handle = modelport.serve(str(artifact), **{"workers": 1, "drain_delay": 0, **options})
        assert handle is not None
        started.append(handle)
        return handle

    yield serve
    for handle in started:
        handle.stop()


def test_in_a_notebook_serve_returns_a_handle_of_a_running_service(
    notebook: Callable[..., modelport.Handle], fake: Write
) -> None:
    handle = notebook(fake("track"), port=0, name="mine", max_body="1kB")
    assert handle.running
    assert repr(handle) == f"<modelport service at {handle.url}>"
    assert ask(f"{handle.url}/models/mine/predict", TRACK) == {"prediction": 123.0}
    handle.stop()
    assert not handle.running
    assert repr(handle) == f"<modelport service at {handle.url}, stopped>"
    handle.stop()


def test_in_a_notebook_serving_the_same_port_again_replaces_what_was_served(
    notebook: Callable[..., modelport.Handle], fake: Write
) -> None:
    port = free_port()
    first = notebook(fake("track"), port=port)
    second = notebook(fake("reserved"), port=port)
    assert not first.running
    assert second.url == first.url == f"http://127.0.0.1:{port}"
    assert ask(f"{second.url}/models")["models"][0]["name"] == "reserved"


def test_in_a_notebook_two_services_run_beside_each_other(
    notebook: Callable[..., modelport.Handle], fake: Write
) -> None:
    first, second = notebook(fake("track"), port=0), notebook(fake("reserved"), port=0)
    assert first.url != second.url
    assert first.running
    first.stop()
    assert second.running


def test_in_a_notebook_a_cell_that_takes_any_port_replaces_what_it_served_itself(
    notebook: Callable[..., modelport.Handle], fake: Write
) -> None:
    artifact = fake("track")
    first, other = notebook(artifact, port=0), notebook(fake("reserved"), port=0)
    second = notebook(artifact, port=0)
    assert [first.running, other.running, second.running] == [False, True, True]
    notebook(artifact, port=int(second.url.rpartition(":")[2]))
    assert not second.running


def test_in_a_notebook_a_service_that_cannot_start_raises_what_it_says(
    notebook: Callable[..., modelport.Handle], fake: Write, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match="the model is not"):
        notebook(fake("fails-to-load"), port=0)
    with pytest.raises(SetupError, match=r"the model file .*missing\.joblib does not exist"):
        notebook(tmp_path / "missing.joblib", port=0)
    with pytest.raises(ConfigError, match="did you mean --port"):
        notebook(fake("track"), prot=1)
    running = notebook(fake("track"), port=0)
    port = int(running.url.rpartition(":")[2])
    entry._handles.clear()
    with pytest.raises(SetupError, match=f"127.0.0.1:{port} is in use"):
        notebook(fake("track"), port=port)


def test_in_a_notebook_a_service_that_logs_much_does_not_stop(
    notebook: Callable[..., modelport.Handle], fake: Write
) -> None:
    handle = notebook(fake("track"), port=0)
    for _ in range(1000):  # a line each, and a pipe holds 64 KiB
        assert ask(f"{handle.url}/predict", [{**TRACK, "tempo": 666}])[0]["error"]
    assert ask(f"{handle.url}/predict", TRACK) == {"prediction": 123.0}


def test_a_service_beside_a_notebook_ends_with_it_however_it_ends(fake: Write, plugin: Path, tmp_path: Path) -> None:
    code = f"""
import os, signal, modelport
from modelport import entry
entry.in_notebook = lambda: True
handle = modelport.serve({str(fake("track"))!r}, port=0, workers=1, drain_delay=0)
print(handle._process.pid, flush=True)
input()
"""
    environment = child_environment(PYTHONPATH=os.pathsep.join([str(ROOT), str(plugin)]))
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=tmp_path
        )
        assert process.stdout is not None
        assert process.stdin is not None
        pid = int(process.stdout.readline())
        process.send_signal(number)
        process.wait(10)
        wait_until(lambda pid=pid: not is_alive(pid), "the service is gone")  # type: ignore[misc]
        process.stdout.close()
        process.stdin.close()


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


CELLS = [
    "import os, signal, modelport, urllib.request, json",
    "service = modelport.serve('track.fake', port=0, workers=1, drain_delay=0)\nprint(repr(service))",
    "print(json.load(urllib.request.urlopen(service.url + '/readyz'))['state'])",
    "try:\n    os.killpg(os.getpgid(0), signal.SIGINT)\n    signal.pause()\nexcept KeyboardInterrupt:\n    print('interrupted')",
    "print(service.running)",
    "service.stop()\nprint(repr(service))",
]


@pytest.mark.skipif(importlib.util.find_spec("ipykernel") is None, reason="ipykernel is not installed")
def test_in_a_real_notebook_kernel_serve_returns_and_the_stop_button_is_not_for_the_service(
    fake: Write, plugin: Path, tmp_path: Path
) -> None:
    fake("track")
    runner = ROOT / "tests" / "docs" / "kernel.py"
    environment = child_environment(PYTHONPATH=os.pathsep.join([str(ROOT), str(plugin)]))
    done = subprocess.run(
        [sys.executable, str(runner), *CELLS],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    printed = json.loads(done.stdout)
    assert printed[1].startswith("<modelport service at http://127.0.0.1:")
    assert [text.strip() for text in printed[2:5]] == ["ready", "interrupted", "True"]
    assert printed[5].strip().endswith(", stopped>")


# -- scripts -------------------------------------------------------------------------------------------------------

SCRIPT = """
import modelport

modelport.serve("track.fake", port={port}, workers=1, drain_delay=0)
print("and on it goes")
"""


def test_in_a_script_serve_blocks_until_ctrl_c_and_the_script_goes_on(
    fake: Write, plugin: Path, tmp_path: Path
) -> None:
    fake("track")
    port = free_port()
    (tmp_path / "script.py").write_text(SCRIPT.format(port=port))
    path = os.pathsep.join([str(ROOT), str(plugin)])
    with Server.run([sys.executable, "script.py"], port, tmp_path, True, environ={"PYTHONPATH": path}) as server:
        assert server.predict(TRACK).status == 200
        assert "and on it goes" not in server.stdout
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0
        assert server.stdout.endswith("and on it goes\n")
        assert server.stderr == ""


def test_in_a_script_what_cannot_be_served_raises(fake: Write, tmp_path: Path) -> None:
    for call in (modelport.serve, modelport.app):
        with pytest.raises(ArtifactError, match="does not exist"):
            call(tmp_path / "missing.joblib", port=0)
        with pytest.raises(ConfigError, match="did you mean --features"):
            call(fake("track"), feature="a,b")
    nothing = tmp_path / "nothing_to_serve.py"
    nothing.write_text("weights = [1, 2]\n")
    with pytest.raises(SetupError, match="declares no Service"):
        modelport.app(nothing)


def test_options_of_python_calls_go_before_the_environment(fake: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELPORT_NAME", "from-the-environment")
    assert "/models/from-the-environment" in modelport.app(fake("track")).gets
    assert "/models/from-the-call" in modelport.app(fake("track"), name="from-the-call").gets


def test_files_are_not_watched_for_what_has_none() -> None:
    with pytest.raises(
        ConfigError, match=r"run its cell again, or serve its file with  modelport serve app\.py --reload"
    ):
        modelport.serve(modelport.Service("songs"), reload=True)
    with pytest.raises(ConfigError, match="reload is for  modelport serve"):
        modelport.app(modelport.Service("songs"), reload=True)
