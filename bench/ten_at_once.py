"""Ten calls at once take no longer than the same ten one after the other: a forest with `n_jobs=-1`, served as it was saved.

A model that starts threads of its own for each call gets slower when calls meet, unless who serves it sees to that. Both ways of
asking alternate, and the medians count. Exits with status 1 where ten at once take longer, and where an answer differs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from modelport.compare.processes import free_port

MUSIC = Path(__file__).resolve().parents[1] / "examples" / "music"
CALLS, ROUNDS, START_S = 10, 15, 120.0
MOST = 1.0
"""Times what the ten take one after the other."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, tell, and hold it against the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder))
        with served(Path(folder)) as port:
            alone, together = measure(port, rounds)
    ratio = together / alone
    print(f"one after the other {alone * 1000:.0f} ms, at once {together * 1000:.0f} ms: {ratio:.2f} times", end="; ")
    print(f"at most {MOST:g} is promised: {'kept' if ratio <= MOST else 'MISSED'}")
    return 0 if ratio <= MOST else 1


def train(folder: Path) -> None:
    """The forest of the afternoon in a notebook: every core for each call."""
    import joblib
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier

    songs = pd.read_csv(MUSIC / "music.csv").dropna()
    inputs = songs[["acousticness", "danceability", "energy", "tempo"]]
    joblib.dump(
        RandomForestClassifier(100, random_state=0, n_jobs=-1).fit(inputs, songs["genre"]), folder / "genre.joblib"
    )


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """The port of a server that is ready. The library itself runs, not its compiled form."""
    port = free_port()
    flags = ["--port", str(port), "--no-compile", "--standby", "off", "--drain-delay", "0"]
    command = [sys.executable, "-m", "modelport", "serve", str(folder / "genre.joblib"), *flags]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait(port, process)
        yield port
    finally:
        process.terminate()
        process.wait()


def wait(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it is ready."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server does not start")


def measure(port: int, rounds: int) -> tuple[float, float]:
    """Seconds of ten calls one after the other, and at once: of each the median."""
    lines = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in range(CALLS)]
    bodies = [record(number) for number in range(CALLS)]
    wanted = [ask(line, body) for line, body in zip(lines, bodies, strict=True)]
    with ThreadPoolExecutor(CALLS) as pool:

        def alone() -> list[bytes]:
            return [ask(lines[0], body) for body in bodies]

        def together() -> list[bytes]:
            return list(pool.map(ask, lines, bodies))

        times = [(timed(alone, wanted), timed(together, wanted)) for _ in range(rounds)]
    for line in lines:
        line.close()
    return statistics.median(first for first, _ in times), statistics.median(second for _, second in times)


def record(number: int) -> bytes:
    """One of ten that differ."""
    values = {"acousticness": 0.05 * number, "danceability": 0.5, "energy": 0.1 * number, "tempo": 100 + 5.0 * number}
    return json.dumps(values).encode()


def ask(line: http.client.HTTPConnection, body: bytes) -> bytes:
    """The answer."""
    line.request("POST", "/predict", body, {"content-type": "application/json"})
    return line.getresponse().read()


def timed(calls: Callable[[], list[bytes]], wanted: list[bytes]) -> float:
    """Seconds that they take; each must give what it gave before."""
    started = time.perf_counter()
    answers = calls()
    seconds = time.perf_counter() - started
    if answers != wanted:
        raise SystemExit("an answer differs from the one before")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
