"""Who takes part in the benchmark of serving a saved model, and how each is started."""

from __future__ import annotations

from bench.harness.environment import ENVIRONMENTS
from bench.harness.trial import Contestant

PEERS = "peers"
OURS = "modelport"

FEATURES = "acousticness,danceability,energy,instrumentalness,liveness,speechiness,tempo,valence"


def _program(environment: str, name: str) -> str:
    return str(ENVIRONMENTS / environment / "bin" / name)


CONTESTANTS = (
    Contestant(
        "flask_gunicorn",
        "Flask and scikit-learn behind Gunicorn's sync worker, as tutorials write it",
        PEERS,
        (_program(PEERS, "gunicorn"), "--bind", "127.0.0.1:{port}", "bench.contestants.flask_gunicorn:app"),
    ),
    Contestant(
        "fastapi_uvicorn",
        "FastAPI and scikit-learn on Uvicorn, as tutorials write it; access log off",
        PEERS,
        (_program(PEERS, "uvicorn"), "--port", "{port}", "--no-access-log", "bench.contestants.fastapi_uvicorn:app"),
    ),
    Contestant(
        "fastapi_onnx",
        "FastAPI and ONNX Runtime on Uvicorn, as an expert writes it; access log off",
        PEERS,
        (_program(PEERS, "uvicorn"), "--port", "{port}", "--no-access-log", "bench.contestants.fastapi_onnx:app"),
    ),
    Contestant(
        "blacksheep_onnx",
        "BlackSheep and ONNX Runtime on Granian, as an expert writes it",
        PEERS,
        (
            *(_program(PEERS, "granian"), "--interface", "asgi", "--loop", "uvloop", "--workers", "1"),
            *("--host", "127.0.0.1", "--port", "{port}", "bench.contestants.blacksheep_onnx:app"),
        ),
    ),
    Contestant(
        "echo_asgi",
        "An ASGI application on plain Uvicorn that reads the body and answers a constant of the same size",
        PEERS,
        (
            *(_program(PEERS, "uvicorn"), "--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
            *("--lifespan", "off", "--no-access-log", "bench.contestants.echo_asgi:app"),
        ),
        echo=True,
    ),
    Contestant(
        "echo",
        "Modelport's own HTTP server that reads the body and answers a constant of the same size",
        OURS,
        (_program(OURS, "python"), "-m", "bench.contestants.echo", "--port", "{port}"),
        echo=True,
    ),
    Contestant(
        "modelport",
        "Modelport with everything on: strict validation, probabilities, ids, headers, limits",
        OURS,
        (
            *(_program(OURS, "modelport"), "serve", "build/genre.onnx", "--data", "examples/music/music.csv"),
            *("--target", "genre", "--features", FEATURES, "--workers", "1", "--port", "{port}"),
        ),
    ),
)
