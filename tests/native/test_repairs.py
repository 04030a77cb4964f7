"""Models of old releases, with the answers that they gave there: with repairs they give them here, without they do not.

`saved/` holds the smallest model for each repair; `python -m bench.old_models.samples` chose them.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn")

import numpy as np
from sklearn.neighbors import RadiusNeighborsClassifier

from bench.old_models.comparing import installed, outcome_of, read_case
from bench.old_models.samples import ENDS_THE_PROCESS
from modelport.native.repairs.arrays import outlier_label
from modelport.native.repairs.kit import RepairKit, all_repairs
from modelport.native.repairs.modules import NAMES
from modelport.native.repairs.repair import within

SAVED = Path(__file__).with_name("saved")
NEEDS: dict[str, str] = json.loads((SAVED / "needs.json").read_text(encoding="utf-8"))

LARGE = frozenset(
    [
        "boosting-classifier-rules",
        "boosting-regressor-loss",
        "boosting-start",
        "gaps-refused-by-histograms",
        "gaps-refused-by-isolation",
        "isolation-depths",
        "isolation-threshold",
        "kernel-components",
        "kernel-width",
        "neighbour-weights",
        "one-hot-sparse",
        "one-vs-rest-ties",
        "process-scale",
        "renamed-check",
        "svm-probability",
    ]
)
"""Repairs that no model small enough for the repository needs: `bench.old_models.matrix` alone checks them."""


BESIDE = frozenset({"booster-parameters", "booster-classes"})
"""Those of boosters, which `test_boosters_inside.py` checks."""


@pytest.fixture(autouse=True)
def _old_versions() -> Iterator[None]:
    """Other versions are what these tests are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def release_of(name: str) -> str:
    """That which saved a model, from its file's name."""
    return name.partition("__")[0]


@pytest.mark.parametrize("name", sorted(set(NEEDS.values())))
def test_with_repairs_it_answers_as_in_the_release_that_saved_it(name: str) -> None:
    kit = RepairKit(release_of(name), installed())
    assert outcome_of(SAVED / f"{name}.pkl", kit, read_case(SAVED / name)) == "equal"


@pytest.mark.parametrize("repair", sorted(name for name in NEEDS if not name.startswith(ENDS_THE_PROCESS)))
def test_without_this_repair_it_does_not(repair: str) -> None:
    name = NEEDS[repair]
    kit = RepairKit(release_of(name), installed(), frozenset({repair}))
    assert outcome_of(SAVED / f"{name}.pkl", kit, read_case(SAVED / name)) != "equal"


@pytest.mark.parametrize("name", sorted(set(NEEDS.values())))
def test_as_it_is_it_answers_differently_or_not_at_all(name: str) -> None:
    assert outcome_of(SAVED / f"{name}.pkl", None, read_case(SAVED / name)) != "equal"


def test_every_repair_for_the_installed_release_has_a_model_that_needs_it() -> None:
    wanted = {repair.name for repair in all_repairs() if within(installed(), repair.installed)} | NAMES
    assert wanted - LARGE - BESIDE == set(NEEDS)


@pytest.mark.parametrize(
    ("label", "classes", "wanted"),
    [
        (0, np.array([0, 1]), [0]),
        ("none", np.array(["none", "some"]), ["none"]),
        (0, [np.array([0, 1])] * 3, [0, 0, 0]),
        ([0, 1], [np.array([0, 1])] * 2, [0, 1]),
        (None, np.array([0, 1]), None),
    ],
)
def test_the_label_of_outliers_is_one_for_each_output(label: Any, classes: Any, wanted: Any) -> None:
    state = {"outlier_label": label, "classes_": classes}
    assert outlier_label.mend(RadiusNeighborsClassifier(), state)["outlier_label_"] == wanted


def test_repairs_have_names_of_their_own() -> None:
    names = [repair.name for repair in all_repairs()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("version", "bounds", "inside"),
    [
        ("1.4.2", "<1.5", True),
        ("1.5", "<1.5", False),
        ("1.5.0", ">=1.5", True),
        ("0.22.2.post1", ">=0.22,<0.23", True),
        ("1.10.0", "<1.9", False),
        ("1.4rc1", ">=1.4", True),
        ("", "<1.4", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, bounds: str, inside: bool) -> None:
    assert within(version, bounds) is inside
