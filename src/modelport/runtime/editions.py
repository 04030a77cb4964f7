"""What is served of the files on disk, while developing: which of them were read, and which model rests on which."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modelport.runtime.children import Child
from modelport.runtime.files import FileWatch, Stamp, expanded, stamp_of
from modelport.runtime.forms import Source

if TYPE_CHECKING:
    from modelport.runtime.holders import HolderGroup
    from modelport.runtime.supervise import Supervisor

Stamps = dict[str, Stamp | None]
LINGER_SECONDS = 5.0
"""For which an edit waits until the processes from before the last one have answered what they have."""


@dataclass(frozen=True, slots=True)
class Edition:
    """The code of a service, as a process has read it: digests of what each model in Python rests on, and of everything."""

    footprints: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, list[str]] = field(default_factory=dict)
    whole: str = ""
    files: Mapping[str, Stamp] = field(default_factory=dict)

    @classmethod
    def take(cls, event: dict[str, Any]) -> Edition:
        """What a catalog says beside the models, out of its event."""
        return cls(event.pop("footprints", {}), event.pop("calls", {}), event.pop("whole", ""), event.pop("files", {}))


def artifact_files(source: Source) -> list[str]:
    """What a saved model is loaded from: its file or folder, the signature file beside it, sample and helpers."""
    options, target = source["options"], source["target"]
    named = [target, f"{os.path.splitext(target)[0]}.toml", options.get("data"), *(options.get("with_") or ())]
    return [os.path.join(source["folder"], path) for path in named if path]


def stamped(paths: Iterable[str]) -> Stamps:
    """Files as they are now, those that are not there included."""
    return {path: stamp_of(path) for path in expanded(paths)}


@dataclass(slots=True)
class Development:
    """`--reload`: watches what was read, and tells what an edit concerns. Without that option it does nothing."""

    active: bool
    watch: FileWatch = field(default_factory=FileWatch)
    read: Edition = field(default_factory=Edition)  # last: what is started now has it
    routes: str = ""  # the digest of the code that the workers have
    artifacts: dict[str, Stamps] = field(default_factory=dict)  # of each saved model, when its form was decided on
    changed: list[str] = field(default_factory=list)
    """What has brought the reload about that is asked for or under way; empty where a signal has."""
    _asked_at: float = 0.0
    _folders: Stamps = field(default_factory=dict)

    # -- what has changed ----------------------------------------------------------------------------------------

    def turn(self, supervisor: Supervisor, now: float) -> None:
        """Ask for a reload where a file has changed."""
        if not self.active or not supervisor.announced:
            return
        if changed := self.watch.look(now):
            self.changed = sorted({*changed, *(self.changed if supervisor.reload_asked else ())})
            supervisor.reload_asked, self._asked_at = True, now
        if supervisor.reload_asked and supervisor.reload is None and now - self._asked_at > LINGER_SECONDS:
            for child in [*supervisor.workers, *(c for g in supervisor.groups.values() for c in g.retiring)]:
                if child.retired and not child.kill_reason:
                    child.kill("what was edited meanwhile waits for its place")

    @property
    def why(self) -> str:
        """What has changed, for the log."""
        shown = [os.path.relpath(path) for path in self.changed[:3]]
        more = f" and {len(self.changed) - 3} more" if len(self.changed) > 3 else ""
        return f": {', '.join(shown)}{more} changed" if shown else ""

    def begin(self, groups: Iterable[HolderGroup]) -> None:
        """The service is ready: the workers have what was read."""
        self.routes = self.read.whole
        self.settle(groups)

    # -- what it concerns ----------------------------------------------------------------------------------------

    @property
    def same_code(self) -> bool:
        """Whether the workers have all of the code that was read last."""
        return self.read.whole == self.routes

    def keeps(self, group: HolderGroup, fresh: Collection[str]) -> bool:
        """Whether the process that holds a model has read what it would read now. `fresh`: saved models that are read anew."""
        child = group.active
        if child is None or not child.ready or set(self.read.calls.get(group.model, ())) & set(fresh):
            return False
        same_code = child.footprint == self.read.footprints.get(group.model, "")
        return same_code and all(stamp_of(path) == stamp for path, stamp in child.files.items())

    def keeps_saved(self, name: str, source: Source, before: Source | None) -> bool:
        """Whether a saved model is declared as before, and lies there as before."""
        return source == before and name in self.artifacts and stamped(artifact_files(source)) == self.artifacts[name]

    # -- what was read -------------------------------------------------------------------------------------------

    def note(self, saved: Mapping[str, Source]) -> None:
        """The form of these saved models is decided on from the files as they are now."""
        if self.active:
            self.artifacts = {name: stamped(artifact_files(source)) for name, source in saved.items()}

    def begin_reading(self) -> None:
        """From now on files are read: a file that is added later may be what was missing."""
        if self.active:
            folders = {os.path.dirname(path) for path in self.watch.known if path.endswith(".py")}
            self._folders = {folder: stamp_of(folder) for folder in folders}

    def catalog_read(self, event: dict[str, Any]) -> None:
        """A process has read the code anew: an edit is what differs from that."""
        self.read = Edition.take(event)
        self.watch.expect(self.read.files)

    def heard(self, child: Child, files: Mapping[str, Stamp]) -> None:
        """A holder says what it has read."""
        child.files = dict(files)
        for path, stamp in files.items():
            self.watch.known.setdefault(path, stamp)

    def settle(self, groups: Iterable[HolderGroup]) -> None:
        """What was read last is served: watch that, and what its processes have read."""
        if not self.active:
            return
        files: Stamps = dict(self.read.files)
        for group in groups:
            for child in (group.standby, group.active):
                files.update(child.files if child is not None else {})
        for stamps in self.artifacts.values():
            files.update(stamps)
        known = self.watch.known  # what has been told is not told again
        self.watch.replace({path: known.get(path, stamp) for path, stamp in files.items()})

    def miss(self) -> None:
        """The last edit cannot be served: a file that is added may be the remedy, too."""
        if self.active:
            self.watch.expect(self._folders)
