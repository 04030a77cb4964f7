"""Which of scikit-learn's own estimators are served and compiled: all of them, fitted on small real data, one by one.

    python -m bench.estimators

Each is fitted on 150 rows, saved with joblib, compiled, and served by `modelport serve FILE` twice: as it was saved, and as what
it was compiled to. 200 rows that it was not fitted on are sent over HTTP; the answers must be those of its own `predict` and
`predict_proba`. The exit status is 1 below 90 % served or 70 % compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.harness.errors import BenchError
from bench.harness.served import ask_served, differences, own_answers
from bench.harness.zoo import KINDS, Fitted, fitted, names

RESULTS = Path("bench/results/estimators.json")
PAGE = Path("docs/reference/estimators.md")
LEAST_COMPILED, LEAST_SERVED = 0.70, 0.90
LIMIT_S = 90
MODEL, SAMPLE, CASE, CACHE = "model.joblib", "train.csv", "case.json", "cache"
NOT_FITTED = "not fitted: "
INTRODUCTION = """\
# Estimators that are served and compiled

Every classifier, regressor and transformer of scikit-learn {version}, with its default parameters, fitted on small real data and
saved with joblib; transformers stand in a pipeline before a `LogisticRegression`. Hashers have 256 columns instead of a million.

**Served: {served} of {total} ({served_share:.0%}).** `modelport serve` answers 200 rows, which the model was not fitted on, over
HTTP as the model's own `predict` and `predict_proba` do: labels identical, probabilities within 1e-5, values within a millionth.
Those that are compiled are asked in both forms.

**Compiled: {compiled} of {total} ({compiled_share:.0%})**, {parts}:
they become a compiled model whose answers are those of the original on every row that is checked. One that is not compiled is
served by the library it was trained with. With other parameters or data an estimator may fare otherwise, which is why each model
is checked when it is compiled.

