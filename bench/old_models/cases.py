"""What is trained in each release, read from `cases.txt`. Written for Python 3.6, since the oldest releases run there.

Each case is a name, an expression over the names of scikit-learn, and the data it is fitted on where those are not the usual ones
of its group. What a release does not know is absent there.
"""

import os
import re
from typing import Any

PLACE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.txt")


def all_cases() -> Any:
    """Every case as (group and name, data, expression)."""
    found, group, usual = [], "", ""
    with open(PLACE, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("["):
                group, usual = [part.strip() for part in line.strip("[]").split(":")]
            elif line and not line.startswith("#"):
                parts = [part.strip() for part in line.split("|")]
                found.append((group + "/" + parts[0], parts[2] if len(parts) > 2 else usual, parts[1]))
    return found


_VARIED = {
    "random_state": lambda n: n + 3,
    "n_estimators": lambda n: n + 2,
    "max_depth": lambda n: n + 1,
    "max_iter": lambda n: n + 20,
    "n_neighbors": lambda n: n + 1,
    "n_quantiles": lambda n: n + 5,
    "n_knots": lambda n: n + 1,
    "alpha": lambda n: n * 1.7,
    "C": lambda n: n * 0.6,
}  # type: Any


def varied(expression: str) -> str:
    """The same model with other numbers where training alone reads them: seeds, sizes, strengths."""

    def changed(match: Any) -> str:
        name, text = match.group(1), match.group(2)
        return "{}={}".format(name, _VARIED[name](float(text) if "." in text else int(text)))

    return re.sub(r"\b({})=(\d+(?:\.\d+)?)".format("|".join(_VARIED)), changed, expression)
