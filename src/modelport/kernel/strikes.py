"""Records that kill their process: after the second death with the same record in flight, it is refused unrun."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

LIMIT = 2
REMEMBERED = 1024


class Strikes:
    """Counts deaths by the digest of the body. Forgets the oldest, so that it stays small."""

    def __init__(self) -> None:
        self._deaths: OrderedDict[bytes, int] = OrderedDict()

    def record(self, digests: Iterable[bytes]) -> None:
        """These bodies were running when their process died. One that was there twice died once."""
        for digest in dict.fromkeys(digests):
            self._deaths[digest] = self._deaths.pop(digest, 0) + 1
        while len(self._deaths) > REMEMBERED:
            self._deaths.popitem(last=False)

    def of(self, digest: bytes) -> int:
        """How often it was there when a process died."""
        return self._deaths.get(digest, 0)

    def refused(self, digest: bytes) -> bool:
        """Whether it has killed often enough."""
        return self.of(digest) >= LIMIT

    def all_refused(self) -> list[bytes]:
        """Every body that has."""
        return [digest for digest in self._deaths if self.refused(digest)]

    def __bool__(self) -> bool:
        return bool(self._deaths)
