"""What a supervisor is to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modelport.runtime.forms import Form


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `worker` and `holder` are command lines; a child's slot and channel are appended to them."""

    worker: Callable[[str], list[str]]
    """From the place of the holders' sockets to the command of an HTTP worker."""
    holder: Callable[[str | None, Form | None], list[str]]
    """From a model's name, or None for a process that first reads which models there are, and its form, to its command."""
    compiler: list[str]
    workers: int
    catalog: bool
    """Whether the models are declared in Python, so that a holder must say which they are."""
    max_models: int
    cores: int = 1
    """What the models' processes share for their numeric libraries."""
    standby: bool = True
    require_compiled: bool = False
    patient: bool = False
    """Whether to wait for the form however long that takes: the original is no way out."""
    stop_s: float = 25.0
    """From the order to stop until everything has ended, or is killed."""
