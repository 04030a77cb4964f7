"""What is written to the log, for machines; and signals that come before there is anybody to hear them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from tests.process.engine import Served, serve, until, write_app
from tests.process.test_engine_life import WHO

NOISY = """
import threading, warnings

class Broken:
    def __del__(self):
        raise ValueError("in a destructor")

@service.model("noisy")
def noisy(x: int) -> int:
    warnings.warn("a warning", UserWarning)
    thread = threading.Thread(target=lambda: 1 / 0, name="worker-of-mine")
    thread.start()
    thread.join()
    Broken()
    print("printed", flush=True)
    return x
"""


def lines_of(served: Served) -> list[dict[str, Any]]:
    """Its lines that are objects."""
    return [json.loads(line) for line in served.text().splitlines() if line.startswith("{")]


def test_every_line_of_a_json_log_is_an_object_with_its_level_but_what_a_model_prints(tmp_path: Path) -> None:
    with serve(write_app(tmp_path, NOISY), "--log-format", "json", "--standby", "off") as served:
        banner = served.text().splitlines()
        assert served.predict({"x": 1}).status == 200
        served.wait_for("destructor")
        said = served.text().splitlines()[len(banner) :]
        assert [line for line in said if not line.startswith("{")] == ["printed"]
        lines = lines_of(served)
        found = {line["logger"]: line for line in lines if "worker-of-mine" not in line["message"]}
        assert found["py.warnings"]["level"] == "warning"
        assert "UserWarning: a warning" in found["py.warnings"]["message"]
        assert "ValueError: in a destructor" in found["modelport.uncaught"]["message"]
        thread = next(line for line in lines if "worker-of-mine" in line["message"])
        assert thread["level"] == "error"
        assert "ZeroDivisionError" in thread["exception"]
        (tmp_path / "app.py").write_text("import os\nos._exit(3)\n")
        served.signal(signal.SIGHUP)
        served.wait_for("what served before goes on")
        levels = {line["message"]: line["level"] for line in lines_of(served) if "supervisor" in line["logger"]}
        assert levels["reloading"] == levels["what served before goes on"] == "info"
        assert levels["a new holder ended while it was starting: exit code 3"] == "error"


def test_a_start_that_fails_is_told_in_the_format_of_the_log(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "modelport", "serve", "none.joblib", "--log-format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=30)
    assert done.returncode == 2
    line = json.loads(done.stderr)
    assert line["level"] == "error"
    assert "none.joblib does not exist" in line["message"]


def test_a_hangup_while_the_service_starts_is_obeyed_later_and_ends_nothing(tmp_path: Path) -> None:
    write_app(tmp_path, WHO)
    start = """
    import os, signal, sys
    from modelport.cli import main
    resolve = main.resolve
    def hang_up(given):
        os.kill(os.getpid(), signal.SIGHUP)  # as early as anything of the command runs
        return resolve(given)
    main.resolve = hang_up
    main.main(["serve", "app.py", "--port", "0", "--drain-delay", "0", "--standby", "off"])
    """
    log = tmp_path / "log.txt"
    with log.open("wb") as output:
        command = [sys.executable, "-c", textwrap.dedent(start)]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output, env={**os.environ})
    served = Served(process, log)
    try:
        until(lambda: process.poll() is not None or "reloading" in served.text(), 30)
        assert process.poll() is None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", served.text())
        assert found is not None
        served.port = int(found[1])
        until(lambda: served.predict({"x": 1}).status == 200, 10)
    finally:
        process.terminate()
        assert process.wait(30) == 0
