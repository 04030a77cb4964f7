"""Every error Modelport raises, as one tree. It knows no HTTP; `fronts/status.py` maps classes to status codes.

ModelportError
├── SetupError                 the person who starts the service can mend it: one line, exit code 2
│   ├── ConfigError            an option is unknown, ill-typed or out of range
│   ├── ArtifactError          a file is missing, unreadable or cannot be served
│   │   ├── MissingExtra       the library that reads this artifact is not installed
│   │   ├── UnprovenVersion    another version saved the model, and nothing shows that it answers alike here
│   │   └── UntrustedPickle    a pickle names or does something that is not on the allow-list
│   ├── NotCompiledError       a model has no compiled form that is proven equal
│   └── SignatureError         the inputs of the model cannot be told without help
└── CallError                  one call failed; the service goes on
    ├── InvalidInput           the caller's data does not fit the signature: a list of problems
    │   ├── MalformedBody      the body is not what its media type says
    │   ├── UnsupportedMedia   the media type is not one we read
    │   ├── NotAcceptable      the answer has no form in the media types that the caller accepts
    │   └── BodyTooLarge       more bytes than `max_body`
    ├── NotReady               the model is still loading, or failed to load
    ├── Overloaded             the queue is full, or too long for the caller's deadline
    ├── DeadlineExceeded       the caller's time was up before the answer was there
    ├── HolderLost             the process that ran the model ended under the call
    ├── CallCycle              a model called itself, directly or through others
    └── ModelFailed            the model raised on this record
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Loc = tuple[str | int, ...]
"""Where in a request something is: `("body", 3, "tempo")`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a request, in the shape FastAPI made familiar, plus a hint that a beginner can act on."""

    loc: Loc
    message: str
    type: str
    input: Any = None
    hint: str = ""


class ModelportError(Exception):
    """The root of everything Modelport raises on purpose."""


class SetupError(ModelportError):
    """The service cannot start as asked; the message says why and what to do, in one line."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message alone, which says what to do."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(SetupError):
    """An option is unknown, has the wrong type or is out of range."""


class ArtifactError(SetupError):
    """A model or data file is missing, unreadable, or of a kind that cannot be served."""


class MissingExtra(ArtifactError):
    """The library that reads this artifact is not installed; the message holds the command that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional extra: run  pip install 'modelport[{extra}]'")
        self.extra = extra


_RELEASE = re.compile(r"\d{1,4}(\.\d{1,4}){1,3}(rc\d{1,2}|\.post\d{1,2})?", re.ASCII)


class UnprovenVersion(ArtifactError):
    """Another version saved the model, and nothing shows that it answers alike here; `differs` says what is known of that.

    `library`: whose version it is; `requirement`: what pip installs to have that one.
    """

    def __init__(
        self,
        what: str,
        stored: str,
        installed: str,
        differs: str,
        was_tried: bool = False,
        library: str = "scikit-learn",
        requirement: str = "",
    ) -> None:
        known = _RELEASE.fullmatch(stored) is not None  # whatever else a file says belongs in no command
        needed = requirement or (f"{library}=={stored}" if known else "the version that it was trained with")
        rescue = f"Run  modelport rescue {what}  which holds it against the version that saved it, or install"
        told = stored[:40] or "of a version that it does not name"
        end = f"{'Install' if was_tried else rescue} {needed}"
        message = f"{what} was saved by {library} {told}, here is {installed}, and {differs}. {end}"
        visible = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message)
        super().__init__(f"{visible}; who has compared the answers adds --trust-version")
        self.stored = stored
        self.installed = installed
        self.differs = differs
        self.library = library
        self.requirement = requirement

    def about(self, what: str) -> UnprovenVersion:
        """The same of another name for the model: the folder that it lies in, say."""
        return UnprovenVersion(
            what, self.stored, self.installed, self.differs, library=self.library, requirement=self.requirement
        )


class UntrustedPickle(ArtifactError):
    """A pickle names or does something that is not on the allow-list; nothing of it was imported or run."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class NotCompiledError(SetupError):
    """A model has no compiled form that is proven equal; the message names the part or the row that is the reason."""


class SignatureError(SetupError):
    """The inputs of the model cannot be told from the artifact and the data alone."""


class CallError(ModelportError):
    """One call could not be answered. `code` is stable and machine-readable.

    `model`: which one was called, where code of the service has called it. `problems`: everything that was wrong, with its place.
    """

    code = "call_error"
    model = ""
    problems: Sequence[Problem] = ()

    def __str__(self) -> str:
        """What happened, beginning with the model that was called."""
        text = super().__str__()
        return f"model {self.model!r}: {text}" if self.model else text


class InvalidInput(CallError):
    """The data does not fit the signature. `problems` lists every fault, not only the first."""

    code = "invalid_input"

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class MalformedBody(InvalidInput):
    """The body could not be parsed at all."""

    code = "malformed_body"


class UnsupportedMedia(InvalidInput):
    """The media type of the body is not one that this endpoint reads."""

    code = "unsupported_media_type"


class NotAcceptable(InvalidInput):
    """The answer cannot be written in any media type that the caller accepts."""

    code = "not_acceptable"


class BodyTooLarge(InvalidInput):
    """The body has more bytes than the service accepts."""

    code = "body_too_large"


class NotReady(CallError):
    """The model cannot answer yet (`loading`) or at all (`failed`)."""

    code = "not_ready"


class Overloaded(CallError):
    """The bounded queue in front of the model is full."""

    code = "overloaded"


class DeadlineExceeded(CallError):
    """The deadline of the call passed before its answer was there."""

    code = "deadline_exceeded"


class HolderLost(CallError):
    """The process that ran the model ended under the call; what its code had done already is not known."""

    code = "holder_lost"


class CallCycle(CallError):
    """A model called itself, directly or through others: it would wait for itself."""

    code = "call_cycle"


class ModelFailed(CallError):
    """The model raised while it worked on this record. The message names no internals.

    `answers`: of a batch, one for each record; where a record failed, a ModelFailed of its own.
    """

    code = "model_failed"
    answers: Sequence[Any] = ()
