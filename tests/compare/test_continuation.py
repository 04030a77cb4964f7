"""A run that goes on: what was measured whole is kept, the rest is measured again, and nothing is mixed with another run."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from modelport.compare.continuation import continue_from
from modelport.compare.results import Results, read_results
from modelport.errors import SetupError
from tests.compare.fixed import everything

RATES = {"modelport": [100.0, 101, 99], "flask": [50.0, 51, 49]}
EDITED = [{"name": "modelport", "edited": {"app.py": "0123456789ab"}}, {"name": "flask"}]


def interrupted() -> Results:
    """In its second round, before the starts that are to be weighed."""
    run = everything(RATES)
    run.complete = False
    run.done = [[0, "modelport"], [0, "modelport (work)"], [0, "flask"], [0, "modelport (weighed)"], [1, "modelport"]]
    run.about |= {"rates": {"one-row": [10.0]}, "rough_capacities": {"modelport": {"one-row": 100.0}}}
    return run


def anew() -> Results:
    """The same run, before anything is measured."""
    run = everything(RATES)
    return Results(copy.deepcopy(run.about), run.contestants, run.cases)


def test_only_starts_that_were_measured_to_their_end_are_kept(tmp_path: Path) -> None:
    interrupted().write(tmp_path / "results.json")
    run = anew()
    continue_from(run, read_results(tmp_path / "results.json"))
    assert sorted({(m.round, m.contestant) for m in run.measurements}) == [
        (0, "flask"),
        (0, "modelport"),
        (1, "modelport"),
    ]
    assert {(o.round, o.contestant) for o in run.observations if o.case == "overload"} == {(0, "modelport")}
    assert {(w.round, w.contestant) for w in run.weights} == {(0, "modelport")}
    assert run.done == interrupted().done
    assert run.about["rates"] == {"one-row": [10.0]}
    assert run.about["resumed"] == 1


@pytest.mark.parametrize(
    ("place", "other", "said"),
    [
        (("about", "model", "version"), "new", "the model is another one"),
        (("about", "plan", "capacity_s"), 9.0, "the plan is another one"),
        (("about", "machine", "processor"), "Q", r"the machine \(processor\) is another one"),
        (("about", "versions", "flask"), {"flask": "2"}, "a package of the contestants is another one"),
        (("contestants",), EDITED, "the code of the contestants is another one"),
        (("cases",), [], "the choice of cases is another one"),
    ],
)
def test_a_run_of_other_things_is_not_gone_on_with(place: tuple[str, ...], other: Any, said: str) -> None:
    earlier, run = interrupted(), anew()
    at: Any = earlier.__dict__
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = other
    with pytest.raises(SetupError, match=said):
        continue_from(run, earlier)


def test_a_complete_run_is_not_gone_on_with() -> None:
    earlier = interrupted()
    earlier.complete = True
    with pytest.raises(SetupError, match="is complete; measure anew without --resume"):
        continue_from(anew(), earlier)


def test_every_sample_survives_the_file(tmp_path: Path) -> None:
    interrupted().write(tmp_path / "results.json")
    read_results(tmp_path / "results.json").write(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads((tmp_path / "results.json").read_text())
