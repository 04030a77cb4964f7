"""Free text as counts of its terms, exactly as scikit-learn's vectorizers count them, and without scikit-learn."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Tokens = Callable[[str], Sequence[str]]

REMEMBERED_HASHES = 50_000
"""Terms whose hash is kept: a hash in Python costs more than all the rest of a word."""

_SPACES = re.compile(r"\s\s+")
_MASK = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class TextReader:
    """What a vectorizer does to the text in one field. `terms` are its vocabulary by column; without one, terms are hashed.

    `signed`: half of the hashed terms count downwards.
    """

    field: int
    width: int
    analyzer: str
    ngrams: tuple[int, int]
    pattern: str = ""
    lowercase: bool = True
    accents: str = ""
    stop_words: tuple[str, ...] = ()
    binary: bool = False
    terms: tuple[str, ...] | None = None
    signed: bool = False

    def counter(self) -> Callable[[Sequence[Any]], Array]:
        """The function from texts to a row of counts for each. It raises ValueError for what is no text, as the original does."""
        tokens = _analyzer(self)
        place = self._hashed() if self.terms is None else {term: (i, 1.0) for i, term in enumerate(self.terms)}.get

        def count(texts: Sequence[Any]) -> Array:
            counts = np.zeros((len(texts), self.width))
            for row, text in zip(counts, texts, strict=True):
                if not isinstance(text, str):
                    raise ValueError(f"expected text, got {type(text).__name__}")
                for token in tokens(text):
                    found = place(token)
                    if found is not None:
                        row[found[0]] += found[1]
            return (counts != 0.0).astype(np.float64) if self.binary else counts

        return count

    def _hashed(self) -> Callable[[str], tuple[int, float]]:
        width, signed = self.width, self.signed

        @lru_cache(REMEMBERED_HASHES)
        def place(token: str) -> tuple[int, float]:
            number = murmur3(token.encode())
            return abs(number) % width, -1.0 if signed and number < 0 else 1.0

        return place


# -- from a text to its terms --------------------------------------------------------------------------------------


def _analyzer(reader: TextReader) -> Tokens:
    prepare = _preparation(reader.lowercase, reader.accents)
    low, high = reader.ngrams
    if reader.analyzer == "char":
        return lambda text: list(_slices(_SPACES.sub(" ", prepare(text)), low, high))
    if reader.analyzer == "char_wb":
        return lambda text: list(_within_words(_SPACES.sub(" ", prepare(text)), low, high))
    find, stop = re.compile(reader.pattern).findall, frozenset(reader.stop_words)

    def words(text: str) -> Sequence[str]:
        found: list[str] = find(prepare(text))
        kept = [w for w in found if w not in stop] if stop else found
        return kept if high == 1 else [" ".join(gram) for gram in _slices(kept, low, high)]

    return words


def _preparation(lowercase: bool, accents: str) -> Callable[[str], str]:
    strips: dict[str, Callable[[str], str]] = {"": str, "ascii": _to_ascii, "unicode": _without_marks}
    strip = strips[accents]
    return (lambda text: strip(text.lower())) if lowercase else strip


def _to_ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def _without_marks(text: str) -> str:
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _slices(items: Any, low: int, high: int) -> Iterator[Any]:
    for n in range(low, min(high, len(items)) + 1):
        for i in range(len(items) - n + 1):
            yield items[i : i + n]


def _within_words(text: str, low: int, high: int) -> Iterator[str]:
    """A word shorter than the slices counts once, with the spaces around it."""
    for word in text.split():
        padded = f" {word} "
        for n in range(low, high + 1):
            yield from (padded[i : i + n] for i in range(max(1, len(padded) - n + 1)))
            if n >= len(padded):
                break


def murmur3(data: bytes) -> int:
    """MurmurHash3 of 32 bits with the seed 0, as a signed number (Austin Appleby, in the public domain)."""
    number = 0
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        number ^= _mixed(int.from_bytes(data[i : i + 4], "little"))
        number = (((number << 13 | number >> 19) & _MASK) * 5 + 0xE6546B64) & _MASK
    number ^= _mixed(int.from_bytes(data[whole:], "little")) ^ len(data)
    number = ((number ^ number >> 16) * 0x85EBCA6B) & _MASK
    number = ((number ^ number >> 13) * 0xC2B2AE35) & _MASK
    number ^= number >> 16
    return number - (1 << 32) if number >> 31 else number


def _mixed(block: int) -> int:
    block = (block * 0xCC9E2D51) & _MASK
    return ((block << 15 | block >> 17) & _MASK) * 0x1B873593 & _MASK


# -- texts to check ------------------------------------------------------------------------------------------------

ODD_TEXTS = (
    *(
        "",
        " ",
        "\n\t ",
        ".",
        "a",
        "I",
        "naïve café",
        "nai\u0308ve cafe\u0301",
        "ŒUVRE ﬁn ß İstanbul",
        "日本語 テキスト",
        "🦊🦊 🦊",
    ),
    *(
        "don't stop-me_now",
        "x" * 3000,
        "one two " * 300,
        "a\u0000b",
        "A  B\u00a0C\u2003D",
        "3.14 1e5 0x1F",
        "ΑΣ ας",
        "e-mail: a.b@c.de",
    ),
)
SEPARATORS = (" ", " ", " ", "  ", ", ", "\n", "-", "_", "")


def draw_texts(rng: Any, known: Sequence[str], terms: Sequence[str], count: int) -> list[str]:
    """Texts that were seen, some cut or in capitals; the vocabulary in any order, some with accents; and odd ones."""
    words = list(terms) or [w for text in known[:200] for w in text.split()[:50]] or ["some", "words", "Of", "text"]
    return [_drawn(rng, known, words, k) for k in range(count)]


def _drawn(rng: Any, known: Sequence[str], words: Sequence[str], k: int) -> str:
    if k % 11 == 0:
        return ODD_TEXTS[k // 11 % len(ODD_TEXTS)]
    if known and k % 3 == 0:
        text = known[int(rng.integers(len(known)))]
        return (text, text.upper(), text[int(rng.integers(len(text) + 1)) :])[k // 3 % 3]
    chosen = [words[i] for i in rng.integers(0, len(words), int(rng.integers(0, 13)))]
    if k % 13 == 5:  # an accent that is written apart: which of them are left out has changed
        chosen = [f"{word[:1]}\u0301{word[1:]}" for word in chosen]
    separator = SEPARATORS[int(rng.integers(len(SEPARATORS)))]
    return separator.join(w.title() if rng.random() < 0.1 else w for w in chosen)
