"""Without a network and without an environment: what the table that ships says is served, everything else is refused."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn")

import numpy as np
from sklearn.cluster import KMeans

from bench.old_models.comparing import installed, read_case
from modelport.artifacts.pickles.loading import screen_pickle
from modelport.artifacts.pickles.outline import read_outline
from modelport.assembly.artifacts import load_artifact
from modelport.assembly.proving import load_proven, prove
from modelport.assembly.rescue import write_report
from modelport.config import ServeOptions
from modelport.errors import UnprovenVersion
from modelport.native import ties
from modelport.native.kinds import Kind
from modelport.native.offline import REFUSED, REPAIRED, judge, judge_kinds, read_table
from modelport.native.repairs.arrays import VotesAlone
from modelport.native.repairs.kit import RepairKit

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


SEARCHING, MEASURING = "looks for neighbours among all rows", "measured distances by another formula before"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("0.22.2.post1__regressor.knn-imputer", f"KNNImputer {SEARCHING}"),
        ("0.19.2__classifier.knn-brute", f"KNeighborsClassifier {SEARCHING}"),
        ("0.22.2.post1__unsupervised.k-means", f"KMeans {MEASURING} 1.0"),
        ("0.22.2.post1__classifier.nearest-centroid", f"NearestCentroid {MEASURING} 1.2"),
    ],
)
def test_what_chooses_between_the_equally_near_in_another_way_is_refused_whatever_was_compared(
    name: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(UnprovenVersion, match=f"by the table that ships, {re.escape(why)}") as refused:
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
        if (seen.seen & ~seen.as_is & ~seen.repaired) >> bit & 1
        and not ties.objection(Kind(name, seen.words), {name}, saved, installed())
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
    objects = list(read_outline(SAVED / "0.22.2.post1__classifier.ridge-classifier.pkl").objects())
    assert judge(objects, "1.0.2", installed()).way != REFUSED
    assert "were not compared" in judge(objects, version, installed()).reason


def test_what_has_got_probabilities_since_it_was_saved_answers_labels_alone() -> None:
    release = "0.22.2.post1"
    model, _ = load_artifact(
        SAVED / f"{release}__classifier.nearest-centroid.pkl",
        ServeOptions(features=("a", "b", "c", "d")),
        other_version="repaired",
        repairs=lambda _: RepairKit(release, installed()),
    )
    assert [output.probabilities for output in model.signature.outputs] == [False]
    (answer,) = model.predict([(0.5, 0.5, 0.5, 0.5)])
    assert set(answer) == {"prediction"}


def test_neighbours_within_a_radius_answer_labels_alone_where_the_release_that_saved_them_did(tmp_path: Path) -> None:
    name = "0.20.4__classifier.radius-neighbors"
    proven = prove(SAVED / f"{name}.pkl", ServeOptions(cache_dir=tmp_path, no_compile=True))
    assert (proven.proof.by_table, proven.proof.way) == (True, "repaired")
    assert [output.probabilities for output in proven.model.signature.outputs] == [False]
    case = read_case(SAVED / name)
    far = tuple(map(float, case["odd"]["array"][1]))  # the second odd row has nobody within the radius
    known = case["answers"]["predict"]
    records = [*(tuple(map(float, row)) for row in case["usual"]["array"]), far]
    wanted = [*known[0]["values"], known[2]["values"][0]]
    assert [answer["prediction"] for answer in proven.model.predict(records)] == wanted
    assert set(proven.model.predict([far])[0]) == {"prediction"}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"outlier_label": None}, "RadiusNeighborsClassifier with outlier_label=None was not compared"),
        ({"outlier_label": 1}, "RadiusNeighborsClassifier with outlier_label=1 was not compared"),
        ({"outlier_label": "none"}, "RadiusNeighborsClassifier with outlier_label=none was not compared"),
        ({"_fit_method": "brute"}, f"RadiusNeighborsClassifier {SEARCHING}"),
    ],
)
def test_neighbours_within_a_radius_are_refused_where_others_were_compared(changed: dict[str, Any], why: str) -> None:
    objects = list(read_outline(SAVED / "0.20.4__classifier.radius-neighbors.pkl").objects())
    (model,) = (thing for thing in objects if thing.made and thing.name.endswith(".RadiusNeighborsClassifier"))
    assert judge(objects, "0.20.4", installed()).way == REPAIRED
    model.state.update(changed)
    judgement = judge(objects, "0.20.4", installed())
    assert judgement.way == REFUSED
    assert judgement.reason.startswith(why)


@pytest.mark.parametrize(
    ("name", "beside", "saved", "decides_otherwise"),
    [
        ("KMeans", "StandardScaler", "0.24.2", True),
        ("KMeans", "StandardScaler", "1.0.2", False),
        ("KMeans", "TfidfVectorizer", "1.1.3", True),
        ("KMeans", "TfidfVectorizer", "1.2.2", False),
        ("MiniBatchKMeans", "StandardScaler", "0.19.2", True),
        ("Birch", "StandardScaler", "1.0.2", True),
        ("MeanShift", "StandardScaler", "1.1.3", False),
        ("NearestCentroid", "StandardScaler", "1.1.3", True),
        ("OutputCodeClassifier", "LinearSVC", "1.2.2", True),
        ("GaussianMixture", "StandardScaler", "0.19.2", False),
    ],
)
def test_who_is_nearer_is_left_to_the_releases_that_compute_it_as_today(
    name: str, beside: str, saved: str, decides_otherwise: bool
) -> None:
    said = ties.objection(Kind(name, frozenset()), {name, beside}, saved, installed())
    assert bool(said) is decides_otherwise
    assert not ties.objection(Kind(name, frozenset()), {name, beside}, saved, saved)


@pytest.mark.parametrize("name", ["NearestNeighbors", "LocalOutlierFactor", "RadiusNeighborsRegressor"])
def test_every_search_among_all_rows_is_left_to_the_release_that_saved_it(name: str) -> None:
    assert SEARCHING in ties.objection(Kind(name, frozenset(["algorithm=brute"])), {name}, "1.8.0", installed())
    assert not ties.objection(Kind(name, frozenset(["algorithm=kd_tree"])), {name}, "1.8.0", installed())


def test_k_means_of_former_releases_decided_otherwise_where_distances_round_to_the_same() -> None:
    """What the refusal is for: their formula, computed here."""
    start = np.array([[0.0, 0.0], [1.0, 1.0]])
    model = KMeans(2, init=start, n_init=1).fit(start)
    row, centres = np.full((1, 2), 1e30), model.cluster_centers_
    former = -2 * (row @ centres.T) + (row**2).sum(axis=1) + (centres**2).sum(axis=1)
    assert model.predict(row)[0] != former.argmin()


def test_a_model_that_fails_at_its_own_example_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(self: Any, X: Any) -> Any:
        raise AttributeError("of a newer method")

    monkeypatch.setattr(VotesAlone, "predict_proba", fail)
    with pytest.raises(UnprovenVersion, match="it loads, and then fails at its own example: AttributeError"):
        prove(SAVED / "0.20.4__classifier.radius-neighbors.pkl", ServeOptions(cache_dir=tmp_path))


def test_a_model_beside_other_files_is_not_judged_by_the_table(tmp_path: Path) -> None:
    helper = SAVED / "0.19.2__table.label-encoder.pkl"
    options = ServeOptions(cache_dir=tmp_path, with_=(helper,))
    with pytest.raises(UnprovenVersion, match="other files beside it"):
        prove(SAVED / "0.19.2__classifier.knn.pkl", options)


def test_nothing_that_old_releases_saved_is_taken_for_hostile() -> None:
    files = [path for path in SAVED.iterdir() if path.suffix in (".pkl", ".joblib")]
    assert len(files) > 20
    for path in files:
        screen_pickle(path)
