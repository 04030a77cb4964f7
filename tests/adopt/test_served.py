"""What `modelport adopt` has written, served by `modelport serve`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.adopt.reading import FLASK, MODEL, write
from tests.adopt.test_moved_routes import BODIES, GET, HOOKED, POST, save
from tests.process.server import Server, child_environment

APP = (
    FLASK
    + MODEL
    + HOOKED
    + POST
    + GET
    + "    return jsonify(y=y[0])\n@app.route('/who')\ndef who():\n    return flask.g.user\n"
)


@pytest.mark.slow
def test_the_written_service_serves_moved_routes_and_all_others(tmp_path: Path) -> None:
    save(tmp_path, "values")
    write(tmp_path, APP)
    command = [sys.executable, "-m", "modelport", "adopt", "app.py", "--write"]
    done = subprocess.run(command, cwd=tmp_path, env=child_environment(), capture_output=True, text=True, check=True)
    assert "POST /predict  moves into the service" in done.stdout
    with Server.start(
        Path("service.py"), "--workers", 1, "--standby", "off", "--no-compile", folder=tmp_path
    ) as server:
        assert server.predict(BODIES[0]).status == 401
        answer = server.predict(BODIES[0], x_user="Ann")
        assert (answer.status, answer.headers["x-seen"], list(answer.json())) == (200, "Ann", ["y"])
        assert server.predict({"a": "x", "b": 1}, x_user="Ann").status == 422
        assert server.ask("GET", "/who", x_user="Ann").body == b"Ann"
