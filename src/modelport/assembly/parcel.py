"""A service that was declared in a notebook or a script, on its way to the processes that serve it: by value.

What it needs of the notebook itself (functions, classes, tables) is pickled whole; what comes from modules is imported again.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import linecache
import pickle
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from modelport.assembly.handlers import check_service
from modelport.config import ServeOptions, refuse_for_service
from modelport.errors import ConfigError, MissingExtra, SetupError
from modelport.service import ModelSpec, Service

PICKLE, MODULE = "service.pickle", "modelport_notebook.py"
ATTRIBUTE = "service"
_TEXT = f'''"""Written by modelport.serve, which removes it again."""

from modelport.assembly.parcel import open_parcel

{ATTRIBUTE} = open_parcel(__file__)
'''


def write_parcel(service: Service, options: ServeOptions, folder: Path) -> str:
    """Check the service and write it down; what `modelport serve` is to be told. Raises SetupError, which names the cell."""
    try:
        refuse_for_service(f"the service {service.name!r}", options)
        check_service(service, options)
        for spec in service.models.values():
            _settle_annotations(spec)
        content = {"path": [*sys.path], "sources": _cells(), "service": _pickle(service)}
    except SetupError as error:
        raise type(error)(name_cells(str(error))) from None
    (folder / PICKLE).write_bytes(pickle.dumps(content))
    (folder / MODULE).write_text(_TEXT, encoding="utf-8")
    return f"{folder / MODULE}:{ATTRIBUTE}"


def open_parcel(module: str) -> Service:
    """What lies beside the module, in a process that serves it."""
    content = pickle.loads((Path(module).parent / PICKLE).read_bytes())
    sys.path += [place for place in content["path"] if place not in sys.path]
    for name, text in content["sources"].items():  # for tracebacks and messages: there are no such files
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    service: Service = pickle.loads(content["service"])
    return service


def name_cells(text: str) -> str:
    """With cells by their number, as the notebook shows it, in place of files that nobody can find."""
    for name, number in _filenames().items():
        text = text.replace(name, f"cell In[{number}]")
    return text


# -- pickling --------------------------------------------------------------------------------------------------------


def _pickle(service: Service) -> bytes:
    try:
        return _dumps(service)
    except Exception as error:  # of the user's objects, in their own words
        for spec in service.models.values():
            _refuse_unsendable(spec)
        raise ConfigError(
            f"the service {service.name!r} cannot be sent to the processes that serve it: {type(error).__name__}: {error}"
        ) from None


def _refuse_unsendable(spec: ModelSpec) -> None:
    try:
        _dumps(spec.target)
    except Exception as error:
        raise ConfigError(
            f"{spec.place}: the model {spec.name!r} cannot be sent to the process that runs it: {type(error).__name__}: {error}; "
            "make what cannot be sent (connections, open files) in load(), where it is used"
        ) from None


def _dumps(value: Any) -> bytes:
    cloudpickle = _find_cloudpickle()

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc, name-defined]
        """Cloudpickle's, for which a service is known by where it is declared, where that can be imported."""

        def reducer_override(self, obj: Any) -> Any:
            make = _REDUCE.get(type(obj)) or (_reduce_state if _is_state(obj) else None)
            return make(obj) if make else super().reducer_override(obj)

    file = io.BytesIO()
    Pickler(file).dump(value)
    return file.getvalue()


def _find_cloudpickle() -> Any:
    """The package, or the copy of it that joblib brings."""
    try:
        import cloudpickle
    except ModuleNotFoundError:
        try:
            from joblib.externals import cloudpickle
        except ModuleNotFoundError:
            raise MissingExtra("serving a service that is declared in a notebook or script", "notebook") from None
    return cloudpickle


def _reduce(service: Service) -> Any:
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()) if name != "__main__" else ():
            if value is service:
                return _find, (name, attribute)
    state = {field: getattr(service, field) for field in _fields(type(service))}
    return _empty, (), state | {"caller": None}, None, None, _fill


def _reduce_proxy(proxy: Any) -> Any:
    return weakref.proxy, (proxy.__repr__.__self__,)


def _is_state(obj: Any) -> bool:
    return type(obj).__module__ == "starlette.datastructures" and type(obj).__name__ == "State"


def _reduce_state(state: Any) -> Any:
    """`app.state` looks up what it does not have in a dictionary that it does not have either, until it is filled."""
    return type(state), (state._state,)


_REDUCE: dict[type, Callable[[Any], Any]] = {
    Service: _reduce,
    weakref.ProxyType: _reduce_proxy,
    weakref.CallableProxyType: _reduce_proxy,
    weakref.ReferenceType: lambda reference: (weakref.ref, (reference(),)),
    type(dataclasses.MISSING): lambda missing: "MISSING",  # known by what it is: a copy would be a default
    type(threading.Lock()): lambda lock: (threading.Lock, ()),
    type(threading.RLock()): lambda lock: (threading.RLock, ()),
}
"""What has a place in a service and cannot be pickled as it is. A lock of another process is another lock, and nobody holds it."""


def _fields(kind: type) -> list[str]:
    return [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]


def _find(module: str, attribute: str) -> Any:
    import importlib

    return getattr(importlib.import_module(module), attribute)


def _empty() -> Service:
    return Service.__new__(Service)


def _fill(service: Service, state: Mapping[str, Any]) -> None:
    for field, value in state.items():
        setattr(service, field, value)


def _settle_annotations(spec: ModelSpec) -> None:
    """Those that are texts name things of the notebook, which nothing else in the function may mention."""
    function = getattr(spec.target, "predict", spec.target) if inspect.isclass(spec.target) else spec.target
    if inspect.isfunction(function) and any(isinstance(hint, str) for hint in function.__annotations__.values()):
        function.__annotations__ = get_type_hints(function, include_extras=True)


# -- the notebook ----------------------------------------------------------------------------------------------------


def _filenames() -> dict[str, int]:
    """The files that cells are compiled as, and their numbers; none outside of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return dict(getattr(getattr(shell, "compile", None), "_filename_map", {}))


def _cells() -> dict[str, str]:
    return {name: "".join(linecache.getlines(name)) for name in _filenames()}
