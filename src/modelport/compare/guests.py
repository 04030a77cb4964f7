"""Who takes part when asked for: `modelport compare --with litestar,bentoml`. Each as its tutorial has it, and at its best."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from modelport.compare.contestants import BEST, GRANIAN, NAIVE, UVICORN, Contestant
from modelport.errors import ConfigError

LOOP = "one computation; any number that wait"
THREADS = "{slots}: one process, as many threads"
BENTOML = ("env", "BENTOML_DO_NOT_TRACK=True", "{bin}/bentoml", "serve", "app:Predictions")
BENTOML_AT = (*BENTOML, "--host", "127.0.0.1", "--port", "{port}")
MLSERVER = ("env", "MLSERVER_HOST=127.0.0.1", "MLSERVER_HTTP_PORT={port}", "MLSERVER_GRPC_PORT=0")
MLSERVER_AT = (*MLSERVER, "MLSERVER_METRICS_PORT=0", "MLSERVER_DEBUG=false")
SCRIPT = ("{bin}/python", "app.py", "{port}")
RAY = ("env", "RAY_AUTH_MODE=disabled", "RAY_USAGE_STATS_ENABLED=0", *SCRIPT)

GUESTS = (
    Contestant(
        *("litestar-naive", "Litestar async def, Uvicorn", NAIVE, LOOP, "litestar", "litestar_async", UVICORN),
        group="litestar",
    ),
    Contestant(
        *("litestar", "Litestar with a thread pool, Uvicorn", BEST, THREADS, "litestar", "litestar", UVICORN),
        work_template="litestar_work",
        group="litestar",
    ),
    Contestant(
        *("blacksheep-naive", "BlackSheep async def, Uvicorn", NAIVE, LOOP, "blacksheep", "blacksheep_async", UVICORN),
        group="blacksheep",
    ),
    Contestant(
        *("blacksheep", "BlackSheep with a thread pool, Granian", BEST, THREADS, "blacksheep", "blacksheep", GRANIAN),
        work_template="blacksheep_work",
        group="blacksheep",
    ),
    Contestant(
        *("bentoml-naive", "BentoML", NAIVE, "1: one process, one thread", "bentoml", "bentoml", BENTOML_AT),
        threads=1,
        group="bentoml",
    ),
    Contestant(
        *("bentoml", "BentoML with threads", BEST, THREADS, "bentoml", "bentoml", BENTOML_AT),
        group="bentoml",
    ),
    Contestant(
        *("litserve-naive", "LitServe", NAIVE, "1: one process for the model", "litserve", "litserve_single", SCRIPT),
        group="litserve",
    ),
    Contestant(
        *("litserve", "LitServe with batches", BEST, "one batch of up to {slots}", "litserve", "litserve", SCRIPT),
        group="litserve",
    ),
    Contestant(
        *("mlserver-naive", "MLServer", NAIVE, "1: one process for the model", "mlserver", "mlserver"),
        (*MLSERVER_AT, "{bin}/mlserver", "start", "."),
        files=(("model-settings.json", "mlserver.json"),),
        group="mlserver",
    ),
    Contestant(
        *("mlserver", "MLServer without parallel workers", BEST, "one computation", "mlserver", "mlserver"),
        (*MLSERVER_AT, "MLSERVER_PARALLEL_WORKERS=0", "{bin}/mlserver", "start", "."),
        files=(("model-settings.json", "mlserver.json"),),
        group="mlserver",
    ),
    Contestant(
        *("ray-naive", "Ray Serve", NAIVE, "5: as many requests of one replica", "ray", "ray", RAY),
        threads=5,
        group="ray",
    ),
    Contestant(
        *("ray", "Ray Serve with more requests at once", BEST, "{slots}: as many requests of one replica"),
        *("ray", "ray", RAY),
        group="ray",
    ),
)
GROUPS = tuple(dict.fromkeys(guest.group for guest in GUESTS))


def guests_of(groups: Sequence[str]) -> list[str]:
    """The names of those who come with these frameworks."""
    return [guest.name for guest in GUESTS if guest.group in groups]


def split_with(said: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Frameworks, and other files of the model: elsewhere the option names these. Raises ConfigError for what is neither."""
    groups: list[str] = []
    files: list[str] = []
    for entry in said:
        names = [name.strip() for name in entry.split(",") if name.strip()]
        unknown = [name for name in names if name not in GROUPS]
        if not unknown:
            groups += names
        elif Path(entry).suffix or Path(entry).exists():
            files.append(entry)
        else:
            near = get_close_matches(unknown[0], GROUPS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(GROUPS)}"
            raise ConfigError(f"--with: {unknown[0]!r} is no framework that can be compared, and no file; {hint}")
    return tuple(groups), tuple(files)
