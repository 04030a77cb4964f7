"""What was shown of a model that another version saved: which way of serving it answers as that version did."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from modelport.errors import ArtifactError
from modelport.kernel.signature import Field
from modelport.native.ownership import refuse_others
from modelport.native.versions import Need

FOLDER = "proofs"
AS_IT_IS, REPAIRED, COMPILED, NATIVE = "as it is", "repaired", "compiled", "native"
"""The ways, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How a model answers as the version that saved it: `rows` were answered there, and so here. `refused` more are refused there,
    and so here; `refusal` is the first of them: what kind of row it is, and what the original says.

    `way` is one of the four above, `others` says why those before it are not taken. `environment` are the versions of the native
    environment, `digest` that of its files, `requirements` and `pythons` what it was built of; `inputs` are
    those that it told of, since old releases store none.
    """

    way: str
    stored: str
    installed: str
    rows: int = 0
    refused: int = 0
    refusal: str = ""
    others: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    requirements: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ()
    inputs: tuple[Field, ...] = ()
    late: bool = False
    """Of a native way: every row was asked with some libraries imported when they are used, and answered so, too."""
    untouched: tuple[str, ...] = ()
    """Of a model that is loaded here and has no compiled form: libraries without which it was loaded and every row was answered,
    the same; later starts import them when they are used."""
    by_table: bool = False
    """No row of this model was asked: models of its kind were, when the table was written that ships with the package."""
    beside: str = ""
    """The boosters that it holds, with the versions that answered there: xgboost 1.7.6, say."""

    @property
    def need(self) -> Need:
        """The native environment."""
        return Need(self.requirements, self.pythons)

    def __str__(self) -> str:
        there = saved_with(self.stored, self.beside)
        if self.way == NATIVE:
            python = self.environment.get("python", "")
            return f"answers come from {there} itself, in Python {python} (the native environment)"
        refused = f", and refuses the {self.refused:,} that are refused there" if self.refused else ""
        repaired = f"repaired ({', '.join(self.repairs)})" if self.repairs else "repaired where it needs it"
        how = {AS_IT_IS: "loaded as it is", COMPILED: "compiled"}.get(self.way, repaired)
        if self.by_table:
            return (
                f"{how}, it answers as {there} does, by the table of models that were compared; no row of this one was"
            )
        return f"{how}, it answers {self.rows:,} of {self.rows:,} checked rows as {there} does{refused}"


def saved_with(stored: str, beside: str) -> str:
    """What saved a model: scikit-learn, and the boosters `beside` it."""
    return f"scikit-learn {stored} with {beside}" if beside else f"scikit-learn {stored}"


def read_proof(plain: Mapping[str, Any]) -> Proof:
    """One that a bundle holds. Raises msgspec.ValidationError for what is none."""
    return msgspec.convert(plain, Proof)


class Proofs:
    """Proofs by the digest of everything that decides about them, in a folder of the cache."""

    def __init__(self, cache: Path) -> None:
        self.folder = cache / FOLDER

    def key(self, parts: Iterable[str]) -> str:
        """Of a model, of what was said about it, and of what would answer for it here."""
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def place(self, key: str) -> Path:
        """The file of a proof."""
        return self.folder / f"{key}.json"

    def find(self, key: str) -> Proof | None:
        """A proof that was kept. Raises ArtifactError where others than this user may have put it there."""
        path = self.place(key)
        try:
            proof = msgspec.json.decode(path.read_bytes(), type=Proof)
        except (OSError, msgspec.DecodeError):
            return None
        refuse_others(self.folder)
        with suppress(OSError):
            os.utime(path)
        return proof

    def keep(self, key: str, proof: Proof) -> None:
        """Whole or not at all. Raises ArtifactError where the folder cannot be written."""
        draft = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, draft = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(proof), indent=1))
            os.replace(draft, self.place(key))
        except OSError as error:
            with suppress(OSError):
                os.unlink(draft)
            raise ArtifactError(
                f"what was proven cannot be kept in {self.folder}: {error.strerror or error}; say --cache-dir FOLDER, or make "
                "room with  modelport cache remove"
            ) from None
