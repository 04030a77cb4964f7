"""Prepare what the contestants are given: rows to ask for with the right answers, and the model as tutorials fit it.

    python -m bench.prepare_music --rows 512                   # writes build/bench/pool.json and build/bench/genre.joblib
    python -m bench.prepare_music --rows 512 --model forest    # build/bench/forest.json and build/bench/forest.joblib

Runs in the contestants' environment, which has scikit-learn; the benchmark's driver needs the standard library only.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

DATA = Path("examples/music/music.csv")
OUT = Path("build/bench")


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description="Write the pool of rows with the saved model's answers to them.")
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--model", default="genre", choices=["genre", "forest"])
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    model = joblib.load(f"build/{options.model}.joblib")
    records = distinct_rows(list(model.feature_names_in_), options.rows)
    pool = "pool" if options.model == "genre" else options.model
    (OUT / f"{pool}.json").write_text(json.dumps(answered(model, records)))
    save_without_names(model, OUT / f"{options.model}.joblib")


def distinct_rows(features: list[str], count: int) -> pd.DataFrame:
    """Return rows that all differ, spread evenly over the file, so that both genres and all years are in."""
    rows = pd.read_csv(DATA)[features].drop_duplicates()
    return rows.iloc[[i * len(rows) // count for i in range(count)]]


def answered(model: Any, records: pd.DataFrame) -> list[dict[str, Any]]:
    """Return each record with the label and the probabilities that the model itself gives."""
    labels, probabilities = model.predict(records).tolist(), model.predict_proba(records).tolist()
    return [
        {"record": record, "prediction": label, "probabilities": dict(zip(model.classes_, row, strict=True))}
        for record, label, row in zip(records.to_dict(orient="records"), labels, probabilities, strict=True)
    ]


def save_without_names(model: Any, path: Path) -> None:
    """Save the same model as if it had been fitted on arrays, which is what tutorials do.

    Fitted on a DataFrame and asked with a list, scikit-learn prints a warning for every single call; the tutorials'
    servers would be measured writing logs.
    """
    del model.feature_names_in_
    joblib.dump(model, path)


if __name__ == "__main__":
    main()
