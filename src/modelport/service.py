"""What a user declares in Python: a service and its models. Data only; nothing here runs anything.

from modelport import Service

service = Service("music")
genre = service.model("genre", "genre.joblib")      # a saved model, by file

@service.model("loudness")                          # a model in Python
def loudness(decibel: float) -> float:
    return 10 ** (decibel / 20)
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, overload

from modelport.errors import CallError, ConfigError
from modelport.kernel.names import RULE, is_name, suggest_name
from modelport.routes import Mount, WebSurface

Target = TypeVar("Target", bound=Callable[..., Any])
FilePath = str | os.PathLike[str]


class SavedOptions(TypedDict, total=False):
    """What may be said of one saved model: the options of `modelport serve` that concern a model, under the same names."""

    data: FilePath
    target: str
    features: list[str] | tuple[str, ...] | str
    allow_pickle: bool
    trust_version: bool
    no_compile: bool
    require_compiled: bool
    executor: str
    latency_target: float | str
    queue_rows: int
    queue_bytes: int | str


class PythonOptions(TypedDict, total=False):
    """What may be said of a model in Python."""

    batch: bool
    parallel: int | None
    example: Any


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One declared model: a function, or a class with `load` and `predict`."""

    name: str
    target: Callable[..., Any]
    batch: bool = False
    parallel: int | None = None
    example: Any = None

    @property
    def place(self) -> str:
        """File and line of its definition, for messages."""
        try:
            return f"{inspect.getsourcefile(self.target)}:{inspect.getsourcelines(self.target)[1]}"
        except (OSError, TypeError):
            return repr(self.target)


@dataclass(frozen=True, slots=True)
class SavedSpec:
    """One declared saved model. Paths are relative to the file that declares it; `place` is that file and the line."""

    name: str
    path: Path
    options: Mapping[str, Any]
    folder: Path
    place: str


class Items(Protocol):
    """What a model gives item by item, to be walked through once. Leaving the loop early stops the model."""

    def __aiter__(self) -> AsyncIterator[Any]:
        """In an `async def`."""

    def __iter__(self) -> Iterator[Any]:
        """In a `def`."""


