"""Which of scikit-learn's own estimators are compiled with full parity: all of them, fitted on small real data, one by one."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from bench.harness.zoo import KINDS, fitted, names

RESULTS = Path("bench/results/estimators.json")
PAGE = Path("docs/reference/estimators.md")
LEAST = 0.70
LIMIT_S = 60
INTRODUCTION = """\
# Estimators that are compiled

Which estimators of scikit-learn {version} become a compiled model whose answers are those of the original on every row that is
checked: labels identical, probabilities within 1e-5, values within a millionth. Transformers stand in a pipeline before a
`LogisticRegression`. Each has its default parameters and is fitted on small real data; with other parameters or data an
estimator may fare otherwise, which is why each model is checked when it is compiled. One that is not compiled is served by the
library it was trained with.

**{compiled} of {total} ({share:.0%})**: {parts}. This page is written by `python -m bench.estimators`.
"""


def main() -> int:
    """Run all in child processes, write the results and the page; 1 where too few were compiled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="names, separated by commas; writes nothing")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return run_here([tuple(item.split(":")) for item in options.child.split(",")])
    wanted = names()
    if options.only:
        wanted = [(kind, name) for kind, name in wanted if name in options.only.split(",")]
    found = run_all(wanted)
    share = sum(r["compiled"] for r in found) / len(found)
    print(f"{sum(r['compiled'] for r in found)} of {len(found)} compiled ({share:.1%})")
    if not options.only:
        publish(found)
    return 0 if share >= LEAST else 1


def run_all(wanted: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """In child processes of many estimators each: one that crashes or takes too long costs only itself."""
    found: list[dict[str, Any]] = []
    while len(found) < len(wanted):
        rest = wanted[len(found) : len(found) + 30]
        command = [sys.executable, "-m", "bench.estimators", "--child", ",".join(":".join(w) for w in rest)]
        child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        lines = [json.loads(line) for line in child.stdout.splitlines() if line.startswith('{"kind"')]
        for line in lines:
            print(f"{line['name']:32} {'compiled' if line['compiled'] else line['reason'][:160]}")
        found += lines
        if len(lines) < len(rest):
            kind, name = rest[len(lines)]
            why = (
                f"took more than {LIMIT_S} s"
                if child.returncode == -signal.SIGALRM
                else f"ended its process with {child.returncode}"
            )
            print(f"{name:32} {why}")
            found.append({"kind": kind, "name": name, "compiled": False, "reason": why})
    return found


def run_here(wanted: list[tuple[str, ...]]) -> int:
    """One after the other, a line of JSON for each."""
    warnings.simplefilter("ignore")
    for kind, name in wanted:
        signal.alarm(LIMIT_S)
        print(json.dumps({"kind": kind, "name": name, **outcome(kind, name)}), flush=True)
        signal.alarm(0)
    return 0


def outcome(kind: str, name: str) -> dict[str, Any]:
    """What became of one estimator."""
    from modelport.compilation.compiler import NotCompiled, Original, compile_model
    from modelport.errors import ModelportError

    try:
        estimator, rows = fitted(kind, name)
    except Exception as error:  # whatever fitting raises
        return {"compiled": False, "reason": f"not fitted: {type(error).__name__}: {str(error).splitlines()[0][:120]}"}
    try:
        model = _loaded(estimator)
    except ModelportError as error:
        return {"compiled": False, "reason": f"not served: {str(error)[:200]}"}
    sample = [tuple(row) for row in rows.tolist()] if hasattr(rows, "tolist") else [(text,) for text in rows]
    started = time.monotonic()
    made = compile_model(Original(estimator, model.signature, model.predict), sample)
    facts: dict[str, Any] = {
        "compiled": not isinstance(made, NotCompiled),
        "took_s": round(time.monotonic() - started, 2),
    }
    if isinstance(made, NotCompiled):
        facts["reason"] = made.reason
    if made.report is not None:
        facts |= {
            "rows": made.report.rows,
            "agreed": made.report.agreed,
            "excluded": made.report.excluded,
            "why_excluded": made.report.why_excluded,
            "worst_probability": made.report.worst_probability,
            "row_us_before": round(made.report.row_us_before, 1),
            "row_us_after": round(made.report.row_us_after, 1),
        }
    return facts


def _loaded(estimator: Any) -> Any:
    """As it is served."""
    import joblib

    from modelport.artifacts.loaders.sklearn import SklearnLoader
    from modelport.kernel.ports import Hints

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(estimator, path)
        return SklearnLoader().load(path, Hints(features=("x",)) if _is_nameless(estimator) else Hints())


def _is_nameless(estimator: Any) -> bool:
    """Isotonic regression alone stores neither names nor number of its inputs: users give `--features x`."""
    return not hasattr(estimator, "n_features_in_")


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
    compiled = sum(r["compiled"] for r in found)
    parts = ", ".join(
        f"{sum(r['compiled'] for r in found if r['kind'] == k)} of {sum(r['kind'] == k for r in found)} {k}s"
        for k in KINDS
    )
    text = INTRODUCTION.format(
        version=versions["scikit-learn"], compiled=compiled, total=len(found), share=compiled / len(found), parts=parts
    )
    for kind in KINDS:
        text += (
            f"\n## {kind.capitalize()}s\n\n| estimator | compiled | rows that agree | or why not |\n|---|---|---|---|\n"
        )
        text += "".join(line(r) for r in found if r["kind"] == kind)
    return text


def line(r: dict[str, Any]) -> str:
    """One row of a table."""
    rows = f"{r['agreed']:,} of {r['rows']:,}" if "rows" in r else ""
    reason = "" if r["compiled"] else " ".join(r["reason"].split()).replace("|", "\\|").replace("<", "&lt;")[:240]
    return f"| {r['name']} | {'yes' if r['compiled'] else 'no'} | {rows} | {reason} |\n"


if __name__ == "__main__":
    sys.exit(main())
