"""`modelport.serve(service)`: a service that was declared in a notebook, or in the script that serves it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fronts.models import TRACK
from tests.process.server import Server, child_environment, free_port, wait_until

Write = Callable[..., Path]
needs_kernel = pytest.mark.skipif(importlib.util.find_spec("ipykernel") is None, reason="ipykernel is not installed")

DECLARE = """
from __future__ import annotations
import json, urllib.error, urllib.request
import flask
from dataclasses import dataclass
from pydantic import BaseModel, Field
import modelport
from modelport import Service

FACTOR = 2.0

class Song(BaseModel):
    title: str = Field(min_length=1)
    beats: float

@dataclass
class Verdict:
    title: str
    speed: float

def faster(beats: float) -> float:
    return beats * FACTOR

legacy = flask.Flask("legacy")

@legacy.get("/hello")
def hello():
    return "hello from flask"

service = Service("songs")
track = service.model("track", "track.fake")

@service.model("speed", batch=True, example={"title": "a", "beats": 1.0})
class Speed:
    def load(self) -> None:
        self.most = 300.0

    def predict(self, songs: list[Song]) -> list[Verdict]:
        return [Verdict(song.title, min(self.most, faster(song.beats))) for song in songs]

@service.model("both")
async def both(song: Song) -> dict:
    verdict = await service["speed"](song)
    return {"title": verdict.title, "track": (await track(TRACK))["prediction"]}

@service.get("/speed/{title}")
async def ask(title: str, beats: float) -> Verdict:
    return await service["speed"](Song(title=title, beats=beats))

service.mount("/legacy", legacy)
TRACK = @TRACK@

