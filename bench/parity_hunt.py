"""Tries to break parity: random models on random data, compiled, and held against the original on rows the check did not use.

    python -m bench.parity_hunt --seconds 600

Data have ties, constant columns, neighbouring numbers, scales from 1e-9 to 1e9, gaps, odd text, 32-bit and whole numbers; models
are random pipelines with random parameters. What compiles must answer fresh rows as the original does: labels identical,
probabilities within 1e-5, values within a millionth. Each find is printed with its seed; `--seed N` runs that one alone. The exit
status is 1 where there was one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.harness.random_models import Case, draw_case
from bench.harness.random_rows import fresh_rows

FRESH_ROWS = 1500


def main() -> int:
    """Run seeds until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone")
    options = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    total: Counter[str] = Counter()
    for seed in _seeds(options):
        outcome = hunt(seed)
        total[outcome.partition(":")[0]] += 1
        if options.seed is not None or not outcome.startswith(("agreed", "not fitted")):
            print(f"seed {seed}: {outcome}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in total.most_common()))
    return 1 if total["DIFFERENT"] or total["FAILED"] else 0


def _seeds(options: argparse.Namespace) -> Iterator[int]:
    if options.seed is not None:
        yield options.seed
        return
    end, seed = time.monotonic() + options.seconds, options.first
    while time.monotonic() < end:
        yield seed
        seed += 1


def hunt(seed: int) -> str:
    """What became of one: `agreed`, `not compiled: …`, `DIFFERENT: …`, `FAILED: …`."""
    case = draw_case(seed)
    try:
        case.fit()
    except Exception as error:  # data that the model cannot be fitted on
        return f"not fitted: {type(error).__name__}"
    try:
        return _judge(case, seed)
    except Exception:  # a crash of ours
        return f"FAILED: {case}\n{traceback.format_exc()}"


def _judge(case: Case, seed: int) -> str:
    import joblib

    from modelport.artifacts.loaders.sklearn import SklearnLoader
    from modelport.compilation.compiler import NotCompiled, Original, compile_model
    from modelport.compilation.parity import ask, compare
    from modelport.compilation.rows import Budget
    from modelport.errors import ModelportError
    from modelport.kernel.ports import Hints

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        joblib.dump(case.model, path)
        try:
            model = SklearnLoader().load(path, Hints())
        except ModelportError as error:
            return f"not loaded: {case}: {error}"
    original = Original(case.model, model.signature, model.predict)
    gaps = {i for i, f in enumerate(model.signature.inputs) if not f.nullable}
    known = [r for r in case.records() if not any(r[i] is None for i in gaps)]
    small = Budget(sample=200, inside=300, scaled=40, thresholds=420, gaps=120, categories=120, ties=60, searched=400)
    made = compile_model(original, known if seed % 2 else None, small)
    if isinstance(made, NotCompiled):
        return f"not compiled: {case}: {made.reason}"
    rng = np.random.default_rng(seed + 1_000_000)
    rows = fresh_rows(rng, case.records(), model.signature, FRESH_ROWS)
    expected = ask(model.predict, rows, 60.0)
    report = compare(expected, made.predict, ("near",))
    if report.mismatch is not None:
        return f"DIFFERENT: {case}: {report.agreed} of {report.rows}, {report.mismatch}"
    if report.excluded != report.refused_alike:
        return f"answers what the original refuses: {case}: {report.excluded - report.refused_alike} rows, {report.why_excluded}"
    return f"agreed: {report.rows} rows, {case}"


if __name__ == "__main__":
    sys.exit(main())
