"""Starts of `modelport serve` with an old model, as a user makes them: the first, which proves it, and later ones."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.old_models.borrowing import borrow, give_back
from bench.old_models.heldout import Asked, Found, hold
from modelport.artifacts.digest import digest_files
from modelport.assembly.forms import proof_key
from modelport.assembly.proving import prove
from modelport.compare.processes import ServerProcess, free_port, serving
from modelport.config import ServeOptions
from modelport.errors import SetupError
from modelport.native.proofs import NATIVE, Proof, Proofs

FIRST_S, LATER_S = 600.0, 60.0
"""How long to wait until a service is ready."""

LATER = 3
"""Later starts of each file; the figure is their median."""

OFFLINE = {
    "PIP_NO_INDEX": "1",
    "UV_OFFLINE": "1",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}


@dataclass(frozen=True, slots=True)
class Served:
    """A service that is ready, and after how long it was."""

    port: int
    ready_s: float
    names: tuple[str, ...]

    def ask(self, body: bytes) -> Any:
        """One answer; None where it is refused."""
        status, text = call(self.port, "POST", "/predict", body)
        return json.loads(text) if status == 200 else None


def call(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body. Raises OSError where nobody listens yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def served(path: Path, cache: Path, limit_s: float, flags: Sequence[str] = ()) -> Iterator[Served]:
    """`modelport serve`, until the block ends. Raises SetupError with its own words where it does not get ready."""
    port, log = free_port(), cache / "served.log"
    own = ("--port", str(port), "--cache-dir", str(cache), "--drain-delay", "0", *flags)
    command = [sys.executable, "-m", "modelport", "serve", str(path), *own]
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    with serving(command, core=cores, cwd=cache, log=log, port=port) as server:
        _wait(server, limit_s)
        ready_s = time.perf_counter() - server.started_s
        _, text = call(port, "GET", f"/models/{path.stem}")
        inputs = json.loads(text)["inputs"]
        yield Served(port, ready_s, tuple(field["name"] for field in inputs))


def _wait(server: ServerProcess, limit_s: float) -> None:
    while time.perf_counter() - server.started_s < limit_s:
        server.check_alive()
        with suppress(OSError):
            if call(server.port, "GET", "/readyz")[0] == 200:
                return
        time.sleep(0.005)  # a benchmark, not a test
    raise SetupError(f"not ready within {limit_s:g} s: {server.log_tail()}")


# -- one file ----------------------------------------------------------------------------------------------------------


def watch_starts(path: Path, environments: Path, asked: Sequence[Asked]) -> dict[str, Any]:
    """The first start in an empty cache beside environments that are there, and later ones with everything else gone.

    What is served without an environment starts later with that folder taken away, and nothing reaches the network.
    """
    with TemporaryDirectory(dir=environments) as folder:
        cache = Path(folder)
        borrow(environments, cache, [path])
        try:
            with served(path, cache, FIRST_S) as first:
                found = hold(asked, first.names, first.ask)
        except SetupError as error:
            return {"refused": str(error)}
        way = _way(cache)
        if way != NATIVE:
            give_back(cache)
        told = {"way": way, "first_s": first.ready_s, "held": found.plain()}
        return told | later_starts(path, cache, asked)


def _way(cache: Path) -> str:
    (proof,) = (cache / "proofs").glob("*.json")
    return str(json.loads(proof.read_bytes())["way"])


def later_starts(path: Path, cache: Path, asked: Sequence[Asked], flags: Sequence[str] = ()) -> dict[str, Any]:
    """The median of some later starts, and what is answered then."""
    seconds, found = [], Found()
    before = {name: os.environ.get(name) for name in OFFLINE}
    os.environ.update(OFFLINE)
    try:
        for _ in range(LATER):
            with served(path, cache, LATER_S, flags) as later:
                seconds.append(later.ready_s)
                found = hold(asked, later.names, later.ask)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return {"later_s": statistics.median(seconds), "later_all_s": seconds, "later_held": found.plain()}


def native_starts(path: Path, environments: Path, asked: Sequence[Asked]) -> dict[str, Any]:
    """Later starts of a model that its environment serves, whichever other way there is."""
    with TemporaryDirectory(dir=environments) as folder:
        cache = Path(folder)
        borrow(environments, cache, [path])
        options = ServeOptions(cache_dir=cache, no_compile=True, name=path.stem)
        proof = prove(path, options, ways=()).proof
        keep_proof(path, options, proof)
        return {"environment": proof.environment, **later_starts(path, cache, asked, ["--no-compile"])}


def keep_proof(path: Path, options: ServeOptions, proof: Proof) -> None:
    """Where a start finds it."""
    assert options.cache_dir is not None
    Proofs(options.cache_dir).keep(proof_key(path, options, digest_files(path, ())), proof)


def first_serve(path: Path) -> float:
    """Seconds until a model is served in an empty cache: its environment is built of packages that the installer has."""
    with TemporaryDirectory() as folder, served(path, Path(folder), FIRST_S) as first:
        return first.ready_s
