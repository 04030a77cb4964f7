"""The protocols between the kernel and its doors: three methods at most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from modelport.kernel.profile import Column
from modelport.kernel.signature import Field, Signature
from modelport.kernel.values import Failure, Record


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user said about a model beyond its file.

    `classes` are names for the classes of a model that knows them by number, in that order.
    `columns` are the profiles of the training sample by name, in file order; `corrections` are the tables of the TOML file
    beside the model, by field name. `allow_pickle` says that the file may run code when it is loaded. `helpers` are
    the files in which other pieces of the model lie, its scaler say; `code` the names of
    modules that it may take classes and functions from, since the user trusts their source. `known` are
    the inputs as they were settled before, with data that is not here any more.
    """

    features: tuple[str, ...] = ()
    target: str | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    corrections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    classes: tuple[Any, ...] = ()
    allow_pickle: bool = False
    helpers: tuple[Path, ...] = ()
    code: frozenset[str] = frozenset()
    known: tuple[Field, ...] = ()
    named_by: str = "--features"
    """Who says `features`: for reasons and messages."""
    read: Callable[[Path], Any] | None = None
    """What reads pickles in place of our own reader: a process in which the version that saved them is installed."""
    other_version: str = ""
    """What to tell of a model that another version saved, where it may be served; without it such a model is refused."""
    repairs: Callable[[Path], Repairs | None] | None = None
    """What brings each file of the model into the form of the installed libraries; None where it is to be read as it is."""
    cache_dir: Path | None = None
    """Where what is made of a model is kept; the user's cache where it is not said."""


class Model(Protocol):
    """A loaded model: takes records in the signature's order, answers one plain object per record."""

    @property
    def signature(self) -> Signature:
        """Its inputs and outputs."""

    @property
    def cost(self) -> Cost:
        """What placement needs to know of it."""

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """Answer every record, in order. Raises whatever the library raises."""


class Repairs(Protocol):
    """Brings what an older release saved into the form of the installed one, while it is read."""

    def find(self, module: str, name: str) -> tuple[str, str] | Any:
        """What stands for a global that the file names: where it is now; or a class, a function that is called, or a value."""

    def mend(self, thing: Any, state: Any) -> Any:
        """The state that an object gets, for the one that the file holds. May give the object a class that keeps
        how the old release answered."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What decides where a model runs: memory, whether it is compiled code, whether it lets other threads run, and whether it reads
    text, of which a record may hold any amount."""

    bytes: int
    compiled: bool
    releases_gil: bool
    reads_text: bool = False


class Loader(Protocol):
    """Reads one family of artifacts. Found by `modelport.loaders` entry points and the table in `assembly`."""

    extra: str
    compiled: bool
    """Whether its models run as compiled code without the GIL, so that small ones may run on the loop."""

    def probe(self, path: Path, head: bytes) -> bool:
        """Whether this file is one of its kind, judged by name and first bytes; imports nothing heavy."""

    def load(self, path: Path, hints: Hints) -> Model:
        """Read it. Raises ArtifactError, MissingExtra or SignatureError with what to do."""


Outcome = bytes | Failure
"""What became of one record: its encoded answer, or why there is none."""

Done = Callable[[list[Outcome]], None]
"""Called once, on the event loop, with one outcome per record, in order."""


class Executor(Protocol):
    """Where batches run: at most `slots` at once."""

    kind: str
    slots: int

    def submit(self, records: Sequence[Record], done: Done) -> None:
        """Run the batch and call `done`; never raises, never blocks."""

    def close(self) -> None:
        """Stop taking work and release threads."""
