"""Applications for tests: a few lines of Python in a folder, read as `modelport adopt` reads them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from modelport.adopt.facts import Finding, Report
from modelport.adopt.reading import read_app
from modelport.adopt.writing import plan_service, service_text

FLASK = (
    "import flask, joblib, json, os, pickle\nimport numpy as np\nimport pandas as pd\n"
    "from flask import Flask, jsonify, render_template, request\napp = Flask(__name__)\n"
)
FASTAPI = (
    "import joblib, os, pickle, time\nimport numpy as np\nimport pandas as pd\nimport requests\nimport uvicorn\n"
    "from typing import List, Optional\nfrom fastapi import FastAPI, File, Form, Request, UploadFile\n"
    "from pydantic import BaseModel, Field\napp = FastAPI()\n"
)
MODEL = "model = joblib.load('model.joblib')\n"


def write(folder: Path, text: str, **files: str) -> Path:
    """The files of an application; gives the path of its `app.py`."""
    for name, content in {"app": text, **files}.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content), encoding="utf-8")
    return folder / "app.py"


def read(folder: Path, text: str, **files: str) -> Report:
    """What is found of it."""
    return read_app(write(folder, text, **files))[0]


def found(report: Report, rule: str) -> list[Finding]:
    """What one rule found."""
    return [finding for finding in report.findings if finding.rule == rule]


def adopted(folder: Path, text: str, **files: str) -> tuple[Report, str]:
    """The report with what moves, and the text of the service."""
    report, analysis = read_app(write(folder, text, **files))
    moves = plan_service(report, analysis)
    return report, service_text(report, analysis, moves, folder / "service.py")
