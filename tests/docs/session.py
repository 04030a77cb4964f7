"""Runs the blocks of one page in order, in one folder, against the servers that the page itself starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import Block

SHOWN_PORT = "8000"
TIMEOUT_S = 90
PATIENCE_S = 0.05


class Session:
    """One reader, working through one page."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.root = root
        self.port = str(_free_port())
        self.printed = ""
        self.server: subprocess.Popen[bytes] | None = None
        self.log = folder.parent / "server.log"
        self.cells: dict[Block, str] = {}

    def read(self, blocks: list[Block]) -> None:
        """Work through a page from top to bottom."""
        cells = [block for block in blocks if block.directive == "notebook"]
        if cells:
            self.cells = self._run_notebook(cells)
        for block in blocks:
            self._run(block)

    def _run(self, block: Block) -> None:
        """Do with a block what its language or its directive asks for."""
        by_directive: dict[str, Callable[[Block], None]] = {
            "serve": self._serve,
            "file": self._write,
            "output": self._compare_text,
            "notebook": self._show_cell,
            "fails": lambda b: self._run_bash(b, b.text, fails=True),
            "run": lambda b: self._run_bash(b, b.argument),
            "not run": lambda b: None,
        }
        by_language: dict[str, Callable[[Block], None]] = {
            "bash": lambda b: self._run_bash(b, b.text),
            "python": self._run_python,
            "js": self._run_javascript,
            "json": self._compare_json,
        }
        act = by_directive.get(block.directive) or by_language.get(block.language)
        if act is not None:
            act(block)

    def close(self) -> None:
        """End what is still running."""
        if self.server is not None:
            if self.server.poll() is None:
                os.killpg(self.server.pid, signal.SIGTERM)
            self.server.wait(TIMEOUT_S)
            self.server = None

    # -- running -------------------------------------------------------------------------------------------------

    def _run_bash(self, block: Block, text: str, fails: bool = False) -> None:
        self._run_to_end(block, ["bash", "-euo", "pipefail", "-c", self._adapt(text)], fails)

    def _run_python(self, block: Block) -> None:
        self._run_to_end(block, [sys.executable, "-W", "error", "-c", self._adapt(block.text)])

    def _run_javascript(self, block: Block) -> None:
        self._run_to_end(block, [_node(), "--input-type=module", "-e", self._adapt(block.text)])

    def _run_notebook(self, cells: list[Block]) -> dict[Block, str]:
        """What each cell of the page prints, all run in one kernel."""
        kernel = Path(__file__).with_name("kernel.py")
        texts = [self._adapt(cell.text) for cell in cells]
        self._run_to_end(cells[0], [sys.executable, str(kernel), *texts])
        return dict(zip(cells, json.loads(self.printed), strict=True))

    def _show_cell(self, block: Block) -> None:
        self.printed = self.cells[block]

    def _run_to_end(self, block: Block, command: list[str], fails: bool = False) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        self.printed = done.stdout + done.stderr if fails else done.stdout
        ended_well = done.returncode == 0
        assert ended_well is not fails, f"{block} ended with {done.returncode}:\n{done.stdout}{done.stderr}"

    def _write(self, block: Block) -> None:
        path = self.folder / block.argument
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def _serve(self, block: Block) -> None:
        """Start a server and wait until it is ready; whatever was served before ends first."""
        self.close()
        text = self._adapt(block.text)
        command = [sys.executable, "-c", text] if block.language == "python" else ["bash", "-c", _in_our_tree(text)]
        in_repository = text.startswith("make ")
        with self.log.open("wb") as log:
            self.server = subprocess.Popen(
                command,
                cwd=self.root if in_repository else self.folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        probe = f"127.0.0.1:{self.port}{block.argument or '/readyz'}"
        self._wait(lambda: _is_ready(probe), f"{block}: the server did not become ready")

    def _wait(self, condition: Callable[[], bool], complaint: str) -> None:
        """Poll; the time between two looks is spent waiting for the server's end."""
        assert self.server is not None
        for _ in range(int(TIMEOUT_S / PATIENCE_S)):
            if condition():
                return
            try:
                self.server.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                continue
            break
        raise AssertionError(f"{complaint}:\n{self.log.read_text(errors='replace')}")

    def _environment(self) -> dict[str, str]:
        scripts = str(Path(sys.executable).parent)
        clean = {
            key: value for key, value in os.environ.items() if not key.startswith(("MODELPORT_", "MAKE", "MFLAGS"))
        }
        return clean | {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "MODELPORT_PORT": self.port,
            "MODELPORT_WORKERS": "1",  # the pages do not need more, and each costs a start
            "PYTHONPATH": str(self.folder / "site"),
            "COLUMNS": "120",
            "NO_COLOR": "1",
        }

    def _adapt(self, text: str) -> str:
        return re.sub(rf"\b{SHOWN_PORT}\b", self.port, text)

    # -- comparing -----------------------------------------------------------------------------------------------

    def _compare_json(self, block: Block) -> None:
        shown, real = json.loads(block.text), json.loads(self.printed)
        assert same(shown, real), f"{block} shows\n{json.dumps(shown)}\nbut the answer is\n{json.dumps(real)}"

    def _compare_text(self, block: Block) -> None:
        pattern = re.compile("\n".join(map(_line_pattern, block.text.rstrip().splitlines())))
        if pattern.search(self._shown(self.printed)):
            return
        assert self.server is not None, f"{block} does not match what was printed:\n{self._shown(self.printed)}"
        complaint = f"{block} matches neither what was printed:\n{self._shown(self.printed)}\nnor what the server said"
        self._wait(lambda: pattern.search(self._shown(self.log.read_text(errors="replace"))) is not None, complaint)

    def _shown(self, text: str) -> str:
        lines = text.replace("\r", "").replace(self.port, SHOWN_PORT).splitlines()
        return "\n".join(line.rstrip() for line in lines)


def same(shown: Any, real: Any) -> bool:
    """Equal, numbers to six digits; a shown string with `…` in it stands for any text that fits around it."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return shown.keys() == real.keys() and all(same(shown[key], real[key]) for key in shown)
    if isinstance(shown, list) and isinstance(real, list):
        return len(shown) == len(real) and all(map(same, shown, real))
    if isinstance(shown, str) and "…" in shown and isinstance(real, str):
        return re.fullmatch(_line_pattern(shown), real, re.DOTALL) is not None
    if isinstance(shown, float) or isinstance(real, float):
        return type(real) in (int, float) and real == pytest.approx(shown, rel=1e-6)
    return type(shown) is type(real) and bool(shown == real)


def _line_pattern(line: str) -> str:
    return ".*".join(map(re.escape, line.rstrip().split("…")))


def _in_our_tree(command: str) -> str:
    """`make` in the environment that runs the tests, which is complete whatever its stamp files say."""
    if not command.startswith("make "):
        return command
    environment = Path(sys.prefix)
    stamp = environment / ".ready-to-serve"
    return command.replace("make ", f"exec make PORT=$MODELPORT_PORT VENV={environment} --old-file={stamp} ", 1)


def _node() -> str:
    """A Node.js: the machine's, or the one that playwright brings."""
    if node := shutil.which("node"):
        return node
    driver = pytest.importorskip("playwright._impl._driver", reason="there is no Node.js to run JavaScript with")
    return str(driver.compute_driver_executable()[0])


def _is_ready(probe: str) -> bool:
    """Whether this place answers 200, over HTTP or HTTPS."""
    for scheme in ("http", "https"):
        command = ["curl", "--silent", "--fail", "--insecure", "--max-time", "5", f"{scheme}://{probe}"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
