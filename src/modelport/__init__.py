"""Modelport: the web framework whose handlers are models.

import modelport

modelport.serve("genre.joblib")          # a production API on http://127.0.0.1:8000
application = modelport.app("genre.joblib")   # the same as an ASGI application, for any server
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "app": "modelport.entry",
    "serve": "modelport.entry",
    "Array": "modelport.codecs.arrays",
    "Columns": "modelport.codecs.tables",
    "Image": "modelport.codecs.images",
    "Service": "modelport.service",
    "Handle": "modelport.entry",
    "compile": "modelport.entry",
    "load_compiled": "modelport.entry",
    "save": "modelport.entry",
    "wsgi": "modelport.entry",
    "ModelHandle": "modelport.service",
    "deadline": "modelport.entry",
    **dict.fromkeys(
        (
            *("CallCycle", "CallError", "DeadlineExceeded", "HolderLost", "InvalidInput", "ModelFailed"),
            *("ModelportError", "NotReady", "Overloaded"),
        ),
        "modelport.errors",
    ),
    "NotCompiledError": "modelport.errors",
    "SetupError": "modelport.errors",
}

__all__ = [
    "Array",
    "CallCycle",
    "CallError",
    "Columns",
    "DeadlineExceeded",
    "Handle",
    "HolderLost",
    "Image",
    "InvalidInput",
    "ModelFailed",
    "ModelHandle",
    "ModelportError",
    "NotCompiledError",
    "NotReady",
    "Overloaded",
    "Service",
    "SetupError",
    "__version__",
    "app",
    "compile",
    "deadline",
    "load_compiled",
    "save",
    "serve",
    "wsgi",
]

if TYPE_CHECKING:
    from modelport.codecs.arrays import Array
    from modelport.codecs.images import Image
    from modelport.codecs.tables import Columns
    from modelport.entry import Handle, app, compile, deadline, load_compiled, save, serve, wsgi
    from modelport.errors import (
        CallCycle,
        CallError,
        DeadlineExceeded,
        HolderLost,
        InvalidInput,
        ModelFailed,
        ModelportError,
        NotCompiledError,
        NotReady,
        Overloaded,
        SetupError,
    )
    from modelport.service import ModelHandle, Service


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import modelport` costs nothing."""
    if name not in _LAZY:
        raise AttributeError(f"module 'modelport' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
