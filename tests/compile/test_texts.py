"""Free text: terms are counted as scikit-learn counts them, and models that read text are compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelport.compilation.columns import Columns, FreeText
from modelport.compilation.compiler import NotCompiled, compile_model
from modelport.compilation.converters.registry import transform
from modelport.compilation.graph import Graph
from modelport.compilation.texts import ODD_TEXTS, draw_texts
from tests.compile.originals import SMALL, compiled, original, people, to_records

TEXTS = [
    "The quick brown fox, naïve as ever, jumps over the lazy dog",
    "Never jump over Übermut's lazy dog quickly",
    "Bright foxes leap over sleeping dogs in SUMMER 2024",
    "Stocks fell sharply on Monday-morning, 3.5 per cent",
    "Markets rose as traders bought shares shares shares",
    "The bank raised its rates; we don't know why",
] * 10
TOPICS = (["animals"] * 3 + ["money"] * 3) * 10

VECTORIZERS = {
    "counts": CountVectorizer(),
    "counts of pairs, as they are written": CountVectorizer(ngram_range=(1, 2), lowercase=False, token_pattern=r"\S+"),
    "one group of the pattern": CountVectorizer(token_pattern=r"(\w)\w+"),
    "whether they are there": CountVectorizer(binary=True, stop_words="english", strip_accents="unicode"),
    "letters": CountVectorizer(analyzer="char", ngram_range=(2, 3), strip_accents="ascii"),
    "letters of words": CountVectorizer(analyzer="char_wb", ngram_range=(3, 5)),
    "hashes": HashingVectorizer(n_features=64),
    "unsigned hashes of pairs": HashingVectorizer(n_features=100, alternate_sign=False, ngram_range=(2, 2), norm=None),
    "rarity": TfidfVectorizer(),
    "rarity, dampened": TfidfVectorizer(sublinear_tf=True, norm="l1", smooth_idf=False),
}


@pytest.mark.parametrize("name", VECTORIZERS)
def test_every_cell_is_the_vectorizers_own(name: str) -> None:
    vectorizer = VECTORIZERS[name].fit(TEXTS)
    texts = [*ODD_TEXTS, *draw_texts(np.random.default_rng(0), TEXTS, (), 300)]
    wanted = vectorizer.transform(texts).toarray()
    assert np.abs(wanted).sum() > 100
    graph = Graph(1)
    made = transform(vectorizer, Columns(graph.input.columns([0]), 1, None, (FreeText(0),)))
    (reader,) = graph.texts
    got = _run(graph.finish({"cells": made.tensor}), reader.counter()(texts))
    assert np.array_equal(got, wanted) or np.abs(got - wanted).max() < 1e-15


def _run(model: bytes, counts: Any) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"records": np.hstack([np.zeros((len(counts), 1)), counts])})[0]


MODELS = {
    "linear": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "bayes of counts": lambda: make_pipeline(CountVectorizer(), MultinomialNB()),
    "words and letters": lambda: make_pipeline(
        make_union(TfidfVectorizer(), CountVectorizer(analyzer="char_wb", ngram_range=(2, 3))),
        SGDClassifier(loss="log_loss", random_state=0),
    ),
    "forest": lambda: make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), RandomForestClassifier(9, random_state=0)),
    "hashes": lambda: make_pipeline(HashingVectorizer(n_features=256), LogisticRegression()),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_of_text_are_compiled(name: str, tmp_path: Path) -> None:
    sample = np.array(TEXTS, dtype=object).reshape(-1, 1)
    made = compiled(MODELS[name]().fit(TEXTS, TOPICS), tmp_path, sample)
    assert made.report.kinds["categories"] >= len(ODD_TEXTS)
    assert made.cost.reads_text


def test_text_beside_numbers_and_categories(tmp_path: Path) -> None:
    table = people().assign(said=[TEXTS[i % 6] for i in range(200)])
    columns = ColumnTransformer(
        [
            ("n", StandardScaler(), ["age"]),
            ("c", OneHotEncoder(handle_unknown="ignore"), ["city"]),
            ("t", TfidfVectorizer(), "said"),
        ]
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, table["age"] > 40)
    made = compiled(model, tmp_path, table)
    made.save(tmp_path / "kept")
    from modelport.compilation.compiled import open_compiled

    records = to_records(table.head(9)) or []
    assert open_compiled(tmp_path / "kept").predict(records) == made.predict(records)


def test_more_records_than_fit_into_a_matrix_are_answered_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelport.compilation.compiled.MOST_CELLS", 500)
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, TOPICS)
    made = compiled(model, tmp_path)
    assert [a["prediction"] for a in made.predict([(t,) for t in TEXTS])] == TOPICS


REFUSED = {
    "tokenizer of its own": (CountVectorizer(tokenizer=str.split, token_pattern=None), "has a tokenizer of its own"),
    "a million columns": (HashingVectorizer(), "1,048,576 terms"),
    "narrow numbers": (TfidfVectorizer(dtype=np.float32), "computes in float32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_compiled_says_why(name: str, tmp_path: Path) -> None:
    vectorizer, why = REFUSED[name]
    model = make_pipeline(vectorizer, SGDClassifier(max_iter=5, tol=None, random_state=0)).fit(TEXTS, TOPICS)
    made = compile_model(
        original(model, tmp_path, allow_pickle=True),
        None,
        SMALL,
    )
    assert isinstance(made, NotCompiled)
    assert why in made.reason
