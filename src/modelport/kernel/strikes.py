"""Records that kill their process: after the second death with the same record in flight, it is refused unrun, for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

LIMIT = 2
REMEMBERED = 1024
FORGIVEN_SECONDS = 600.0
"""Since the last death: what made it deadly (memory that was short, a driver) may be over, and a wrong verdict must end."""


class Strikes:
    """Counts deaths by the digest of the body. Told the time; forgets the oldest, so that it stays small."""

    def __init__(self) -> None:
        self._deaths: OrderedDict[bytes, tuple[int, float]] = (
            OrderedDict()
        )  # how many and the last, which is their order

    def record(self, digests: Iterable[bytes], now: float) -> None:
        """These bodies were running when their process died. One that was there twice died once."""
        self.expire(now)
        for digest in dict.fromkeys(digests):
            self._deaths[digest] = (self._deaths.pop(digest, (0, now))[0] + 1, now)
        while len(self._deaths) > REMEMBERED:
            self._deaths.popitem(last=False)

    def expire(self, now: float) -> bool:
        """Forget those whose last death is long ago. Says whether one of them was refused until now."""
        ended = False
        while self._deaths:
            digest, (_, last) = next(iter(self._deaths.items()))
            if now - last < FORGIVEN_SECONDS:
                break
            ended |= self.refused(digest)
            del self._deaths[digest]
        return ended

    def clear(self) -> None:
        """Forget all: other code is served now."""
        self._deaths.clear()

    def of(self, digest: bytes) -> int:
        """How often it was there when a process died."""
        return self._deaths.get(digest, (0, 0.0))[0]

    def refused(self, digest: bytes) -> bool:
        """Whether it has killed often enough."""
        return self.of(digest) >= LIMIT

    def all_refused(self) -> list[bytes]:
        """Every body that has."""
        return [digest for digest in self._deaths if self.refused(digest)]

    def __bool__(self) -> bool:
        return bool(self._deaths)
