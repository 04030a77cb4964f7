"""Files that do more when they are imported than to declare: they are served as far as that goes, and say what holds them up."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from modelport.assembly import imports
from modelport.assembly.handlers import import_service
from modelport.testing import client


def test_a_flask_application_that_runs_itself_at_the_top_is_served(tmp_path: Path) -> None:
    file = tmp_path / "runs_itself.py"
    file.write_text(
        "from flask import Flask\napp = Flask('own')\n\n@app.get('/')\ndef home():\n    return 'here'\n\napp.run(port=0)\n"
    )
    with client(str(file)) as api:
        assert api.get("/").text == "here"
    assert "FLASK_RUN_FROM_CLI" not in os.environ


def test_an_import_that_goes_on_is_told_with_the_line_that_it_is_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = threading.Event()
    monkeypatch.setattr(imports, "LONG_SECONDS", 0.01)
    monkeypatch.setattr(threading, "told", told, raising=False)
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "mine")
    file = tmp_path / "goes_on.py"
    file.write_text(
        "import threading\nfrom modelport import Service\n\nservice = Service('s')\nthreading.told.wait(20)\n"
    )
    handler = logging.Handler()
    handler.emit = lambda record: told.set()  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)  # behind the one that keeps what was logged
    try:
        with caplog.at_level(logging.WARNING, "modelport.web"):
            assert import_service(str(file)).name == "s"
    finally:
        logging.getLogger().removeHandler(handler)
    assert f"{file}:5" in caplog.text
    assert "__main__" in caplog.text
    assert os.environ["FLASK_RUN_FROM_CLI"] == "mine"
