"""Train the music model of the examples: from eight audio features to a genre, Rock or Hip-Hop.

    python examples/music/train.py --out build/                   # genre.joblib, a decision tree
    python examples/music/train.py --out build/ --onnx            # and genre.onnx, the same tree
    python examples/music/train.py --out build/ --forest --onnx   # forest.joblib and forest.onnx, 100 trees

It needs scikit-learn and pandas, and skl2onnx for ``--onnx``. The models are fitted on a DataFrame, so the ``.joblib``
files know the names of their features. An ``.onnx`` file knows only that its input ``X`` is eight numbers wide.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

import joblib
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

DATA = Path(__file__).with_name("music.csv")
FEATURES = (
    "acousticness",
    "danceability",
    "energy",
    "instrumentalness",
    "liveness",
    "speechiness",
    "tempo",
    "valence",
)
LABEL = "genre"

Classifier: TypeAlias = DecisionTreeClassifier | RandomForestClassifier


def main() -> None:
    """Train one model, say how good it is on tracks it has not seen, and save it."""
    options = parse_options()
    name = "forest" if options.forest else "genre"
    options.out.mkdir(parents=True, exist_ok=True)

    model = fit(new_classifier(forest=options.forest))
    save_joblib(model, options.out / f"{name}.joblib")
    if options.onnx:
        save_onnx(model, options.out / f"{name}.onnx")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train the music model: eight audio features in, a genre out.")
    parser.add_argument("--out", type=Path, default=Path("build"), help="folder for the files (default: build)")
    parser.add_argument("--onnx", action="store_true", help="also convert the model to ONNX")
    parser.add_argument("--forest", action="store_true", help="train a random forest of 100 trees, not one tree")
    return parser.parse_args()


def new_classifier(*, forest: bool) -> Classifier:
    """Return an unfitted classifier; the fixed seed makes every run give the same model."""
    if forest:
        return RandomForestClassifier(n_estimators=100, random_state=0)
    return DecisionTreeClassifier(max_depth=8, random_state=0)


def fit(model: Classifier) -> Classifier:
    """Fit the model on four fifths of the tracks and print its accuracy on the rest."""
    tracks = pd.read_csv(DATA)
    features, genres = tracks[list(FEATURES)], tracks[LABEL].to_numpy(dtype=object)
    x_train, x_test, y_train, y_test = train_test_split(
        features, genres, test_size=0.2, stratify=genres, random_state=0
    )
    model.fit(x_train, y_train)
    accuracy = model.score(x_test, y_test)
    print(f"{model}: trained on {len(x_train)} tracks, accuracy {accuracy:.3f} on {len(x_test)} held out")
    return model


def save_joblib(model: Classifier, path: Path) -> None:
    """Save the model the way scikit-learn's own guide does."""
    joblib.dump(model, path)
    print(f"wrote {path}")


def save_onnx(model: Classifier, path: Path) -> None:
    """Convert to ONNX: one float32 input named X, and probabilities as a plain tensor (ZipMap off)."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    converted = convert_sklearn(
        model,
        name=path.stem,
        initial_types=[("X", FloatTensorType([None, len(FEATURES)]))],
        options={"zipmap": False},
    )
    path.write_bytes(converted.SerializeToString())
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
