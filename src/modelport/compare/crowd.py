"""Clients as the world has them, beside whom others are measured: some are slow, some leave before their answer.

    python -m modelport.compare.crowd --port 8000 --pool pool --slow 50 --pause 0.1
    python -m modelport.compare.crowd --port 8000 --pool pool --leaving 80 --pause 0.02

It says "ready" when all are there, goes on until its standard input ends, and then says what became of them, as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from modelport.compare.pool import read_pool
from modelport.compare.processes import child_environment
from modelport.errors import SetupError

READY = "ready"
READY_LIMIT_S, END_LIMIT_S = 5.0, 10.0


class Crowd:
    """What they ask, and what became of it: `begun`, `finished`, `cut` by the server, or `left` by themselves."""

    def __init__(self, port: int, pool: list[bytes], pause_s: float) -> None:
        self.port, self.pool, self.pause_s = port, pool, pause_s
        self.found: Counter[str] = Counter()
        self.tasks: set[asyncio.Task[None]] = set()

    def start(self, client: Coroutine[Any, Any, None]) -> None:
        """Let one more in."""
        task = asyncio.ensure_future(client)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def slow(self, number: int, arrived: asyncio.Semaphore) -> None:
        """One byte at a time, again and again: every other client sends so, the rest read so."""
        for turn in count(number):
            self.found["begun"] += 1
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=16)
                arrived.release()
                with closing(writer):
                    request = self.pool[turn % len(self.pool)]
                    finished = await self._slow_exchange(request, reader, writer, sends_slowly=number % 2 == 0)
            except OSError:
                arrived.release()
                finished = False
            self.found["finished" if finished else "cut"] += 1
            await asyncio.sleep(self.pause_s)

    async def _slow_exchange(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, sends_slowly: bool
    ) -> bool:
        """Whether the head of an answer came."""
        pieces = [request[n : n + 1] for n in range(len(request))] if sends_slowly else [request]
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(self.pause_s)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            got = await reader.read(1)
            if not got:
                return False
            head += got
            await asyncio.sleep(self.pause_s)
        return True

    async def leaving(self, per_s: float) -> None:
        """They come at even times; nobody waits for the answer longer than the pause."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in count():
            await asyncio.sleep(began + number / per_s - loop.time())
            self.start(self._leaving_client(self.pool[number % len(self.pool)]))

    async def _leaving_client(self, request: bytes) -> None:
        self.found["begun"] += 1
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            answer = b""
            with closing(writer), suppress(TimeoutError):
                writer.write(request)
                async with asyncio.timeout(self.pause_s):
                    answer = await reader.read(1)
            self.found["finished" if answer else "left"] += 1

    async def disperse(self) -> None:
        """All hang up."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def gather(crowd: Crowd, slow: int, leaving: float) -> None:
    """All of them, until standard input ends."""
    arrived = asyncio.Semaphore(0)
    for number in range(slow):
        crowd.start(crowd.slow(number, arrived))
    with suppress(TimeoutError):  # who is not let in goes on trying
        async with asyncio.timeout(READY_LIMIT_S):
            for _ in range(slow):
                await arrived.acquire()
    if leaving:
        crowd.start(crowd.leaving(leaving))
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), over.set)
    await over.wait()
    await crowd.disperse()


@contextmanager
def crowded(port: int, pool: Path, core: int, *options: str) -> Iterator[dict[str, int]]:
    """A crowd in a process of its own while the block lasts; the dictionary is filled in at its end.

    Raises SetupError where it cannot be gathered.
    """
    command = ["taskset", "-c", str(core), sys.executable, "-m", "modelport.compare.crowd", "--port", str(port)]
    found: dict[str, int] = {}
    with subprocess.Popen(
        [*command, "--pool", str(pool), *options],
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            if running.stdout.readline().strip() != READY:
                raise SetupError(f"the crowd of clients did not come: {running.communicate()[1].strip()[-500:]}")
            yield found
            found.update(json.loads(running.communicate(timeout=END_LIMIT_S)[0]))
        except subprocess.TimeoutExpired:
            raise SetupError(f"the crowd of clients did not end within {END_LIMIT_S:g} s") from None
        finally:
            running.kill()


def main() -> None:
    """Read the options, gather the crowd, and say at the end what became of it."""
    parser = argparse.ArgumentParser(prog="python -m modelport.compare.crowd")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument(
        "--pause", type=float, required=True, help="seconds between two bytes, or until a client leaves"
    )
    parser.add_argument("--slow", type=int, default=0, help="how many slow clients there are")
    parser.add_argument("--leaving", type=float, default=0.0, help="how many clients come in a second, and leave")
    options = parser.parse_args()
    crowd = Crowd(options.port, read_pool(options.pool), options.pause)
    asyncio.run(gather(crowd, options.slow, options.leaving))
    sys.stdout.write(json.dumps(dict(crowd.found)))


if __name__ == "__main__":
    main()
