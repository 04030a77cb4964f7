"""A compiled form that differs is never used, and the reason names the row or the part."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import KNNImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor, RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import LabelSpreading

from modelport.compilation.compiled import open_compiled
from modelport.compilation.compiler import NotCompiled, Original, compile_model
from modelport.compilation.converters import registry
from modelport.compilation.parity import Expected, ask, compare
from modelport.errors import ArtifactError
from modelport.kernel.values import Record
from tests.compile.originals import SMALL, compiled, diabetes, iris, original, to_records


def refused(estimator: Any, folder: Path, sample: Any = None) -> NotCompiled:
    made = compile_model(original(estimator, folder), to_records(sample), SMALL)
    assert isinstance(made, NotCompiled)
    return made


def broken(table: dict[str, Any], name: str, change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace a converter with one that is slightly wrong."""
    right = table[name]
    monkeypatch.setitem(table, name, lambda estimator, inputs: change(right(estimator, inputs)))


def test_a_converter_that_is_wrong_by_a_millionth_is_caught_and_the_row_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(registry.REGRESSORS, "LinearRegression", lambda t: t * (1 + 3e-6), monkeypatch)
    inputs, values = diabetes()
    made = refused(LinearRegression().fit(inputs, values), tmp_path, inputs)
    assert made.reason.startswith("LinearRegression: row ")
    assert "the original answers" in made.reason
    assert made.report is not None
    assert made.report.mismatch is not None


