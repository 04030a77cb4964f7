"""The shipped examples with their models, and the page of what `modelport adopt` says of them.

`python -m tests.docs.examples` writes that page anew.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from modelport.cli.adopt import run_adopt

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "adopted-examples.md"
APPS = (
    "adopted/wsgi.py",
    "music/flask_app.py",
    "music/fastapi_app.py",
    "image/flask_app.py",
    "weather/flask_app.py",
    "weather/fastapi_app.py",
    "hello/flask_app.py",
    "hello/fastapi_app.py",
)
HEAD = """\
# What `modelport adopt` says of the examples

[`modelport adopt`](how-to/adopt-an-app.md) reads a Flask or FastAPI app without running it. This is what it prints for the
[examples](../examples/README.md), after their models have been trained.
"""


def copy_examples(folder: Path) -> Path:
    """A copy of the examples, with models."""
    left_out = shutil.ignore_patterns("__pycache__", "*.joblib", "*.sqlite", "*.png")
    copied = Path(shutil.copytree(EXAMPLES, folder / "examples", ignore=left_out))

    def run(name: str, *command: str) -> None:
        subprocess.run([sys.executable, *command], cwd=copied / name, check=True, capture_output=True)

    run("music", "train.py", "--out", ".")
    run("pipeline", "../music/train.py", "--out", ".", "--forest")
    run("image", "train.py")
    for name in ("pipeline", "adopted"):
        shutil.copyfile(copied / "music" / "genre.joblib", copied / name / "genre.joblib")
    return copied


def adopted_page(examples: Path) -> str:
    """The page, for examples that have been trained."""
    said = [f"## {path}\n\n```text\n$ modelport adopt {path}\n{_said(examples, path)}\n```\n" for path in APPS]
    return "\n".join([HEAD, *said])


def _said(examples: Path, path: str) -> str:
    """What it prints, 120 characters wide. Versions stand as `…`: they are those of whoever runs it."""
    before, columns = Path.cwd(), os.environ.get("COLUMNS")
    os.chdir(examples)
    os.environ["COLUMNS"] = "120"
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert run_adopt(Path(path), None, False, False) == 0
    finally:
        os.chdir(before)
        os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns)
    text = re.sub(
        r"(scikit-learn )[\d.]+",
        lambda found: f"{found[1]}{'…'.ljust(len(found[0]) - len(found[1]))}",
        printed.getvalue(),
    )
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        PAGE.write_text(adopted_page(copy_examples(Path(made))), encoding="utf-8")