class Caller(Protocol):
    """Carries calls of models from the user's code. Bound to a service when it is served."""

    def call(self, model: str, record: Any) -> Awaitable[Any]:
        """Ask, in whatever event loop awaits the answer."""

    def call_sync(self, model: str, record: Any) -> Any:
        """Ask and wait, in a thread that may wait."""

    def stream(self, model: str, record: Any) -> Items:
        """Ask a model that answers item by item."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelHandle:
    """A model of a service, to be called from other models and from routes. It joins the micro-batches of all other callers.

    `await handle(record)` in an `async def`, in whatever event loop; `handle.sync(record)` in a `def`;
    `handle.stream(record)` for the items of one that streams. A record is what the model's body is: a dict,
    a Pydantic model, a dataclass …; a list of them is a batch; fields may also be given by name.
    Raises a `modelport.CallError` that names the model: InvalidInput, Overloaded, DeadlineExceeded, ModelFailed …
    """

    service: Service = field(repr=False)
    name: str

    def __call__(self, record: Any = None, /, **fields: Any) -> Awaitable[Any]:
        """Ask the model; to be awaited."""
        return self._caller.call(self.name, _one_of(record, fields))

    def sync(self, record: Any = None, /, **fields: Any) -> Any:
        """Ask the model and wait for its answer: for plain functions. Never in an event loop, which would stand still."""
        return self._caller.call_sync(self.name, _one_of(record, fields))

    def stream(self, record: Any = None, /, **fields: Any) -> Items:
        """Ask a model that answers item by item: `async for item in handle.stream(record)` in an `async def`, `for` in a `def`."""
        return self._caller.stream(self.name, _one_of(record, fields))

    @property
    def _caller(self) -> Caller:
        if self.service.caller is None:
            raise CallError(
                f"the model {self.name!r} cannot be called: the service {self.service.name!r} is not being served. "
                "Call models inside models and routes, not while the file is imported"
            )
        return self.service.caller


@dataclass(slots=True, eq=False)
class Service(WebSurface):
    """Models served together, and routes beside them. `modelport serve app.py` looks for one in the file.

    `dependencies`: FastAPI's, for every route and every prediction. `lifespan`: what runs before the first request and after
    the last.
    """

    name: str
    models: dict[str, ModelSpec] = field(default_factory=dict)
    saved: dict[str, SavedSpec] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Of all models, in the order of their declaration."""
    caller: Caller | None = field(default=None, repr=False)
    _: KW_ONLY
    dependencies: Sequence[Any] = ()
    lifespan: Callable[[Any], Any] | None = None
    mounts: list[Mount] = field(default_factory=list)
    _web: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Raises ConfigError for a dependency that is a bare function."""
        for given in self.dependencies:
            if not hasattr(given, "dependency"):
                shown = getattr(given, "__name__", repr(given))
                where = sys._getframe(2)
                raise ConfigError(
                    f"{where.f_code.co_filename}:{where.f_lineno}: dependencies of a service are FastAPI's: write  "
                    f"dependencies=[Depends({shown})]"
                )

    def __getitem__(self, name: str) -> ModelHandle:
        """A declared model, to be called. Raises KeyError naming those that there are."""
        if name not in self.names:
            near = get_close_matches(name, self.names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise KeyError(f"the service {self.name!r} declares no model {name!r}, only {', '.join(self.names)}{hint}")
        return ModelHandle(self, name)

    @overload
    def model(self, name: str | None = None, **options: Unpack[PythonOptions]) -> Callable[[Target], Target]: ...

    @overload
    def model(self, name: str, path: FilePath, **options: Unpack[SavedOptions]) -> ModelHandle: ...

    def model(self, name: str | None = None, path: FilePath | None = None, **options: Any) -> Any:
        """Declare a model: a saved one by its file, or one in Python by decorating a function or class.

        With `path` (relative to this file) it is a saved model, and what returns is its handle; the options are those of
        `modelport serve` that concern one model, see `SavedOptions`. Without, decorate a function, or a class with
        `predict` and, if it must load something, `load`:
        `batch`: it takes a list of bodies and returns as many answers. `parallel`: how many calls it stands at once; one
        for a `def`, unless its author knows better, and as many as come for an `async def`. `example`: a body that is run
        once before the model is called ready.
        Raises ConfigError for a name that is taken, an unknown option, a class without `predict`, or a `parallel` below 1.
        """
        file, line = sys._getframe(1).f_code.co_filename, sys._getframe(1).f_lineno
        if callable(name):
            raise ConfigError(f"{file}:{line}: write @service.model() with parentheses")
        if path is not None:
            return self._declare_saved(name, path, options, file, line)
        _refuse_unknown(options, PythonOptions, f"{file}:{line}")
        return self._declare(name, f"{file}:{line}", **options)

    def _declare_saved(
        self, name: str | None, path: FilePath, options: Mapping[str, Any], file: str, line: int
    ) -> ModelHandle:
        place, folder = f"{file}:{line}", _folder_of(file)
        _refuse_unknown(options, SavedOptions, place)
        name = Path(path).stem if name is None else name
        self._check_name(name, place, f'service.model("{suggest_name(name)}", …)')
        self.saved[name] = SavedSpec(name, folder / path, dict(options), folder, place)
        self.names.append(name)
        return ModelHandle(self, name)

    def _declare(
        self, name: str | None, where: str, batch: bool = False, parallel: int | None = None, example: Any = None
    ) -> Callable[[Target], Target]:
        def declare(target: Target) -> Target:
            _refuse_object(target, where)
            spec = ModelSpec(name or _default_name(target), target, batch, parallel, example)
            self._check(spec)
            self.models[spec.name] = spec
            self.names.append(spec.name)
            return target

        return declare

    def _check_name(self, name: str, place: str, example: str) -> None:
        if name in self.names:
            raise ConfigError(f"{place}: a model called {name!r} is declared already")
        if not is_name(name):
            raise ConfigError(f"{place}: a model wants {RULE}, not {name!r}: choose another, for example  {example}")

    def _check(self, spec: ModelSpec) -> None:
        self._check_name(spec.name, spec.place, f'@service.model("{suggest_name(spec.name)}")')
        if inspect.isclass(spec.target) and not callable(getattr(spec.target, "predict", None)):
            raise ConfigError(f"{spec.place}: the class {spec.target.__name__} has no method predict")
        if inspect.isclass(spec.target):
            _refuse_arguments(spec)
        parallel = spec.parallel
        if parallel is not None and (isinstance(parallel, bool) or not isinstance(parallel, int) or parallel < 1):
            raise ConfigError(f"{spec.place}: parallel wants a whole number of at least 1, not {parallel!r}")


def _one_of(record: Any, fields: dict[str, Any]) -> Any:
    if fields and record is not None:
        raise TypeError(f"give a record, or its fields by name ({', '.join(fields)}), not both")
    return fields or record


def _refuse_unknown(options: Mapping[str, Any], known: type, place: str) -> None:
    for name in options:
        if name not in known.__annotations__:
            near = get_close_matches(name, known.__annotations__, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known.__annotations__)}"
            kind = "a saved model" if known is SavedOptions else "a model in Python"
            raise ConfigError(f"{place}: {name} is not an option of {kind}; {hint}")


def _refuse_object(target: Any, where: str) -> None:
    """Each process that serves a model makes it anew: of an object nobody knows how."""
    if not (inspect.isclass(target) or inspect.isroutine(target) or hasattr(target, "__wrapped__")):
        kind = type(target).__name__
        raise ConfigError(
            f"{where}: a model in Python is a function or a class, not an object of the class {kind}: decorate a class, which is "
            "made without arguments and loads what it needs in load(self), or a def around the object; a fitted model is served "
            "from its file"
        )


def _refuse_arguments(spec: ModelSpec) -> None:
    """Nobody would give them."""
    load = getattr(spec.target, "load", None)
    for what, function, own in (("when it is made", spec.target, 0), ("in load", load, 1)):
        try:
            given = list(inspect.signature(function).parameters.values())[own:] if callable(function) else []
        except (TypeError, ValueError):  # of a class in C
            continue
        wanted = [p.name for p in given if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        if wanted:
            raise ConfigError(
                f"{spec.place}: the class {spec.target.__name__} wants {', '.join(wanted)} {what}, and nobody gives it: "
                "leave that out, and read files and settings in load(self)"
            )


def _folder_of(file: str) -> Path:
    """Where the declaring file lies; the current folder where it is none, as in a notebook."""
    return Path(file).resolve().parent if os.path.isfile(file) else Path.cwd()


def _default_name(target: Callable[..., Any]) -> str:
    return getattr(target, "__name__", type(target).__name__)
