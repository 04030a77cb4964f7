"""A later start of a proven model, rehearsed in a process of its own that puts imports off, loads it and answers every row.

What neither the load nor any row has touched, later starts put off. `python -m modelport.assembly.rehearsal` is that process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from modelport.config import ServeOptions, from_plain, to_plain
from modelport.kernel.ports import Model
from modelport.kernel.values import Record
from modelport.native.foreign_imports import put_off, still_waiting
from modelport.native.proofs import Proof

LENGTH = 8
"""Bytes of the number that tells how many follow."""

TOUCHED = "touched?"

Predict = Callable[[Sequence[Record]], list[Any]]


class RehearsalFailed(Exception):
    """It ended, or what it was asked raised there."""


def rehearse(
    artifact: Path, options: ServeOptions, proof: Proof, shape: Any, agrees: Callable[[Predict], bool]
) -> tuple[str, ...]:
    """The libraries that later starts may put off; none where a model that does so has another `shape`, or is not found to agree.

    Where a pickle may bring code of its user, nothing is put off: that code has not been seen to do without.
    """
    if options.allow_pickle:
        return ()
    told = {"target": str(artifact), "options": to_plain(options), "proof": msgspec.to_builtins(proof)}
    try:
        with _start() as process:
            asked = _Asked(process)
            try:
                alike = asked.ask(told) == _told(shape) and agrees(asked.ask)
                return tuple(asked.ask(TOUCHED)) if alike else ()
            finally:
                process.kill()
    except (
        OSError,
        RehearsalFailed,
        TypeError,
        ValueError,
    ):  # the last two of what cannot cross: all starts stay like the first
        return ()


def _told(shape: Any) -> str:
    return msgspec.json.encode(shape).decode()


def _start() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "modelport.assembly.rehearsal"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


class _Asked:
    """The process, seen from here."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def ask(self, question: Any) -> Any:
        """Its answer. Raises RehearsalFailed, and OSError where it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        write(self._process.stdin, question)
        try:
            said = read(self._process.stdout)
        except EOFError:
            raise RehearsalFailed("it ended") from None
        if "error" in said:
            raise RehearsalFailed(said["error"])
        return said["answer"]


def write(file: IO[bytes], thing: Any) -> None:
    """One message. Raises TypeError for what is no plain data."""
    message = msgspec.msgpack.encode(thing)
    file.write(len(message).to_bytes(LENGTH, "little") + message)
    file.flush()


def read(file: IO[bytes]) -> Any:
    """The next message. Raises EOFError where there is none."""
    head = file.read(LENGTH)
    if len(head) < LENGTH:
        raise EOFError
    return msgspec.msgpack.decode(file.read(int.from_bytes(head, "little")))


# -- the process -----------------------------------------------------------------------------------------------------


def main() -> int:
    """Load what the first message names; answer lists of records until the other side hangs up."""
    source, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    put_off()
    warnings.simplefilter("ignore")
    stage = _Stage()
    with suppress(EOFError):
        while True:
            question = read(source)
            try:
                write(answers, {"answer": stage.answer(question)})
            except Exception as error:  # of a library: whoever asks takes it for an answer that differs
                write(answers, {"error": f"{type(error).__name__}: {str(error)[:500]}"})
    return 0


class _Stage:
    """The model, once it is loaded."""

    def __init__(self) -> None:
        self._model: Model | None = None

    def answer(self, question: Any) -> Any:
        """To what is to be loaded, its shape; to `TOUCHED`, what nobody has touched; to records, the answers of the model."""
        if question == TOUCHED:
            return still_waiting()
        if isinstance(question, dict):
            from modelport.assembly.proving import shape_of

            self._model = _load(question)
            return _told(shape_of(self._model.signature))
        assert self._model is not None
        return self._model.predict([tuple(record) for record in question])


def _load(told: dict[str, Any]) -> Model:
    """As holders do."""
    from modelport.assembly.proving import load_proven

    proof = msgspec.convert(told["proof"], Proof)
    model, _ = load_proven(Path(told["target"]), from_plain(told["options"]), proof)
    return model


if __name__ == "__main__":
    sys.exit(main())
