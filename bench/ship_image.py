"""The shipped image: how large, how much memory, how soon it answers, and whether a roll-out loses a request.

    python -m bench.ship_image

Needs root, and buildah, podman, runc and mmdebstrap of the distribution.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass

from bench.harness import environment
from bench.harness.containers import (
    BASE,
    Container,
    build_base,
    build_image,
    call,
    collect_wheels,
    create,
    image_bytes,
    remove,
    running,
    start,
    why_not,
)
from bench.harness.errors import BenchError
from bench.harness.scenario import CONSTRAINTS, REQUIREMENTS, ROOT, WORK, Sheet, main, say
from bench.lineup import FEATURES, OURS, PEERS
from modelport.compare.processes import free_port
from modelport.compare.usage import tree_pss_bytes

INTRODUCTION = """\
The compiled music model as `modelport ship docker` has it, and FastAPI with scikit-learn by the same recipe on the same base: two
stages, exact versions, bytecode compiled. Both run as a careful cluster runs them: not root, read-only, no capability, 256 MiB,
half a processor, one worker. Size is uncompressed, above the base. The roll-out replaces two instances one after the other
while clients ask whoever is ready."""
COUNTED = """\
The first answer is counted from the moment at which the container's first process was made, and from the order to start it, which
holds the container engine's own time, too. Both images are asked from outside, anew every hundredth of a second, until one
prediction was answered; the bytecode is compiled, the files were read before."""
OURS_IMAGE, THEIRS_IMAGE = "localhost/bench-modelport:test", "localhost/bench-fastapi:test"
ROUNDS, CALLERS = 5, 4
ASK_EVERY_S = 0.01  # more often, and refusing while it loads would take of the half processor that it has
FOLDER = ROOT / WORK / "ship"
BODY = json.dumps({**dict.fromkeys(FEATURES.split(","), 0.5), "tempo": 120.0}).encode()


def build_images(options: argparse.Namespace) -> None:
    """Both, on one base."""
    if reason := why_not():
        raise BenchError(reason)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    build_base(FOLDER / "base")
    environment.install_tree(OURS, ".[sklearn,ship]", CONSTRAINTS)
    call(ROOT / environment.python_of(OURS), "examples/music/train.py", "--out", FOLDER, cwd=ROOT)
    build_ours()
    if not options.no_control:
        environment.ensure_environment(PEERS, REQUIREMENTS, CONSTRAINTS)
        build_theirs()


def build_ours() -> None:
    """From the joblib file to the image, as the how-to says."""
    ours = (ROOT / environment.python_of(OURS), "-m", "modelport")
    data = ROOT / "examples" / "music" / "music.csv"
    call(*ours, "build", "genre.joblib", "--data", data, "--target", "genre", "-o", "genre.bundle", cwd=FOLDER)
    folder = FOLDER / "ours"
    call(*ours, "ship", "docker", "genre.bundle", "--wheels", "--out", folder, cwd=FOLDER)
    collect_wheels(folder)
    say(f"building {OURS_IMAGE}")
    build_image(folder, OURS_IMAGE)


def build_theirs() -> None:
    """What a careful user of FastAPI would write."""
    folder = FOLDER / "theirs"
    folder.mkdir()
    for source, name in (("ship_fastapi.py", "app.py"), ("ship_fastapi.Dockerfile", "Dockerfile")):
        shutil.copy(ROOT / "bench" / "contestants" / source, folder / name)
    shutil.copy(FOLDER / "genre.joblib", folder)
    pins = call("env", f"PYTHONPATH={ROOT}/src", ROOT / environment.python_of(PEERS), "-c", _CLOSURE, cwd=ROOT)
    (folder / "requirements.lock").write_text(pins, encoding="utf-8")
    collect_wheels(folder)
    say(f"building {THEIRS_IMAGE}")
    build_image(folder, THEIRS_IMAGE)


THEIR_PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "scikit-learn", "joblib", "pandas")
_CLOSURE = f"""
from modelport.deploy.requirements import close_over
print("\\n".join(map(str, close_over({THEIR_PACKAGES}, {{}}))))
"""


# -- one image ---------------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """Of one image."""

    above_mb: float
    first_answer_s: float
    """From when its first process was made."""
    ordered_s: float
    """From the order to start it."""
    idle_mb: float


def examine(image: str, rounds: int) -> Found:
    """Start it some times, ask at once, and see what it takes when nobody asks."""
    seconds, ordered, idle = [], [], []
    for _ in range(rounds):
        container = create(image, "bench-ship", free_port())
        try:
            began = time.time()
            start(container)
            while ask(container) != 200:
                if time.time() - began > 60:
                    raise BenchError(container.log())
                time.sleep(ASK_EVERY_S)
            answered = time.time()
            ordered.append(answered - began)
            seconds.append(answered - container.began())
            time.sleep(2)
            idle.append(tree_pss_bytes(container.pid()) / 1e6)
        finally:
            remove(container.name)
    return Found((image_bytes(image) - image_bytes(BASE)) / 1e6, max(seconds), max(ordered), max(idle))


def ask(container: Container) -> int:
    """The status of a prediction; 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", container.port, timeout=10)
    try:
        connection.request("POST", "/predict", BODY, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


# -- a roll-out --------------------------------------------------------------------------------------------------------


class Fleet:
    """Two places, each with a container or being replaced, and callers who ask whoever was ready a moment ago."""

    def __init__(self, image: str) -> None:
        self.image = image
        self.ready: list[Container] = []
        self.sent = self.failed = 0
        self._end = threading.Event()
        self._places: list[Container | None] = [None, None]
        self._threads = [threading.Thread(target=self._call, args=(n,)) for n in range(CALLERS)]
        self._threads.append(threading.Thread(target=self._watch))

    def _watch(self) -> None:
        """The load balancer's probe, every quarter of a second."""
        while not self._end.is_set():
            self.ready = [c for c in list(self._places) if c is not None and c.ask("/readyz") == 200]
            time.sleep(0.25)

    def _call(self, number: int) -> None:
        turn = number
        while not self._end.is_set():
            ready = self.ready
            if ready:
                turn += 1
                self.sent += 1
                self.failed += ask(ready[turn % len(ready)]) != 200
            time.sleep(0.01)

    def replace(self, place: int, name: str) -> None:
        """The new one is ready before the old one is asked to end."""
        new = create(self.image, name, free_port())
        start(new)
        new.wait_ready()
        old, self._places[place] = self._places[place], new
        if old is None:
            return
        time.sleep(0.6)  # two probes: the balancer knows the new one
        call("podman", "--cgroup-manager", "cgroupfs", "stop", "-t", "45", old.name)
        remove(old.name)

    def run(self, rounds: int) -> None:
        """Start both, replace both again and again, under load."""
        for place in (0, 1):
            self.replace(place, f"bench-ship-{place}-0")
        for thread in self._threads:
            thread.start()
        try:
            for number in range(1, rounds + 1):
                for place in (0, 1):
                    self.replace(place, f"bench-ship-{place}-{number}")
        finally:
            self._end.set()
            for thread in self._threads:
                thread.join()
            for container in self._places:
                if container is not None:
                    remove(container.name)


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Both images, then the roll-out of ours."""
    rounds = 1 if options.short else options.rounds
    build_images(options)
    found = examine(OURS_IMAGE, rounds)
    theirs = None if options.no_control else examine(THEIRS_IMAGE, rounds)
    for what, name, unit in (
        ("image, uncompressed, above its base", "above_mb", " MB"),
        ("start of the container to the first answer, worst", "first_answer_s", " s"),
        ("the order to start it to the first answer, worst", "ordered_s", " s"),
        ("memory when idle, all processes, worst", "idle_mb", " MB"),
    ):
        sheet.compare(what, getattr(found, name), getattr(theirs, name) if theirs else None, unit)
    fleet = Fleet(OURS_IMAGE)
    fleet.run(rounds)
    sheet.compare(f"requests during {rounds} roll-outs of two instances", fleet.sent)
    sheet.promise("image above its base", found.above_mb, "at most", 250, " MB")
    sheet.promise("memory when idle", found.idle_mb, "at most", 110, " MB")
    sheet.promise("start to first answer", found.first_answer_s, "at most", 1.0, " s")
    sheet.promise("failed requests of the roll-outs", fleet.failed, "at most", 0)
    loaded(sheet)
    on_arm(sheet)
    sheet.note(COUNTED)


def loaded(sheet: Sheet) -> None:
    """32 connections for some seconds, within 256 MiB."""
    with running(OURS_IMAGE, "bench-ship-load", free_port()) as container:
        container.wait_ready()
        script = FOLDER / "post.lua"
        header = "wrk.headers['content-type']='application/json'"
        script.write_text(f"wrk.method='POST'; {header}; wrk.body='{BODY.decode()}'", encoding="utf-8")
        command = ["wrk", "-t1", "-c32", "-d10", "-s", str(script), f"{container.url}/predict"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rate = next(line.split()[1] for line in said.splitlines() if line.startswith("Requests/sec"))
        sheet.compare("requests/s at 32 connections on half a processor", float(rate))
        sheet.promise("ended for want of memory under that load", int(container.oom_killed()), "at most", 0)


def on_arm(sheet: Sheet) -> None:
    """What a small ARM board is given: the same packages, as their makers build them for it."""
    folder = FOLDER / "arm"
    platforms = [part for glibc in ("2014", "_2_28", "_2_34") for part in ("--platform", f"manylinux{glibc}_aarch64")]
    kinds = ("--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp")
    abis = ("--abi", "cp311", "--abi", "abi3", "--abi", "none")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps")
    call(*pip, *platforms, *kinds, *abis, "-d", folder, "-r", FOLDER / "ours" / "wheels" / "others.txt")
    wheels = [*folder.glob("*.whl"), *(FOLDER / "ours" / "wheels").glob("modelport-*.whl")]
    size = sum(entry.file_size for wheel in wheels for entry in zipfile.ZipFile(wheel).infolist())
    sheet.compare("the packages for 64-bit ARM, unpacked", size / 1e6, unit=" MB")


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    return main(Sheet("ship_image", "The shipped image", INTRODUCTION), parser, measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())
