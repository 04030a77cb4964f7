"""Small real data for the zoo, out of what scikit-learn brings along: some rows to fit on, and 200 others to ask for."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

FITTED_ROWS, HELD_OUT_ROWS = 150, 200
DESCRIBED = ("load_breast_cancer", "load_diabetes", "load_digits", "load_iris", "load_linnerud", "load_wine")


class Data(NamedTuple):
    """Inputs and targets to fit on, and inputs that fitting does not see."""

    inputs: Any
    targets: Any
    held_out: Any


def split(inputs: Any, targets: Any) -> Data:
    """Shuffled, the same way each time."""
    order = np.random.default_rng(0).permutation(len(inputs))
    fit, rest = order[:FITTED_ROWS], order[FITTED_ROWS : FITTED_ROWS + HELD_OUT_ROWS]
    if isinstance(inputs, list):
        return Data([inputs[i] for i in fit], [targets[i] for i in fit], [inputs[i] for i in rest])
    return Data(inputs[fit], targets[fit], inputs[rest])


def tumours() -> tuple[Any, Any]:
    """Four measures of 569 tumours, and how large the worst of their cells are: one of three classes of equal size."""
    from sklearn.datasets import load_breast_cancer

    cells = load_breast_cancer()
    columns = [list(cells.feature_names).index(f"mean {n}") for n in ("radius", "texture", "smoothness", "symmetry")]
    area = cells.data[:, list(cells.feature_names).index("worst area")]
    percent = np.array([1, 1, 100, 100])  # as it is, the variance of the last two is as good as zero to some
    return cells.data[:, columns] * percent, np.digitize(area, np.quantile(area, [1 / 3, 2 / 3]))


def coarse(inputs: Any) -> Any:
    """Each column as one of four whole numbers."""
    return np.column_stack([np.digitize(c, np.quantile(c, [0.25, 0.5, 0.75])) for c in inputs.T]).astype(float)


def progress() -> tuple[Any, Any]:
    """Ten measures of 442 diabetics, and how their illness went on."""
    from sklearn.datasets import load_diabetes

    inputs, values = load_diabetes(return_X_y=True)
    return inputs, values


def descriptions() -> tuple[list[str], list[str]]:
    """The lines that describe each data set, and which one they describe."""
    from sklearn import datasets

    lines, topics = [], []
    for loader in DESCRIBED:
        for line in getattr(datasets, loader)().DESCR.splitlines():
            if len(line.split()) >= 4:
                lines.append(line.strip())
                topics.append(loader.removeprefix("load_"))
    return lines, topics


def tagged(inputs: Any) -> list[dict[str, Any]]:
    """Tumours as loose objects: two numbers, and a word for the third measure."""
    words = np.array(["low", "middling", "high", "very high"])[coarse(inputs)[:, 3].astype(int)]
    return [
        {"radius": row[0], "texture": row[1], "symmetry": str(word)}
        for row, word in zip(inputs.tolist(), words, strict=True)
    ]
