"""Calls that hold the event loop up in an `async def`."""

from __future__ import annotations

import ast

from modelport.adopt.analysis import Analysis
from modelport.adopt.flow import Scope
from modelport.adopt.models import LOADERS
from modelport.adopt.routes import Handler

_CALLS = {
    "time.sleep": "write  await asyncio.sleep(…)",
    **dict.fromkeys(
        (f"requests.{verb}" for verb in ("get", "post", "put", "patch", "delete", "head", "request")),
        "write  await client.get(…)  with an httpx.AsyncClient",
    ),
    "urllib.request.urlopen": "write  await client.get(…)  with an httpx.AsyncClient",
    **dict.fromkeys(
        ("subprocess.run", "subprocess.check_output", "subprocess.call", "os.system"),
        "write  await asyncio.create_subprocess_exec(…)",
    ),
}
_FILES = ("pandas.read_csv", "pandas.read_excel", "open", "cv2.imread", "PIL.Image.open", "sqlite3.connect")
_SYNC = "write  def  in place of  async def: FastAPI then runs it in a thread"


def check_blocking(analysis: Analysis) -> None:
    """Every handler that is a coroutine."""
    for handler in analysis.handlers:
        if handler.is_async and handler.app.framework == "fastapi":
            _check_handler(analysis, handler, analysis.scopes[handler][0])


def _check_handler(analysis: Analysis, handler: Handler, scope: Scope) -> None:
    predictions = {id(use.call): use for use in analysis.uses if use.handler is handler and use.scope is scope}
    for call in scope.calls():
        if isinstance(scope.source.parents.get(call), ast.Await):
            continue
        name = analysis.name(scope.source, call.func)
        use = predictions.get(id(call))
        if use is not None and use.method not in ("transform", "inverse_transform"):
            shown = ast.unparse(call.func)
            remedy = f"{_SYNC}; as a Modelport model it runs elsewhere and is batched"
        elif name in _CALLS or name in LOADERS or name in _FILES:
            shown, remedy = name, _CALLS.get(name, _SYNC)
        else:
            continue
        what = f"{shown}() in async def {handler.function.name} stops every other request while it runs"
        analysis.found("blocking-call", "risk", scope.source, call, (what, remedy))