def test_a_forest_that_breaks_ties_the_other_way_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its probabilities are within the tolerance."""

    def narrowed(found: Any) -> Any:
        table = found.probabilities * np.array([1.0, 1.0 + 1e-9])
        return registry.Classified(table.argmax(), table)

    broken(registry.CLASSIFIERS, "RandomForestClassifier", narrowed, monkeypatch)
    inputs, labels = iris()
    made = refused(RandomForestClassifier(10, random_state=0).fit(inputs, labels == 1), tmp_path)
    assert made.report is not None
    assert made.report.mismatch is not None
    assert set(made.report.mismatch.expected["probabilities"].values()) == {0.5}


def test_a_scaler_that_loses_the_float64_is_caught_by_the_rows_next_to_thresholds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(registry.TRANSFORMERS, "StandardScaler", lambda c: c.kept(c.tensor + 3e-6), monkeypatch)
    inputs, labels = iris()
    model = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)).fit(inputs, labels)
    made = refused(model, tmp_path)
    assert made.report is not None
    assert made.report.mismatch is not None


def test_a_function_of_the_users_own_is_named(tmp_path: Path) -> None:
    inputs, labels = iris()
    model = make_pipeline(FunctionTransformer(np.cbrt), LogisticRegression()).fit(inputs, labels)
    made = refused(model, tmp_path)
    assert made.part == "FunctionTransformer"
    assert "cbrt" in made.reason


def test_rows_that_the_original_refuses_are_left_out_and_counted() -> None:
    def predict(records: Sequence[Record]) -> list[Any]:
        if any(record[0] < 0 for record in records):
            raise ValueError("no negatives")
        return [{"prediction": record[0] * 2.0} for record in records]

    rows = [("drawn", (float(i),)) for i in range(-3, 40)]
    found = ask(predict, rows, 5.0)
    assert len(found.rows) == 40
    assert len(found.refused) == 3
    report = compare(found, lambda records: [{"prediction": r[0] * 2.0} for r in records])
    assert report.full
    assert str(report) == "parity 40 of 40 rows, 3 that the original refuses left out (ValueError: no negatives)"


@pytest.mark.parametrize(
    ("wanted", "got", "agree"),
    [
        (1.0, 1.0 + 9e-7, True),
        (1.0, 1.0 + 2e-6, False),
        (float("inf"), float("inf"), True),
        (float("inf"), 1e308, False),
        (float("nan"), float("nan"), True),
        (1.0, float("nan"), False),
        ("a", "a", True),
        ("a", "b", False),
        (1, True, False),
        (1, 1.0, False),
    ],
)
def test_what_agrees(wanted: Any, got: Any, agree: bool) -> None:
    expected = Expected([("drawn", (0.0,))], [{"prediction": wanted}])
    assert compare(expected, lambda records: [{"prediction": got} for _ in records]).full is agree


def test_a_runtime_that_fails_is_a_mismatch() -> None:
    def fails(records: Sequence[Record]) -> list[Any]:
        raise RuntimeError("out of range")

    report = compare(Expected([("drawn", (0.0,))], [{"prediction": 1.0}]), fails)
    assert "out of range" in str(report.mismatch)


def test_answers_that_depend_on_the_company_of_other_rows_are_caught() -> None:
    expected = Expected([("drawn", (float(i),)) for i in range(10)], [{"prediction": 1.0}] * 10)
    report = compare(expected, lambda records: [{"prediction": float(len(records) > 1)} for _ in records])
    assert "asked alone" in str(report.mismatch)


def test_a_slow_original_is_checked_on_fewer_rows_and_the_report_says_so(tmp_path: Path) -> None:
    inputs, values = diabetes()
    whole = original(LinearRegression().fit(inputs, values), tmp_path)
    made = compile_model(Original(whole.estimator, whole.signature, whole.predict), None, SMALL, limit_s=0.0)
    assert isinstance(made, NotCompiled)
    assert "rows" in made.reason or "row" in made.reason


def test_what_was_saved_answers_the_same_without_any_training_library(tmp_path: Path) -> None:
    inputs, labels = iris()
    made = compiled(RandomForestClassifier(10, random_state=0).fit(inputs, labels), tmp_path, inputs)
    made.save(tmp_path / "compiled")
    again = open_compiled(tmp_path / "compiled")
    records = to_records(inputs) or []
    assert again.predict(records) == made.predict(records)
    assert again.signature == made.signature
    assert again.report == made.report
    script = (
        "import sys; from pathlib import Path; from modelport.compilation.compiled import open_compiled;"
        f"open_compiled(Path({str(tmp_path / 'compiled')!r})).predict([(1.0, 2.0, 3.0, 4.0)]);"
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'onnx', 'joblib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_damaged_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "compiled.json").write_text("{}")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ArtifactError, match="compile it again"):
        open_compiled(tmp_path)


def test_what_was_checked_with_another_runtime_is_refused(tmp_path: Path) -> None:
    """ONNX Runtime 1.23 runs the same graphs and gives other answers."""
    inputs, labels = iris()
    compiled(RandomForestClassifier(3, random_state=0).fit(inputs, labels), tmp_path, inputs).save(
        tmp_path / "compiled"
    )
    facts = tmp_path / "compiled" / "compiled.json"
    text = facts.read_text()
    facts.write_text(text.replace(f'"runtime":"{version("onnxruntime")}"', '"runtime":"1.23.2"'))
    assert facts.read_text() != text
    with pytest.raises(ArtifactError, match=r"checked with ONNX Runtime 1\.23\.2"):
        open_compiled(tmp_path / "compiled")


def test_a_record_that_overflows_inside_is_refused_as_the_original_does(tmp_path: Path) -> None:
    inputs, labels = iris()
    model = make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(inputs * 1e-3, labels)
    made = compiled(model, tmp_path)
    assert made.report.excluded > 0
    assert made.report.refused_alike == made.report.excluded
    with pytest.raises(ValueError, match="too large"):
        made.predict([(1.0, 1.0, 1.0, 1.0), (3e38, 1.0, 1.0, 1.0)])


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(4, algorithm="brute"),
        KNeighborsRegressor(4, algorithm="brute"),
        LocalOutlierFactor(4, algorithm="brute", novelty=True),
        LabelSpreading(kernel="knn"),
        make_pipeline(KNNImputer(), LogisticRegression(max_iter=300)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_what_takes_some_of_the_rows_at_equal_distances_is_not_compiled_though_checked_rows_show_no_difference(
    estimator: Any, tmp_path: Path
) -> None:
    inputs, labels = iris()
    made = refused(estimator.fit(np.round(inputs), labels), tmp_path, np.round(inputs))
    assert "equal distances" in made.reason


def test_a_radius_is_compiled_where_a_tree_is_searched_and_not_where_distances_are_rounded(tmp_path: Path) -> None:
    inputs, labels = iris()
    searched = {kind: RadiusNeighborsClassifier(0.5, algorithm=kind, outlier_label=0) for kind in ("kd_tree", "brute")}
    compiled(searched["kd_tree"].fit(inputs, labels), tmp_path, inputs)
    made = refused(searched["brute"].fit(inputs, labels), tmp_path, inputs)
    assert "right at its radius" in made.reason
