"""The inline executor: the batch runs on the event loop itself. For compiled models whose batch takes under a millisecond."""

from __future__ import annotations

from collections.abc import Sequence

from modelport.kernel.isolate import Run, run_isolated
from modelport.kernel.ports import Done
from modelport.kernel.values import Record


class InlineExecutor:
    """Runs at once and calls back at once."""

    kind = "inline"
    slots = 1

    def __init__(self, run: Run) -> None:
        self._run = run

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Run the batch here and now."""
        done(run_isolated(self._run, records))

    def close(self) -> None:
        """Nothing to release."""
