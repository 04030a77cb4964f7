"""Flask's own tutorial application and its test-suite, run through our server over HTTP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.process.server import Server

HERE = Path(__file__).parent
APP = """
import os
from flaskr import create_app

app = create_app({"DATABASE": os.environ["FLASKR_DATABASE"]})
"""


@pytest.mark.slow
def test_the_test_suite_of_flasks_tutorial_passes_over_http(tmp_path: Path) -> None:
    with tarfile.open(HERE / "flaskr.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "flaskr-tutorial"
    (folder / "tests" / "conftest.py").write_text((HERE / "flaskr_conftest.py").read_text())
    (folder / "wsgi.py").write_text(APP)
    database = {"FLASKR_DATABASE": str(tmp_path / "flaskr.sqlite")}
    with Server.start(
        Path("wsgi.py"), "--workers", 1, folder=folder, FLASKR_DATABASE=database["FLASKR_DATABASE"]
    ) as server:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:asyncio",
                "--rootdir",
                folder,
                "tests",
            ],
            cwd=folder,
            env={**os.environ, **database, "FLASKR_URL": server.url, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert re.search(r"^24 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr + server.stderr
        assert server.ask("GET", "/hello").body == b"Hello, World!"
