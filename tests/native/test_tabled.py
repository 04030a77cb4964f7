"""Without a network and without an environment: what the table that ships says is served, everything else is refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

from bench.old_models.comparing import installed, read_case
from modelport.assembly.proving import load_proven, prove
from modelport.assembly.rescue import write_report
from modelport.config import ServeOptions
from modelport.errors import UnprovenVersion
from modelport.native.kinds import Kind
from modelport.native.offline import REFUSED, judge_kinds, read_table

SAVED = Path(__file__).with_name("saved")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No package can be had."""
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/nowhere",
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
    }.items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize(
    "name", ["0.19.2__classifier.knn", "0.22.2.post1__regressor.knn-p3", "1.0.2__classifier.one-vs-rest-proba"]
)
def test_a_model_of_a_kind_that_was_compared_is_served_by_the_table_and_answers_as_it_did(
    name: str, tmp_path: Path
) -> None:
    options = ServeOptions(cache_dir=tmp_path, no_compile=True)
    proven = prove(SAVED / f"{name}.pkl", options)
    assert (proven.proof.by_table, proven.proof.way) == (True, "repaired")
    assert "no row of this one" in str(proven.proof)
    assert "which ships; no row of this one was asked" in write_report(SAVED / f"{name}.pkl", "", proven)
    assert proven.proof.others[0].startswith("held against that version itself: ")
    case = read_case(SAVED / name)
    records = [tuple(map(float, row)) for row in case["usual"]["array"][:20]]
    known = case["answers"]["predict"][0]["values"][:20]
    again, notes = load_proven(SAVED / f"{name}.pkl", options, proven.proof)
    for model in (proven.model, again):
        told = [next(iter(answer.values())) for answer in model.predict(records)]
        assert told == pytest.approx(known, rel=1e-9)
    assert str(proven.proof) in notes


@pytest.mark.parametrize(
    ("name", "kind"),
    [("0.22.2.post1__regressor.knn-imputer", "KNNImputer"), ("0.19.2__classifier.knn-brute", "KNeighborsClassifier")],
)
def test_what_takes_some_of_equally_near_rows_is_refused_whatever_was_compared(
    name: str, kind: str, tmp_path: Path
) -> None:
    with pytest.raises(
        UnprovenVersion, match=rf"by the table that ships, {kind} looks for neighbours among"
    ) as refused:
        prove(SAVED / f"{name}.pkl", ServeOptions(cache_dir=tmp_path))
    assert (refused.value.stored, refused.value.installed) == (name.partition("__")[0], installed())


def test_a_kind_that_answered_otherwise_is_refused_naming_it() -> None:
    table = read_table(installed())
    assert table is not None
    otherwise = [
        (Kind(name, seen.words), saved)
        for name, entries in table.kinds.items()
        for seen in entries
        for bit, saved in enumerate(table.releases)
        if (seen.seen & ~seen.as_is & ~seen.repaired) >> bit & 1 and not Kind(name, seen.words).breaks_ties_anew
    ]
    assert otherwise
    for kind, saved in otherwise:
        judgement = judge_kinds([kind], saved, installed())
        assert (judgement.way, judgement.reason.startswith(kind.name)) == (REFUSED, True)
        assert judgement.reason.endswith("answers differently")


def test_a_model_beside_other_files_is_not_judged_by_the_table(tmp_path: Path) -> None:
    helper = SAVED / "0.19.2__table.label-encoder.pkl"
    options = ServeOptions(cache_dir=tmp_path, with_=(helper,))
    with pytest.raises(UnprovenVersion, match="other files beside it"):
        prove(SAVED / "0.19.2__classifier.knn.pkl", options)
