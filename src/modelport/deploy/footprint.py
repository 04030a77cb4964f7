"""The memory that processes would take if nothing else ran on this machine.

What a process shares with strangers is charged to it in parts while they run (PSS), and all of it in a container of its own.
Libraries that another service has mapped here would make the limit too small there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ \S+ (?P<offset>[0-9a-f]+) (?P<device>\S+) (?P<inode>\d+)")
Part = tuple[str, str, str]
"""A part of a file: its device, its inode, and where in it the part begins."""


def footprint(pids: Iterable[int]) -> int | None:
    """In bytes: what is each process's own, and every part of a file once. None where the system does not tell."""
    own, files = 0, dict[Part, int]()
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            if not Path("/proc/self/smaps").exists():
                return None
            continue  # it has ended
        except (PermissionError, ProcessLookupError):
            continue
        own += _add_mappings(text, files)
    return own + sum(files.values())


def _add_mappings(text: str, files: dict[Part, int]) -> int:
    """Note what is mapped of files; the rest, which is the process's own."""
    own, resident, part = 0, 0, ("", "", "0")
    for line in text.splitlines():
        if found := MAPPING.match(line):
            part = (found["device"], found["inode"], found["offset"])
        elif line.startswith("Rss:"):
            resident = int(line.split()[1]) * 1024
        elif line.startswith("Anonymous:"):  # of a file's pages, those that were written to
            anonymous = int(line.split()[1]) * 1024
            own += anonymous
            if part[1] != "0":
                files[part] = max(files.get(part, 0), resident - anonymous)
    return own


def process_tree(pid: int) -> list[int]:
    """The process and all that came of it, as far as they run: what a model has started counts, too."""
    found, waiting = list[int](), [pid]
    while waiting:
        parent = waiting.pop()
        found.append(parent)
        for thread in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                waiting += map(int, thread.read_text().split())
            except OSError:
                continue  # it has ended
    return found