def get(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"
""".replace("@TRACK@", repr(TRACK))
SERVE = "handle = modelport.serve(service, port={port}, workers=1, standby='off', drain_delay=0)\nprint(handle.url)"
ASK = """
print(get(handle.url + "/models/speed/predict", [{"title": "a", "beats": 3}]))
print(get(handle.url + "/models/both/predict", {"title": "a", "beats": 3}))
print(get(handle.url + "/speed/b?beats=200"))
print(get(handle.url + "/legacy/hello"))
print(get(handle.url + "/models/speed/predict", {"title": "", "beats": 3})[:3])
"""


def run_cells(cells: list[str], folder: Path, plugin: Path) -> list[str]:
    """What each cell printed, in a real kernel."""
    environment = child_environment(PYTHONPATH=os.pathsep.join([str(ROOT), str(plugin)]))
    command = [sys.executable, str(ROOT / "tests" / "docs" / "kernel.py"), *cells]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    printed: list[str] = json.loads(done.stdout)
    return printed


@pytest.mark.slow
@needs_kernel
def test_a_service_of_a_notebook_is_served_whole_and_served_anew_by_running_its_cell_again(
    fake: Write, plugin: Path, tmp_path: Path
) -> None:
    fake("track")
    port = free_port()
    again = DECLARE.replace("FACTOR = 2.0", "FACTOR = 10.0")
    cells = [
        DECLARE,
        SERVE.format(port=port),
        ASK,
        again,
        SERVE.format(port=port),
        ASK,
        "print(handle.running)\nhandle.stop()",
    ]
    printed = run_cells(cells, tmp_path, plugin)
    assert printed[1].strip() == printed[4].strip() == f"http://127.0.0.1:{port}"
    assert printed[2].splitlines() == [
        '[{"title":"a","speed":6.0}]',
        '{"title":"a","track":123.0}',
        '{"title":"b","speed":300.0}',
        "hello from flask",
        "422",
    ]
    assert printed[5].splitlines()[0] == '[{"title":"a","speed":30.0}]'
    assert printed[6].strip() == "True"


BROKEN = """
from modelport import Service, serve
broken = Service("broken")

@broken.model("untyped")
def untyped(x):
    return x
"""
UNLOADABLE = """
unloadable = Service("unloadable")

@unloadable.model("gone")
class Gone:
    def load(self):
        raise OSError("the disk is gone")

    def predict(self, x: float) -> float:
        return x
"""
UNSENDABLE = """
numbers = (n for n in range(3))
unsendable = Service("unsendable")

@unsendable.model("counted")
def counted(x: float) -> float:
    return next(numbers) + x
"""
SHOW = """
try:
    serve({name}, port=0, workers=1, standby='off', drain_delay=0)
except Exception as error:
    print(*error._render_traceback_())  # what a notebook shows
"""


@needs_kernel
def test_what_is_wrong_with_a_service_is_told_in_one_line_that_names_the_cell(plugin: Path, tmp_path: Path) -> None:
    names = ("broken", "unloadable", "unsendable")
    printed = run_cells([BROKEN, UNLOADABLE, UNSENDABLE, *(SHOW.format(name=name) for name in names)], tmp_path, plugin)
    shown = [text.strip() for text in printed[3:]]
    assert "ConfigError: cell In[1]:4: annotate the parameter 'x'" in shown[0]
    assert "OSError: the disk is gone" in shown[1]
    assert "cell In[2]:6" in shown[1]
    assert "ConfigError: cell In[3]:4: the model 'counted' cannot be sent to the process that runs it" in shown[2]
    assert all("Traceback" not in text for text in shown)


SCRIPT = """
import modelport
from modelport import Service

service = Service("script")
FACTOR = 3


@service.model("times")
def times(x: float) -> float:
    return FACTOR * x


modelport.serve(service, port={port}, workers=1, standby="off", drain_delay=0)
print("and on it goes")
"""


def test_a_service_of_a_script_is_served_by_the_script_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "script.py").write_text(SCRIPT.format(port=port))
    (tmp_path / "tmp").mkdir()
    environ = {"TMPDIR": str(tmp_path / "tmp")}
    with Server.run([sys.executable, "script.py"], port, tmp_path, True, environ=environ) as server:
        assert server.predict({"x": 2}).json() == 6.0
        assert list((tmp_path / "tmp").glob("modelport-*"))
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) == 0
        assert server.stdout.endswith("and on it goes\n")
    assert not list((tmp_path / "tmp").glob("modelport-*"))


IMPORTED = """
import modelport
from module_with_service import service

modelport.serve(service, port={port}, workers=1, standby="off", drain_delay=0)
"""


def test_a_service_of_a_module_is_the_modules_own(tmp_path: Path) -> None:
    """Its functions come from the module, and call the models of the service that they know."""
    port = free_port()
    (tmp_path / "module_with_service.py").write_text(
        "from modelport import Service\nservice = Service('s')\n\n"
        "@service.model('one')\ndef one(x: float) -> float:\n    return x + 1\n\n"
        "@service.model('two')\ndef two(x: float) -> float:\n    return service['one'].sync(x=x) + 1\n"
    )
    (tmp_path / "script.py").write_text(IMPORTED.format(port=port))
    with Server.run([sys.executable, "script.py"], port, tmp_path, True) as server:
        assert server.ask("POST", "/models/two/predict", b'{"x": 1}').json() == 3.0


def test_a_notebook_that_is_killed_leaves_no_service_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    code = SCRIPT.replace(
        "import modelport\n", "import modelport\nfrom modelport import entry\nentry.in_notebook = lambda: True\n"
    )
    code = (
        code.format(port=0)
        .replace("modelport.serve(", "handle = modelport.serve(")
        .replace('print("and on it goes")', "print(handle._process.pid, flush=True)\ninput()")
    )
    (tmp_path / "script.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "script.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(TMPDIR=str(tmp_path / "tmp")),
        cwd=tmp_path,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.wait(10)
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the service is gone", 30)
    wait_until(lambda: not list((tmp_path / "tmp").glob("modelport-*")), "its files are gone", 10)
    process.stdout.close()
    process.stdin.close()
