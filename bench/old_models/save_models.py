"""Train every case in the release that is installed, save it twice, and write down what it answers. For Python 3.6 and newer.

    python -m bench.old_models.save_models FOLDER [--varied] [WORDS OF NAMES …]

Writes NAME.pkl and NAME.joblib, NAME.json.gz with rows and answers, and index.json with what became of each. `--varied`: other
seeds, sizes and strengths, trained on four fifths of the rows.
"""

import gzip
import json
import os
import pickle
import platform
import sys
import time
import warnings
from typing import Any

from bench.old_models.asked import answers_of, packed_rows, rows_for
from bench.old_models.cases import all_cases, varied
from bench.old_models.subjects import data_of, names, thinned

LIBRARIES = ("numpy", "scipy", "joblib", "pandas")


def main() -> int:
    """Every case, or those whose names hold one of the words."""
    warnings.simplefilter("ignore")
    folder, words = sys.argv[1], [word for word in sys.argv[2:] if word != "--varied"]
    vary = "--varied" in sys.argv
    os.makedirs(folder, exist_ok=True)
    known, outcomes = names(), {}
    for name, data, expression in all_cases():
        if not words or any(word in name for word in words):
            began = time.time()
            outcomes[name] = save(folder, name, (data, varied(expression) if vary else expression), known, vary)
            if time.time() - began > 5:
                print("slow: {} {:.1f} s".format(name, time.time() - began), flush=True)
    about = {"versions": versions(), "outcomes": outcomes}
    with open(os.path.join(folder, "index.json"), "w") as file:
        json.dump(about, file, indent=1, sort_keys=True)
    print(sum(value == "saved" for value in outcomes.values()), "of", len(outcomes), "saved", flush=True)
    return 0


def save(folder: str, name: str, case: Any, known: Any, vary: bool = False) -> str:
    """Train, ask and save one; what became of it."""
    try:
        data, expression = case
        inputs, target = thinned(*data_of(data)) if vary else data_of(data)
        model = eval(expression, dict(known))  # of our own file of cases
        model.fit(inputs, target) if target is not None else model.fit(inputs)
        usual, odd = rows_for(model, inputs)
        _write(folder, name, model, {"case": expression, "usual": packed_rows(usual), "odd": packed_rows(odd)})
    except Exception as error:  # not in this release, or not in this form
        return "{}: {}".format(type(error).__name__, str(error)[:150])
    return "saved"


def _write(folder: str, name: str, model: Any, about: Any) -> None:
    path = os.path.join(folder, name.replace("/", "."))
    with open(path + ".pkl", "wb") as file:
        pickle.dump(model, file, protocol=2 if "binary" in name else 3 if "tree" in name else pickle.HIGHEST_PROTOCOL)
    joblib_of_here().dump(model, path + ".joblib", compress=3 if "svc" in name else 0)
    from bench.old_models.asked import unpacked_rows

    about["answers"] = answers_of(model, unpacked_rows(about["usual"]), unpacked_rows(about["odd"]))
    with gzip.open(path + ".json.gz", "wt", encoding="utf-8") as file:
        json.dump(about, file)


def joblib_of_here() -> Any:
    """The one that users of this release saved with: until 0.21 a copy inside scikit-learn."""
    try:
        from sklearn.externals import joblib  # type: ignore[attr-defined,unused-ignore]
    except ImportError:
        import joblib
    return joblib


def versions() -> Any:
    """Of everything that has a part in a saved file."""
    import sklearn

    found = {"python": platform.python_version(), "scikit-learn": sklearn.__version__}
    for name in LIBRARIES:
        try:
            found[name] = __import__(name).__version__
        except ImportError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
