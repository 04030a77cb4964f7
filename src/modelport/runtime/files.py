"""Files that are watched by looking at them: when each was written, and its size. Works on every system and every file system."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Stamp = list[int]
"""When a file was last written, in nanoseconds, and its size; of a folder, what Python files are in it."""
LOOK_SECONDS = 0.1
SETTLE_SECONDS = 0.15
"""Of quiet, before a change counts: one save may touch several files, and an editor may move the old one away first."""
MISSING_SECONDS = 1.0
"""After which a file that is gone will not come back by itself."""
MOST_FILES = 2000


def stamp_of(path: str) -> Stamp | None:
    """None where nothing is there."""
    try:
        status = os.stat(path)
        if os.path.isdir(path):
            return [hash(tuple(sorted(name for name in os.listdir(path) if name.endswith(".py")))), 0]
    except OSError:
        return None
    return [status.st_mtime_ns, status.st_size]


def expanded(paths: Iterable[str]) -> list[str]:
    """Of an artifact that is a folder, its files."""
    found: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            continue
        for folder, _, names in os.walk(path):
            found += [os.path.join(folder, name) for name in sorted(names)]
            if len(found) > MOST_FILES:
                break
    return found[:MOST_FILES]


@dataclass(slots=True)
class FileWatch:
    """Tells which files have changed since they were read. Told the time."""

    known: dict[str, Stamp | None] = field(default_factory=dict)
    _seen: dict[str, Stamp | None] = field(default_factory=dict)
    _moved_at: float = 0.0
    _next: float = 0.0

    def expect(self, files: Mapping[str, Stamp | None]) -> None:
        """Watch these as well, from how they were when somebody read them."""
        self.known.update(files)

    def replace(self, files: Mapping[str, Stamp | None]) -> None:
        """Watch these, and no others."""
        self.known = dict(files)
        self._seen.clear()

    def look(self, now: float) -> list[str]:
        """What has changed, once it has come to rest; each change is told once."""
        if now < self._next:
            return []
        self._next = now + LOOK_SECONDS
        changed = {path: stamp for path, was in self.known.items() if (stamp := stamp_of(path)) != was}
        if changed != self._seen:
            self._seen, self._moved_at = changed, now
        patience = MISSING_SECONDS if None in changed.values() else SETTLE_SECONDS
        if not changed or now - self._moved_at < patience:
            return []
        self.known.update(changed)
        self._seen = {}
        return sorted(changed)
