"""Whether what `modelport serve FILE` answers over HTTP is what the model itself answers, row by row."""

from __future__ import annotations

import json
import math
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.harness.errors import BenchError
from modelport.compare.processes import ServerProcess, free_port, serving

PROBABILITY_TOLERANCE, VALUE_TOLERANCE = 1e-5, 1e-6
"""As documented: absolute, and relative."""

START_S = 60.0


def ask_served(folder: Path, flags: Sequence[str], records: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The answers to all records and the description of the model, from a server that is started for it and ended.

    Raises BenchError with the server's own words where it does not start, or does not answer.
    """
    with _started(folder, flags) as port:
        (name,) = [path.stem for path in folder.glob("*.joblib")]
        about = _call(port, f"/models/{name}")
        body = _call(port, "/predict", records)
    answers = body if isinstance(body, list) else body.get("predictions", body)
    if len(answers) != len(records):
        raise BenchError(f"{len(answers)} answers to {len(records)} records: {str(body)[:200]}")
    return answers, about


@contextmanager
def _started(folder: Path, flags: Sequence[str]) -> Iterator[int]:
    port = free_port()
    own = ("--port", str(port), "--workers", "1", "--standby", "off", "--drain-delay", "0")
    (artifact,) = folder.glob("*.joblib")
    command = [sys.executable, "-m", "modelport", "serve", str(artifact), *own, *flags]
    with serving(command, core="0,1", cwd=folder, log=folder / "server.log", port=port) as server:
        _wait(server)
        yield port


def _wait(server: ServerProcess) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise BenchError(" ".join(server.log_tail().split())[-300:])
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/readyz", timeout=5).close()
        except OSError:
            time.sleep(0.05)  # a benchmark, not a test
        else:
            return
    raise BenchError(f"not ready within {START_S:g} s")


def _call(port: int, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json", "connection": "close"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise BenchError(f"{error.code}: {error.read()[:300]!r}") from None


# -- what the model itself answers ---------------------------------------------------------------------------------


def own_answers(model: Any, inputs: Any) -> dict[str, list[Any]]:
    """What `predict`, and where there is one `predict_proba`, give for each row, as plain values."""
    labels = _plain(model.predict(inputs))
    found = {"prediction": labels}
    if hasattr(model, "predict_proba"):
        tables = model.predict_proba(inputs)
        if isinstance(tables, list):  # one for each of several outputs
            found["probabilities"] = [list(row) for row in zip(*map(_plain, tables), strict=True)]
        elif labels and isinstance(labels[0], list):  # of each of several labels, how likely it is
            found["probabilities"] = [[[1 - p, p] for p in row] for row in _plain(tables)]
        else:
            found["probabilities"] = _plain(tables)
    return found


def _plain(values: Any) -> list[Any]:
    dense = values.toarray() if hasattr(values, "toarray") else values
    rows: list[Any] = dense.tolist()
    return [row[0] if isinstance(row, list) and len(row) == 1 else row for row in rows]


def differences(own: dict[str, list[Any]], answers: Sequence[Any]) -> str:
    """Which row is answered otherwise than by the model itself; empty where none is."""
    for i, answer in enumerate(answers):
        for key, tolerance, relative in (
            ("probabilities", PROBABILITY_TOLERANCE, False),
            ("prediction", VALUE_TOLERANCE, True),
        ):
            wanted = own[key][i] if key in own else None
            if (wanted is None) != (key not in answer) or (
                wanted is not None and not _same(wanted, answer[key], tolerance, relative)
            ):
                return f"row {i}: the model's own {key} is {str(wanted)[:80]}, the answer {str(answer)[:160]}"
    return ""


def _same(wanted: Any, got: Any, tolerance: float, relative: bool) -> bool:
    if isinstance(wanted, list):
        inner = list(got.values()) if isinstance(got, dict) else None
        return (
            inner is not None
            and len(inner) == len(wanted)
            and all(_same(w, g, tolerance, relative) for w, g in zip(wanted, inner, strict=True))
        )
    if isinstance(wanted, float) and not math.isfinite(wanted):
        return got is None  # JSON has no word for it
    if isinstance(wanted, float) and isinstance(got, (int, float)) and not isinstance(got, bool):
        return abs(wanted - got) <= tolerance * (abs(wanted) if relative else 1.0)
    return type(wanted) is type(got) and bool(wanted == got)
