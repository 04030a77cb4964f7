"""Who takes part: what each is, how it is started, and how many requests it can work on at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from modelport.errors import SetupError

OURS = "modelport"
BASELINE = "fastapi"
GUNICORN = ("{bin}/gunicorn", "--bind", "127.0.0.1:{port}", "--no-control-socket")
UVICORN = ("{bin}/uvicorn", "--port", "{port}", "--no-access-log", "app:app")
GRANIAN = (
    "{bin}/granian",
    "--interface",
    "asgi",
    "--host",
    "127.0.0.1",
    "--port",
    "{port}",
    "--workers",
    "1",
    "app:app",
)
SERVE = ("{python}", "-m", "modelport", "serve", "{artifact}", "--port", "{port}", "--workers", "1")


@dataclass(frozen=True)
class Contestant:
    """A server under test. In its command {slots} is the number of requests it may work on at once."""

    name: str
    title: str
    setup: str
    slots: str
    environment: str
    template: str
    command: tuple[str, ...]
    batch_path: str = "/predict/batch"
    work_template: str = ""
    """Of the cases that are no prediction of the model; empty where they would show nothing new."""
    threads: int = 0
    """Threads that the template's pool has; 0: as many as slots."""
    compiled: bool = False
    """Whether it runs the graph that Modelport has compiled, and not the saved file."""
    only_cases: tuple[str, ...] = ()
    """The cases in which it takes part, none of them a prediction; empty for all."""
    files: tuple[tuple[str, str], ...] = ()
    """What else lies in its folder: names, each with the template that it is made of."""
    group: str = ""
    """The framework after which it is asked for with --with; empty in the usual line-up."""

    @property
    def is_ours(self) -> bool:
        """Whether it is Modelport in some form."""
        return self.environment == ""


NAIVE, BEST = "as tutorials start it", "as its documentation advises"

CONTESTANTS = (
    Contestant(
        *("flask-naive", "Flask, Gunicorn with one worker", NAIVE, "1: one process, one thread", "flask", "flask"),
        (*GUNICORN, "app:app"),
        work_template="flask_naive_work",
    ),
    Contestant(
        *("flask", "Flask, Gunicorn sync", BEST, "{slots}: as many processes of one thread", "flask", "flask"),
        (*GUNICORN, "--workers", "{slots}", "app:app"),
        work_template="flask_work",
    ),
    Contestant(
        *("flask-threads", "Flask, Gunicorn gthread", BEST, "{slots}: one process, as many threads", "flask", "flask"),
        (*GUNICORN, "--threads", "{slots}", "app:app"),
        work_template="flask_work",
    ),
    Contestant(
        *("flask-gevent", "Flask, Gunicorn gevent", BEST, "{slots}: one process, as many greenlets", "flask", "flask"),
        (*GUNICORN, "--worker-class", "gevent", "--worker-connections", "{slots}", "app:app"),
        work_template="flask_work",
    ),
    Contestant(
        *("flask-typed", "Flask with Pydantic, Gunicorn gthread", BEST, "{slots}: one process, as many threads"),
        *("flask", "flask_typed"),
        (*GUNICORN, "--threads", "{slots}", "app:app"),
    ),
    Contestant(
        *("flask-restx", "Flask-RESTX, Gunicorn gthread", BEST, "{slots}: one process, as many threads"),
        *("flask", "flask_restx"),
        (*GUNICORN, "--threads", "{slots}", "app:app"),
    ),
    Contestant(
        *("flask-async", "Flask with async views, Gunicorn gthread", BEST, "{slots}: one process, as many threads"),
        *("flask", "flask_async"),
        (*GUNICORN, "--threads", "{slots}", "app:app"),
        work_template="flask_async_work",
    ),
    Contestant(
        *("fastapi-naive", "FastAPI def, Uvicorn", NAIVE, "40: one process, AnyIO's threads"),
        *("fastapi", "fastapi_def", UVICORN),
        threads=40,
        work_template="fastapi_def_work",
    ),
    Contestant(
        *("fastapi", "FastAPI def, Uvicorn", BEST, "{slots}: one process, as many threads"),
        *("fastapi", "fastapi_def", UVICORN),
        work_template="fastapi_def_work",
    ),
    Contestant(
        *("fastapi-async", "FastAPI async def, Uvicorn", NAIVE, "one computation; any number that wait"),
        *("fastapi", "fastapi_async", UVICORN),
        work_template="fastapi_async_work",
    ),
    Contestant(
        *("fastapi-pool", "FastAPI with a thread pool, Uvicorn", BEST, "{slots}: one process, as many threads"),
        *("fastapi", "fastapi_pool", UVICORN),
        work_template="fastapi_pool_work",
    ),
    Contestant(
        *("fastapi-granian", "FastAPI with a thread pool, Granian", BEST, "{slots}: one process, as many threads"),
        *("fastapi", "fastapi_pool", GRANIAN),
        work_template="fastapi_pool_work",
    ),
    Contestant(
        *("fastapi-onnx", "FastAPI with ONNX Runtime, Uvicorn", "the model as Modelport has compiled it"),
        *("one computation, which takes microseconds", "fastapi-onnx", "fastapi_onnx"),
        UVICORN,
        compiled=True,
    ),
    Contestant(
        *("modelport-original", "Modelport, model not compiled", "the same library as the others use"),
        *("one batch at a time, of whatever waits", "", ""),
        (*SERVE, "--no-compile", "{flags}"),
        batch_path="/predict",
    ),
    Contestant(
        *("modelport-processes", "Modelport, Uvicorn with processes", "for functions that hold the GIL"),
        *("{slots}: as many processes of one thread", "", ""),
        ("{python}", "-m", "uvicorn", "--port", "{port}", "--no-access-log", "--workers", "{slots}", "app:app"),
        work_template="modelport_app_work",
        only_cases=("hold-gil",),
    ),
    Contestant(
        *(OURS, "Modelport", "as it comes", "one batch at a time, of whatever waits; a function: {slots} threads"),
        *("", ""),
        (*SERVE, "{flags}"),
        batch_path="/predict",
        work_template="modelport_work",
    ),
)

QUICK = ("flask", "fastapi", OURS)


def select(names: Sequence[str], guests: Sequence[Contestant] = ()) -> tuple[Contestant, ...]:
    """Those of these names, in the order of the line-up, ours always among them. Raises SetupError for an unknown name."""
    ours = [c for c in CONTESTANTS if c.is_ours]
    known = {c.name: c for c in (*(c for c in CONTESTANTS if not c.is_ours), *guests, *ours)}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise SetupError(f"{name!r} is no contestant; {hint}")
    return tuple(c for c in known.values() if c.name in names or c.name == OURS)
