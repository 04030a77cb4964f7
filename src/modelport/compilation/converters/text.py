"""Vectorizers of free text: their terms are counted beside the graph, and weighed in it."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelport.compilation.columns import Columns, FreeText
from modelport.compilation.converters.prepare import normalized
from modelport.compilation.converters.project import term_weights
from modelport.compilation.converters.registry import name_of, transformer
from modelport.compilation.graph import NotConvertible
from modelport.compilation.texts import TextReader

MOST_TERMS = 100_000
"""A record is a full row of them, so beyond this a sparse matrix is faster."""


@transformer("CountVectorizer")
def counted(estimator: Any, inputs: Columns) -> Columns:
    """A column for each term."""
    vocabulary = estimator.vocabulary_
    terms = tuple(sorted(vocabulary, key=vocabulary.__getitem__))
    return _read(estimator, inputs, len(terms), terms=terms)


@transformer("TfidfVectorizer")
def weighed_terms(estimator: Any, inputs: Columns) -> Columns:
    """Counts by the rarity of their terms."""
    if np.dtype(estimator.dtype) != np.float64:
        raise NotConvertible(name_of(estimator), f"computes in {np.dtype(estimator.dtype)}")
    return term_weights(estimator._tfidf, counted(estimator, inputs))


@transformer("HashingVectorizer")
def hashed(estimator: Any, inputs: Columns) -> Columns:
    """A column for each remainder of a hash."""
    if np.dtype(estimator.dtype) != np.float64:
        raise NotConvertible(name_of(estimator), f"computes in {np.dtype(estimator.dtype)}")
    made = _read(estimator, inputs, int(estimator.n_features), signed=bool(estimator.alternate_sign))
    return normalized(estimator, made) if estimator.norm else made


def _read(estimator: Any, inputs: Columns, width: int, **said: Any) -> Columns:
    name = name_of(estimator)
    text = inputs.tables[0] if inputs.tables and inputs.width == 1 else None
    if not isinstance(text, FreeText):
        raise NotConvertible(name, "reads something else than one field of text")
    if width > MOST_TERMS:
        raise NotConvertible(name, f"has {width:,} terms, which a sparse matrix does faster (at most {MOST_TERMS:,})")
    _refuse_own_code(estimator, name)
    reader = TextReader(
        text.field,
        width,
        estimator.analyzer,
        tuple(map(int, estimator.ngram_range)),  # type: ignore[arg-type]
        estimator.token_pattern or "",
        bool(estimator.lowercase),
        estimator.strip_accents or "",
        tuple(sorted(estimator.get_stop_words() or ())) if estimator.analyzer == "word" else (),
        bool(estimator.binary),
        **said,
    )
    return inputs.now(inputs.tensor.graph.read_text(reader), width)


def _refuse_own_code(estimator: Any, name: str) -> None:
    for attribute in ("preprocessor", "tokenizer"):
        if getattr(estimator, attribute) is not None:
            raise NotConvertible(name, f"has a {attribute} of its own, of which we do not know what it does")
    if callable(estimator.analyzer) or callable(estimator.strip_accents):
        raise NotConvertible(name, "has an analyzer of its own, of which we do not know what it does")
    if estimator.input != "content":
        raise NotConvertible(name, f"reads its texts from a {estimator.input}")
