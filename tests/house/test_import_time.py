"""What an import costs is decided by what it drags in; modules can be counted exactly where milliseconds cannot."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"numpy", "pandas", "sklearn", "scipy", "onnxruntime", "torch", "xgboost", "lightgbm", "catboost", "pyarrow"}
SERVER = {"asyncio", "uvicorn", "uvloop", "httptools", "msgspec"}
COMMAND_LINE = {"click", "rich"}
WEB = {"fastapi", "starlette", "pydantic", "typer"}

BUDGETS = {
    "import modelport": HEAVY | SERVER | COMMAND_LINE | WEB,
    "import modelport.errors, modelport.config": HEAVY | SERVER | COMMAND_LINE | WEB,
    # the parent process of a service: it must never be taken down by what a model needs
    "import modelport.cli.main": HEAVY | SERVER | WEB | {"rich"},
    "import modelport.cli.main, modelport.cli.serve, modelport.cli.banner": HEAVY | SERVER | WEB | {"rich"},
    # a container asks for its health every few seconds, within the time of the service
    "import modelport.cli.main, modelport.cli.healthcheck": HEAVY | SERVER | WEB | {"rich", "http", "email", "ssl"},
    # a worker: Uvicorn itself imports click (uvicorn/main.py), so click cannot be kept out; Rich can
    "import modelport.assembly.worker": HEAVY | WEB | {"rich"},
    # the lane of a service whose only web code is, say, a mounted Flask application
    "import modelport.service, modelport.mount.lane, modelport.mount.wsgi, modelport.fronts.web": HEAVY
    | WEB
    | {"rich"},
}


@pytest.mark.parametrize("statement", BUDGETS)
def test_an_import_drags_in_nothing_it_can_do_without(statement: str) -> None:
    loaded = _modules_after(statement)
    assert loaded & BUDGETS[statement] == set()


def test_a_worker_imports_no_loader_before_it_knows_its_artifact() -> None:
    loaded = _modules_after("import modelport.assembly.worker", whole_names=True)
    assert {name for name in loaded if name.startswith("modelport.artifacts.loaders.")} == set()


def _modules_after(statement: str, whole_names: bool = False) -> set[str]:
    code = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    return {name if whole_names else name.partition(".")[0] for name in json.loads(out)}
