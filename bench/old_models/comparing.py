"""Whether a model answers here as it did in the release that saved it, as it is and with repairs.

    python -m bench.old_models.comparing FOLDER [NAMES …]

Prints a line of JSON for each saved model of a release's folder.
"""

from __future__ import annotations

import gzip
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bench.old_models.asked import answers_of, unpacked_rows
from modelport.artifacts.pickles.loading import load_pickle
from modelport.artifacts.pickles.outline import read_outline
from modelport.native.kinds import kinds_of
from modelport.native.repairs.kit import RepairKit

RELATIVE, ABSOLUTE = 1e-7, 1e-9
"""Libraries of other years sum in another order. Labels must be identical."""

Compared = dict[str, Any]


def main() -> int:
    """Compare each of the names; one that ends this process costs only itself, since lines are flushed."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    folder = Path(sys.argv[1])
    for name in sys.argv[2:] or saved_names(folder):
        print(json.dumps({"started": name}), flush=True)
        print(json.dumps({"name": name, **compare(folder, name)}), flush=True)
    return 0


def saved_names(folder: Path) -> list[str]:
    """The cases that were saved."""
    outcomes = json.loads((folder / "index.json").read_text(encoding="utf-8"))["outcomes"]
    return [name for name, outcome in outcomes.items() if outcome == "saved"]


def compare(folder: Path, name: str) -> Compared:
    """As it is, and with repairs; pickle and joblib alike, so that the worse of the two counts."""
    about = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    stem = folder / name.replace("/", ".")
    case = read_case(stem)
    saved = about["versions"]["scikit-learn"]
    applied: dict[str, str] = {}
    found: dict[str, str] = {}
    for suffix in (".pkl", ".joblib"):
        kit = RepairKit(saved, installed())
        for way, repairs in (("as_is", None), ("repaired", kit)):
            outcome = outcome_of(Path(f"{stem}{suffix}"), repairs, case)
            if found.get(way, "equal") == "equal":
                found[way] = outcome if outcome == "equal" else f"{suffix[1:]}: {outcome}"
        applied |= kit.applied
    kinds, _ = kinds_of(read_outline(Path(f"{stem}.pkl")).objects())
    listed = sorted([kind.name, sorted(kind.words)] for kind in kinds)
    return {**found, "repairs": sorted(applied), "case": case["case"], "kinds": listed}


def read_case(stem: Path) -> Any:
    """What a model was asked, and what it answered where it was at home."""
    with gzip.open(f"{stem}.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def installed() -> str:
    """The release that answers here."""
    import sklearn

    return str(sklearn.__version__)


def outcome_of(path: Path, repairs: Any, case: Any) -> str:
    """`equal`, or what is not, in words."""
    try:
        model = load_pickle(path, False, repairs=repairs)
    except Exception as error:
        return f"does not load: {type(error).__name__}: {_short(error, path)}"
    try:
        answers = answers_of(model, unpacked_rows(case["usual"]), unpacked_rows(case["odd"]))
    except Exception as error:
        return f"fails: {type(error).__name__}: {_short(error, path)}"
    return next(_differences(case["answers"], answers), "equal")


def _short(error: Exception, path: Path) -> str:
    return str(error).replace(str(path), path.name)[:220]


def _differences(wanted: Any, got: Any) -> Any:
    for method, answers in wanted.items():
        if method not in got and all("raises" in answer or "nothing" in answer for answer in answers):
            continue
        if method not in got:
            yield f"fails: {method} is not there"
            continue
        for number, (there, here) in enumerate(zip(answers, got[method], strict=True)):
            where = "usual rows" if number == 0 else f"odd row {number - 1}"
            said = _difference(there, here)
            if said:
                yield f"{said} ({method}, {where})"


def _difference(there: Any, here: Any) -> str:
    """What is not the same, in words; empty where it is the same."""
    if "raises" in there or "nothing" in there:
        return "" if there.keys() == here.keys() else f"differs: answers what was refused with {there.get('says')}"
    if "raises" in here:
        return f"fails: {here['raises']}: {here['says']}"
    if "list" in there or "list" in here:
        parts = list(zip(there.get("list", [there]), here.get("list", [here]), strict=False))
        return next((said for said in (_difference(*pair) for pair in parts) if said), "")
    return _array_difference(there, here)


def _array_difference(there: Any, here: Any) -> str:
    if there["shape"] != here["shape"]:
        return f"differs: shape {here['shape']} for {there['shape']}"
    if there["kind"] not in "fiub" or here["kind"] not in "fiub":
        same = [str(a) == str(b) for a, b in zip(there["values"], here["values"], strict=True)]
        return "" if all(same) else f"differs: {same.count(False)} of {len(same)} labels"
    a, b = np.array(there["values"], float), np.array(here["values"], float)
    exact = there["kind"] != "f"
    same = a == b if exact else np.isclose(b, a, RELATIVE, ABSOLUTE, equal_nan=True)
    if same.all():
        return ""
    first = int(np.argmin(same))
    return f"differs: {int((~same).sum())} of {len(a)}, {b[first]!r} for {a[first]!r}"


if __name__ == "__main__":
    sys.exit(main())
