"""Workers that died and are to be started again: at once the first time, later and later where none of them comes to work."""

from __future__ import annotations

from dataclasses import dataclass, field

FIRST_SECONDS = 0.1
LAST_SECONDS = 30.0
STEADY_SECONDS = 10.0
"""Of quiet, after which deaths are forgotten: one that is ready for a moment and dies is not well."""


@dataclass(slots=True)
class Restarts:
    """Told the time; starts nothing itself. A worker is known by its place on the board."""

    planned: list[tuple[float, int]] = field(default_factory=list)  # when, and which
    deaths: int = 0
    quiet_since: float = 0.0

    def plan(self, slot: int, now: float, was_well: bool = False) -> float:
        """A worker died, or could not be started. In how many seconds another is to be."""
        self.deaths, self.quiet_since = 1 if was_well else self.deaths + 1, now
        wait_s = min(LAST_SECONDS, FIRST_SECONDS * 2.0 ** (self.deaths - 1))
        self.planned.append((now + wait_s, slot))
        return wait_s

    def take_due(self, now: float) -> list[int]:
        """Those whose time has come."""
        due = [slot for moment, slot in self.planned if moment <= now]
        self.planned = [(moment, slot) for moment, slot in self.planned if moment > now]
        return due

    def cancel(self, slot: int) -> None:
        """Another serves in its place."""
        self.planned = [(moment, planned) for moment, planned in self.planned if planned != slot]

    def watch(self, now: float, all_ready: bool) -> None:
        """Forget the deaths once everybody has been well for long."""
        if all_ready and not self.planned and now - self.quiet_since > STEADY_SECONDS:
            self.deaths = 0