This page is written by `python -m bench.estimators`.
"""


def main() -> int:
    """Run all, write the results and the page; 1 where too few are served or compiled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names, separated by commas; writes nothing")
    parser.add_argument("--jobs", type=int, default=2, help="servers at a time (default 2)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return run_here(Path(options.child), [tuple(item.split(":")) for item in sys.stdin.read().split()])
    wanted = [w for w in names() if not options.only or w[1] in options.only.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        found = run_all(wanted, Path(folder), options.jobs)
    if not options.only:
        publish(found)
    return verdict(found)


def verdict(found: list[dict[str, Any]]) -> int:
    """The totals, and the exit status."""
    shares = {key: sum(r[key] for r in found) / len(found) for key in ("served", "compiled")}
    for key, share in shares.items():
        print(f"{sum(r[key] for r in found)} of {len(found)} {key} ({share:.1%})")
    return 0 if shares["served"] >= LEAST_SERVED and shares["compiled"] >= LEAST_COMPILED else 1


# -- fitting and compiling -----------------------------------------------------------------------------------------


def run_all(wanted: list[tuple[str, str]], folder: Path, jobs: int) -> list[dict[str, Any]]:
    """Fit and compile in child processes of many estimators each, and serve what is ready meanwhile."""
    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(jobs) as servers:
        waiting = []
        while len(found) < len(wanted):
            fresh = run_child(wanted[len(found) : len(found) + 30], folder)
            found += fresh
            waiting += [servers.submit(serve_both, entry, folder) for entry in fresh]
        for future in waiting:
            future.result()
    return found


def run_child(wanted: list[tuple[str, str]], folder: Path) -> list[dict[str, Any]]:
    """What became of the first of them. One that crashes or takes too long costs only itself: it is the last in the list."""
    command = [sys.executable, "-m", "bench.estimators", "--child", str(folder)]
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.run(
        command,
        input=" ".join(":".join(w) for w in wanted),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | alone,
        text=True,
        check=False,
    )
    found = [json.loads(line) for line in child.stdout.splitlines() if line.startswith('{"kind"')]
    if len(found) < len(wanted):
        kind, name = wanted[len(found)]
        slow = child.returncode == -signal.SIGALRM
        why = f"took more than {LIMIT_S} s" if slow else f"ended its process with {child.returncode}"
        found.append({"kind": kind, "name": name, "compiled": False, "reason": why})
    return found


def run_here(folder: Path, wanted: list[tuple[str, ...]]) -> int:
    """One after the other, a line of JSON for each."""
    warnings.simplefilter("ignore")
    for kind, name in wanted:
        signal.alarm(LIMIT_S)
        outcome = prepare(kind, name, folder / f"{kind}-{name}")
        print(json.dumps({"kind": kind, "name": name, **outcome}), flush=True)
        signal.alarm(0)
    return 0


def prepare(kind: str, name: str, folder: Path) -> dict[str, Any]:
    """Fit one, keep it with the rows to ask for and its own answers, and compile it."""
    import joblib

    folder.mkdir()
    try:
        made = fitted(kind, name)
        case = {"rows": records(made.data.held_out), "own": own_answers(made.model, made.data.held_out)}
    except Exception as error:  # whatever fitting raises
        reason = f"{NOT_FITTED}{type(error).__name__}: {str(error).splitlines()[0][:120]}"
        return {"compiled": False, "reason": reason}
    joblib.dump(made.model, folder / MODEL)
    write_sample(records(made.data.inputs), folder / SAMPLE)
    case["flags"] = flags(made)
    (folder / CASE).write_text(json.dumps(case), encoding="utf-8")
    return compiled(folder)


def compiled(folder: Path) -> dict[str, Any]:
    """What the compiler of `modelport serve` makes of it, in a cache of its own."""
    from modelport.assembly.compiler import compile_artifact
    from modelport.compilation.compiled import open_compiled
    from modelport.config import ServeOptions
    from modelport.errors import ModelportError

    options = ServeOptions(data=folder / SAMPLE, cache_dir=folder / CACHE)
    try:
        look = compile_artifact(folder / MODEL, options)
    except ModelportError as error:
        return {"compiled": False, "reason": str(error)[:300]}
    if look.form != "compiled":
        return {"compiled": False, "reason": look.why}
    report = open_compiled(Path(look.folder)).report
    return {
        "compiled": True,
        "rows": report.rows,
        "agreed": report.agreed,
        "excluded": report.excluded,
        "why_excluded": report.why_excluded,
        "worst_probability": report.worst_probability,
        "row_us_before": round(report.row_us_before, 1),
        "row_us_after": round(report.row_us_after, 1),
    }


def records(rows: Any) -> list[dict[str, Any]]:
    """Rows as the objects that are sent: texts, loose objects, or numbers x0, x1, …"""
    plain = rows if isinstance(rows, list) else rows.tolist()
    if isinstance(plain[0], str):
        return [{"text": row} for row in plain]
    return plain if isinstance(plain[0], dict) else [{f"x{i}": v for i, v in enumerate(row)} for row in plain]


def write_sample(rows: list[dict[str, Any]], path: Path) -> None:
    """As a user would give it with --data."""
    import pandas

    pandas.DataFrame(rows).to_csv(path, index=False)


def flags(made: Fitted) -> list[str]:
    """What a user must add where a model does not know its inputs itself: isotonic regression and hashers alone do not."""
    steps = [step for _, step in getattr(made.model, "steps", [("", made.model)])]
    if type(steps[0]).__name__ in ("IsotonicRegression", "FeatureHasher"):
        return ["--data", SAMPLE]
    return []


# -- serving -------------------------------------------------------------------------------------------------------


def serve_both(entry: dict[str, Any], folder: Path) -> None:
    """Note in the entry whether it is served, in both forms where there are two, or why not."""
    place = folder / f"{entry['kind']}-{entry['name']}"
    entry["served"], entry["why_not_served"] = False, entry.get("reason", "")
    if (place / CASE).exists():
        entry["why_not_served"] = serve(place, compiled=False)
        if entry["compiled"] and not entry["why_not_served"]:
            entry["why_not_served"] = serve(place, compiled=True)
        entry["served"] = not entry["why_not_served"]
    words = ["served" if entry["served"] else "NOT SERVED", "compiled" if entry["compiled"] else "not compiled"]
    why = " ".join((entry["why_not_served"] or entry.get("reason", "")).split())
    print(f"{entry['kind']:12} {entry['name']:32} {', '.join(words)}  {why[:200]}", flush=True)


def serve(place: Path, *, compiled: bool) -> str:
    """Why its answers over HTTP are not its own; empty where they are."""
    case = json.loads((place / CASE).read_text(encoding="utf-8"))
    form = ["--data", str(place / SAMPLE), "--cache-dir", str(place / CACHE), "--require-compiled"]
    try:
        answers, about = ask_served(place, form if compiled else ["--no-compile", *case["flags"]], case["rows"])
    except (BenchError, OSError) as error:
        return f"{'compiled' if compiled else 'original'}: {error}"
    if (about.get("form") == "compiled") is not compiled:
        return f"asked for its {'compiled' if compiled else 'original'} form, it was served as {about.get('form')}"
    different = differences(case["own"], answers)
    return different and f"{'compiled' if compiled else 'original'}: {different}"


# -- what is written -----------------------------------------------------------------------------------------------


def publish(found: list[dict[str, Any]]) -> None:
    """The results and the page."""
    import onnxruntime
    import sklearn

    versions = {"scikit-learn": sklearn.__version__, "onnxruntime": onnxruntime.__version__}
    RESULTS.write_text(json.dumps({"versions": versions, "estimators": found}, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(found, versions), encoding="utf-8")


def page(found: list[dict[str, Any]], versions: dict[str, str]) -> str:
    """The page of the reference."""
    parts = ", ".join(
        f"{sum(r['compiled'] for r in found if r['kind'] == k)} of {sum(r['kind'] == k for r in found)} {k}s"
        for k in KINDS
    )
    totals = {key: sum(r[key] for r in found) for key in ("served", "compiled")}
    text = INTRODUCTION.format(
        version=versions["scikit-learn"],
        total=len(found),
        parts=parts,
        **totals,
        **{f"{key}_share": count / len(found) for key, count in totals.items()},
    )
    for kind in KINDS:
        text += f"\n## {kind.capitalize()}s\n\n| estimator | served | compiled | rows that agree | or why not |\n"
        text += "|---|---|---|---|---|\n" + "".join(line(r) for r in found if r["kind"] == kind)
    return text


def line(r: dict[str, Any]) -> str:
    """One row of a table."""
    rows = f"{r['agreed']:,} of {r['rows']:,}" if "rows" in r else ""
    reason = "" if r["compiled"] and r["served"] else r["why_not_served"] or r["reason"]
    reason = " ".join(reason.split()).replace("|", "\\|").replace("<", "&lt;")[:240]
    yes = {True: "yes", False: "no"}
    return f"| {r['name']} | {yes[r['served']]} | {yes[r['compiled']]} | {rows} | {reason} |\n"


if __name__ == "__main__":
    sys.exit(main())
