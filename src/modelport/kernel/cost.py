"""What a batch costs, learned from the batches that ran: seconds = a + b·rows."""

from __future__ import annotations


class CostModel:
    """Least squares over past batches, older ones counting less (each weighs 0.98 of the next).

    Before anything ran, `seconds` is 0: nothing is refused on a guess.
    """

    DECAY = 0.98

    def __init__(self) -> None:
        self.observations = 0
        self.most_rows = 0  # of one batch, ever
        self._weight = self._rows = self._rows2 = self._seconds = self._product = 0.0

    def observe(self, rows: int, seconds: float, share: float = 1.0) -> None:
        """Learn from one batch. Who hears of it once per call says which `share` of the batch the call was."""
        if rows <= 0:
            return
        self.observations += 1
        self.most_rows = max(self.most_rows, rows)
        keep = self.DECAY**share
        self._weight = self._weight * keep + share
        self._rows = self._rows * keep + rows * share
        self._rows2 = self._rows2 * keep + rows * rows * share
        self._seconds = self._seconds * keep + seconds * share
        self._product = self._product * keep + rows * seconds * share

    @property
    def tells_apart(self) -> bool:
        """Whether batches of different sizes are remembered, without which nobody knows if batching pays."""
        return self._weight * self._rows2 - self._rows**2 > 1e-9 * self._rows2 * self._weight

    @property
    def mean_rows(self) -> float:
        """The size of the batches that are remembered."""
        return self._rows / self._weight if self._weight else 0.0

    def coefficients(self) -> tuple[float, float]:
        """`(a, b)`, neither negative. One batch size alone cannot tell them apart: then all is put on the rows."""
        if not self._weight:
            return 0.0, 0.0
        if not self.tells_apart:
            return 0.0, self._seconds / self._rows
        spread = self._weight * self._rows2 - self._rows**2
        b = (self._weight * self._product - self._rows * self._seconds) / spread
        a = (self._seconds - b * self._rows) / self._weight
        if a < 0:
            return 0.0, self._product / self._rows2
        return (a, b) if b >= 0 else (self._seconds / self._weight, 0.0)

    def seconds(self, rows: int) -> float:
        """What a batch of so many rows will probably take."""
        a, b = self.coefficients()
        return a + b * rows if rows else 0.0

    def drain_seconds(self, rows: int, max_rows: int) -> float:
        """How long a queue of so many rows takes in batches of at most `max_rows`."""
        full, rest = divmod(rows, max_rows)
        return full * self.seconds(max_rows) + self.seconds(rest)

    def rows_within(self, target_s: float, max_rows: int) -> int:
        """The largest batch that stays within the target; at least 1."""
        a, b = self.coefficients()
        if a + b * max_rows <= target_s:
            return max_rows
        return max(1, min(max_rows, int((target_s - a) / b))) if a < target_s else 1

    def gain(self, rows: int) -> float:
        """How many times quicker a batch of so many rows is than its rows one by one."""
        return rows * self.seconds(1) / self.seconds(rows) if self.seconds(rows) else 1.0
