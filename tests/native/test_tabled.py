"""Without a network and without an environment: what the table that ships says is served, everything else is refused."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

from bench.old_models.comparing import installed, read_case
from modelport.artifacts.pickles.outline import read_outline
from modelport.assembly.proving import load_proven, prove
from modelport.assembly.rescue import write_report
from modelport.config import ServeOptions
from modelport.errors import UnprovenVersion
from modelport.native.kinds import Kind
from modelport.native.offline import REFUSED, judge, judge_kinds, read_table

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


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_a_penalty_that_is_measured_otherwise_today_is_refused_though_its_kind_was_compared(alpha: float) -> None:
    objects = list(read_outline(SAVED / "0.20.4__classifier.nmf.pkl").objects())
    (factors,) = (thing for thing in objects if thing.made and thing.name.endswith(".NMF"))
    factors.state["alpha"] = alpha
    judgement = judge(objects, "0.20.4", installed())
    assert (judgement.way == REFUSED) == (alpha > 0)
    assert judgement.reason == ("NMF with alpha=more than zero was not compared" if alpha else "")


@pytest.mark.parametrize("version", ["1.0.2.dev0", "1.0; rm -rf x", "1.0.2 --index-url x", "1.0.2\n", "../1.0.2"])
def test_what_is_no_release_was_not_compared_though_it_begins_like_one(version: str) -> None:
    objects = list(read_outline(SAVED / "0.22.2.post1__classifier.nearest-centroid.pkl").objects())
    assert judge(objects, "1.0.2", installed()).way != REFUSED
    assert "were not compared" in judge(objects, version, installed()).reason


def test_what_has_got_probabilities_since_it_was_saved_answers_labels_alone(tmp_path: Path) -> None:
    proven = prove(
        SAVED / "0.22.2.post1__classifier.nearest-centroid.pkl", ServeOptions(cache_dir=tmp_path, no_compile=True)
    )
    assert [output.probabilities for output in proven.model.signature.outputs] == [False]
    (answer,) = proven.model.predict([tuple(0.5 for _ in proven.model.signature.inputs)])
    assert set(answer) == {"prediction"}


def test_a_model_that_fails_at_its_own_example_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from modelport.native.repairs.linear import LabelsAlone

    monkeypatch.delattr(LabelsAlone, "predict_proba")
    with pytest.raises(UnprovenVersion, match="it loads, and then fails at its own example: AttributeError"):
        prove(SAVED / "0.22.2.post1__classifier.nearest-centroid.pkl", ServeOptions(cache_dir=tmp_path))


def test_a_model_beside_other_files_is_not_judged_by_the_table(tmp_path: Path) -> None:
    helper = SAVED / "0.19.2__table.label-encoder.pkl"
    options = ServeOptions(cache_dir=tmp_path, with_=(helper,))
    with pytest.raises(UnprovenVersion, match="other files beside it"):
        prove(SAVED / "0.19.2__classifier.knn.pkl", options)
