"""What a supervisor is to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from modelport.runtime.forms import Form, Source


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `worker` and `holder` are command lines; a child's slot and channel are appended to them."""

    worker: Callable[[str], list[str]]
    """From the place of the holders' sockets to the command of an HTTP worker."""
    holder: Callable[[str | None, Source | None, Form | None], list[str]]
    """From a model's name, or None for a process that first reads which models there are, to its command; with what is known of a
    saved model, and its form."""
    compiler: Callable[[Source], list[str]]
    workers: int
    catalog: bool
    """Whether the models are declared in a Python file, so that a holder must say which they are."""
    max_models: int
    cores: int = 1
    """What the models' processes share for their numeric libraries."""
    standby: bool = True
    saved: Mapping[str, Source] = field(default_factory=dict)
    """The models, where they are known from the start."""
    remembered: Mapping[str, Form] = field(default_factory=dict)
    """Those of them of which it is known from the last start which form serves."""
    stop_s: float = 25.0
    """From the order to stop until everything has ended, or is killed."""
    reload: bool = False
    """Whether to watch the files, and to read anew what an edit concerns."""
