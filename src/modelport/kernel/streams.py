"""What is decided about a stream of items, as pure objects that are told the time.

A generator runs in its holder, its reader is a client somewhere: between them lie a frame, a worker and a socket. How far the
generator may run ahead of the reader, when a silent stream wants a sign of life, when its silence is too long, and for how
long a slow reader may keep a turn that others wait for: all of it is decided here.
"""

from __future__ import annotations

from enum import Enum
from math import inf

WINDOW_BYTES = 256 * 1024
"""How far a generator may be ahead of what its reader's connection has taken. Most streams end within it, so that a slow reader
of one does not even keep its generator waiting."""

ITEM_BYTES = 64
"""What an item counts beside its own bytes, so that a million empty ones are bounded, too."""

TURN_SECONDS = 5.0
"""How long, in all, a stream may stand still for its reader while others wait for its turn."""


def weight(item: bytes) -> int:
    """What an item counts in a window; both sides count alike."""
    return len(item) + ITEM_BYTES


class SendWindow:
    """The generator's side: closed while so much is on its way that the generator must pause. One item may overshoot."""

    __slots__ = ("_ahead", "_limit")

    def __init__(self, limit: int = WINDOW_BYTES) -> None:
        self._limit = limit
        self._ahead = 0

    def sent(self, size: int) -> None:
        """So much went out."""
        self._ahead += size

    def credited(self, size: int) -> None:
        """The reader's side has taken so much."""
        self._ahead = max(0, self._ahead - size)

    @property
    def open(self) -> bool:
        """Whether the generator may go on."""
        return self._ahead < self._limit


class ReceiveWindow:
    """The reader's side: gives credit back in lumps, since each is a frame."""

    __slots__ = ("_least", "_owed")

    def __init__(self, limit: int = WINDOW_BYTES) -> None:
        self._least = max(1, limit // 4)
        self._owed = 0

    def taken(self, size: int) -> int:
        """The connection took so much. Returns the credit to give now; 0 while it is too little to be worth a frame."""
        self._owed += size
        if self._owed < self._least:
            return 0
        owed, self._owed = self._owed, 0
        return owed


class Due(Enum):
    """What an open stream wants."""

    NOTHING = 0
    BEAT = 1
    END = 2


class Rhythm:
    """The clock of one open stream. While its reader takes nothing, neither its silence nor ours counts."""

    __slots__ = ("_beat_s", "_blocked", "_heard", "_patience_s", "_wrote")

    def __init__(self, beat_s: float, patience_s: float, now: float) -> None:
        self._beat_s = beat_s
        self._patience_s = patience_s
        self._heard = self._wrote = now
        self._blocked = False

    def heard(self, now: float) -> None:
        """An item came from the generator."""
        self._heard = now

    def wrote(self, now: float) -> None:
        """Something went to the reader."""
        self._wrote = now

    def block(self) -> None:
        """The reader takes no more for now."""
        self._blocked = True

    def unblock(self, now: float) -> None:
        """It does again."""
        if self._blocked:
            self._blocked = False
            self._heard = self._wrote = now

    def due(self, now: float) -> Due:
        """What is to be done at this moment."""
        if self._blocked:
            return Due.NOTHING
        if now >= self._heard + self._patience_s:
            return Due.END
        return Due.BEAT if now >= self._wrote + self._beat_s else Due.NOTHING

    def wake_at(self, now: float) -> float:
        """When to look again, always later than now."""
        if self._blocked:
            return now + min(self._beat_s, self._patience_s)
        return max(min(self._heard + self._patience_s, self._wrote + self._beat_s), now + 0.001)


class Turn:
    """A place among the streams that run at once. Whoever stands still in it while others wait loses it after a while."""

    __slots__ = ("_idle_s", "_looked")

    def __init__(self) -> None:
        self._idle_s = 0.0
        self._looked = inf

    def look(self, now: float, paused: bool, wanted: bool) -> bool:
        """Asked about once a second. Whether it is lost: the time in which it paused and was wanted is added up."""
        if paused and wanted:
            self._idle_s += max(0.0, now - self._looked)
            self._looked = now
        else:
            self._looked = inf
        return self._idle_s > TURN_SECONDS
