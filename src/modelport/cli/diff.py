"""`modelport diff`: the same requests to two servers, and each difference between their answers."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from modelport.compare.answers import IGNORED, Difference, Rules
from modelport.compare.replay import Server, replay
from modelport.compare.requests import Request, read_requests
from modelport.errors import ConfigError

MOST_SHOWN = 50
WAIT_S = 30.0
Found = list[tuple[Request, list[Difference]]]


def run_diff(addresses: tuple[str, str], path: Path, tolerance: float, ignored: tuple[str, ...], as_json: bool) -> int:
    """Replay, print, and say with the exit code whether anything differs."""
    if not math.isfinite(tolerance) or tolerance < 0:
        raise ConfigError(f"--tolerance wants a number of at least 0, not {tolerance}")
    requests = read_requests(path)
    rules = Rules(tolerance, IGNORED | {name.lower() for name in ignored})
    with Server(addresses[0], "--old", WAIT_S) as old, Server(addresses[1], "--new", WAIT_S) as new:
        old.check()
        new.check()
        found = _replayed(requests, old, new, rules)
    differing = [(request, differences) for request, differences in found if differences]
    if as_json:
        print(json.dumps(_plain(requests, differing), indent=2, ensure_ascii=False))
    else:
        _print(requests, differing, path)
    return 1 if differing else 0


def _replayed(requests: list[Request], old: Server, new: Server, rules: Rules) -> Found:
    """With a bar on a terminal, on standard error, so that output can be piped."""
    from rich.console import Console
    from rich.progress import Progress

    shown = Progress(console=Console(stderr=True), transient=True) if sys.stderr.isatty() else nullcontext()
    with shown as progress:
        task = progress.add_task("replaying", total=len(requests)) if progress else None
        found = []
        for pair in replay(requests, old, new, rules):
            found.append(pair)
            if progress and task is not None:
                progress.advance(task)
    return found


def _plain(requests: list[Request], differing: Found) -> dict[str, Any]:
    return {
        "requests": len(requests),
        "differing": len(differing),
        "differences": [
            {"line": r.line, "method": r.method, "path": r.path, **dataclasses.asdict(d)}
            for r, found in differing
            for d in found
        ],
    }


def _print(requests: list[Request], differing: Found, path: Path) -> None:
    for request, found in differing[:MOST_SHOWN]:
        print(f"{path}:{request.line}  {request.method} {request.path}")
        for d in found[:MOST_SHOWN]:
            print(f"    {d.what}{f' {d.where}' if d.where else ''}: {_told(d.old)} → {_told(d.new)}")
        if len(found) > MOST_SHOWN:
            print(f"    … and {len(found) - MOST_SHOWN} more")
    if len(differing) > MOST_SHOWN:
        print(f"… and {len(differing) - MOST_SHOWN} more requests; --json lists them all")
    print(f"{len(differing) or 'none'} of {len(requests)} requests answered differently")


def _told(value: Any) -> str:
    return "(none)" if value is None else json.dumps(value, ensure_ascii=False)
