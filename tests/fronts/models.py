"""Models that behave on request. The text of their file is the name of a model below, and what that model wants to know.

Files that end in `.fake` are said to be compiled, so that they run on the loop of the HTTP worker; those that end in `.held`
are not, and get a process of their own under our server, a thread under others. They come through the entry point group for
loaders, as those of any other package would.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from modelport.kernel.ports import Cost, Hints, Model
from modelport.kernel.signature import Field, Kind, Output, Signature, Task
from modelport.kernel.values import Record

PAUSE = threading.Event()
"""Never set: waiting on it is waiting for a while."""


class FakeLoader:
    """Reads `.fake` files."""

    extra = "fake"
    compiled = True
    suffix = ".fake"

    def probe(self, path: Path, head: bytes) -> bool:
        """By its suffix."""
        return path.suffix == self.suffix

    def load(self, path: Path, hints: Hints) -> Model:
        """Make the model that the file names; the rest of its text is for the model."""
        name, _, argument = path.read_text(encoding="utf-8").partition(" ")
        model = MODELS[name](argument)
        model.cost = Cost(1, self.compiled, self.compiled)
        return model


class HeldLoader(FakeLoader):
    """Reads `.held` files."""

    compiled = False
    suffix = ".held"


def write_artifact(folder: Path, text: str, held: bool) -> Path:
    """A file that loads as the model that its text names, called like it."""
    path = folder / f"{text.partition(' ')[0]}.{'held' if held else 'fake'}"
    path.write_text(text, encoding="utf-8")
    return path


def install_plugin(folder: Path) -> Path:
    """Write what makes a folder on `sys.path` an installed package that offers the loader."""
    metadata = folder / "modelport_fake-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: modelport-fake\nVersion: 1.0\n")
    loaders = f"fake = {__name__}:FakeLoader\nheld = {__name__}:HeldLoader\n"
    (metadata / "entry_points.txt").write_text(f"[modelport.loaders]\n{loaders}")
    return folder


class Fake:
    """A model from fields and a function of one record."""

    def __init__(
        self,
        fields: Sequence[Field],
        answer: Callable[..., Any],
        outputs: Sequence[Output] = (Output("prediction"),),
        positional: bool = False,
        task: Task = Task.REGRESS,
    ) -> None:
        self.signature = Signature(task, tuple(fields), tuple(outputs), positional)
        self.cost = Cost(bytes=1, compiled=True, releases_gil=True)
        self._answer = answer

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """One answer per record."""
        return [self._answer(*record) for record in records]


# -- what they do --------------------------------------------------------------------------------------------------

TRACK = {"tempo": 120.0, "plays": 3, "live": True, "genre": "Rock", "label": None}
TRACK_FIELDS = (
    Field("tempo", low=40.0, high=220.0),
    Field("plays", Kind.INT, low=0, high=1000),
    Field("live", Kind.BOOL),
    Field("genre", Kind.STRING, categories=("Rock", "Pop", "Hip-Hop"), closed=True),
    Field("label", Kind.STRING, nullable=True, categories=("Blue", "Red")),
)


def _track(tempo: float, plays: int, live: bool, genre: str, label: str | None) -> dict[str, Any]:
    """666 beats per minute are too many; 601 to 603 are answered with what is no number."""
    if tempo == 666:
        raise ValueError(f"cannot play {tempo} in {__file__}")
    if tempo == 667:
        sys.exit(3)
    odd = {601.0: math.nan, 602.0: math.inf, 603.0: -math.inf}
    return {"prediction": odd.get(tempo, tempo + plays)}


def _wait_for(path: str) -> None:
    """Return when the file is there."""
    while not Path(path).exists():
        PAUSE.wait(0.01)


def _slow_to_load(path: str) -> Fake:
    _wait_for(path)
    return Fake(TRACK_FIELDS, _track)


def _gated(path: str) -> Fake:
    """Writes PATH.begun when it is asked, and answers when PATH is there; a tempo of 1 is answered at once."""

    def answer(tempo: float, *rest: object) -> dict[str, Any]:
        if tempo != 1:
            Path(path + ".begun").touch()
            _wait_for(path)
        return {"prediction": tempo}

    return Fake(TRACK_FIELDS, answer)


def _fails_to_load(_: str) -> Fake:
    raise ZeroDivisionError("the file is fine, the model is not")


def _classifier(_: str) -> Fake:
    output = Output("prediction", Kind.STRING, ("Rock", "Pop"), probabilities=True)

    def answer(tempo: float) -> dict[str, Any]:
        share = 1 / (1 + math.exp(-tempo / 1e38))
        return {"prediction": "Rock", "probabilities": {"Rock": share, "Pop": 1 - share}}

    return Fake([Field("tempo", low=40.0, high=220.0)], answer, [output], task=Task.CLASSIFY)


def _tensor(_: str) -> Fake:
    fields = [
        Field("image", Kind.TENSOR, shape=(2, None), dtype="float32"),
        Field("mask", Kind.TENSOR, shape=(3,), dtype="bool", nullable=True),
        Field("words", Kind.TENSOR, shape=(None,), dtype="string"),
    ]
    outputs = [Output("scores", Kind.TENSOR, shape=(2, None), dtype="float32")]
    return Fake(fields, lambda image, mask, words: {"scores": image}, outputs, task=Task.TENSOR)


def _picture(_: str) -> Fake:
    fields = [
        Field("picture", Kind.TENSOR, shape=(None, 2), dtype="float32"),
        Field("n", Kind.TENSOR, shape=(2,), dtype="uint8"),
    ]
    outputs = [Output("label", Kind.TENSOR, shape=(), dtype="int64")]
    return Fake(fields, lambda picture, n: {"label": len(picture)}, outputs, task=Task.TENSOR)


def _vector(_: str) -> Fake:
    """One array in, one out."""
    fields = [Field("x", Kind.TENSOR, shape=(2,), dtype="float32")]
    outputs = [Output("twice", Kind.TENSOR, shape=(2,), dtype="float32")]
    return Fake(fields, lambda x: {"twice": (x * 2).tolist()}, outputs, task=Task.TENSOR)


def _reserved(_: str) -> Fake:
    fields = [Field(name) for name in ("model_name", "class", "self", "def", "schema", "model_config", "__init__")]
    return Fake(fields, lambda *values: {"prediction": sum(values)})


def _odd_names(_: str) -> Fake:
    fields = [
        Field(name, low=0.0, high=1.0) for name in ('say "hi"', "a:b", "new\r\nline", "größe", "温度", "", "a/b~c")
    ]
    return Fake(fields, lambda *values: {"prediction": sum(values)})


def _regressors(_: str) -> Fake:
    fields = [Field("x0", nullable=True), Field("x1", Kind.INT, dtype="uint8")]
    outputs = [Output("y0"), Output("y1", Kind.INT)]
    return Fake(fields, lambda x0, x1: {"prediction": {"y0": x0, "y1": x1}}, outputs)


MODELS: dict[str, Callable[[str], Fake]] = {
    "track": lambda _: Fake(TRACK_FIELDS, _track),
    "slow-to-load": _slow_to_load,
    "gated": _gated,
    "fails-to-load": _fails_to_load,
    "classifier": _classifier,
    "tensor": _tensor,
    "picture": _picture,
    "vector": _vector,
    "reserved": _reserved,
    "odd-names": _odd_names,
    "regressors": _regressors,
    "positional": lambda _: Fake([Field("x0"), Field("x1")], lambda a, b: {"prediction": a + b}, positional=True),
    "counts-wrong": lambda _: Miscounting([Field("x0")], lambda value: {"prediction": value}),
    "unwritable": lambda _: Fake([Field("x0")], lambda value: {"prediction": object() if value == 1 else value}),
}


class Miscounting(Fake):
    """Gives one answer too many."""

    def predict(self, records: Sequence[Record]) -> list[Any]:
        """As told."""
        return [*super().predict(records), {"prediction": 0}]
