"""Models that old releases really saved answer here as they did there, whichever way that takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from modelport.assembly.forms import open_form
from modelport.assembly.rescue import rescue
from modelport.config import ServeOptions
from tests.native.places import cache_of_tests, old_environment

VERSIONS = ["0.19.2", "0.22.2.post1", "1.3.2", "1.6.1"]
SAVING = Path(__file__).with_name("saving.py")


@pytest.fixture(scope="module", params=VERSIONS)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models and of what they answered."""
    folder = tmp_path_factory.mktemp(request.param)
    subprocess.run(old_environment(request.param).command(SAVING, str(folder)), check=True, timeout=120)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["forest", "ada", "ovr", "neighbors", "texts"])
def test_a_rescued_model_answers_as_in_the_version_that_saved_it(saved: Path, name: str) -> None:
    options = ServeOptions(cache_dir=cache_of_tests())
    rescue(saved / f"{name}.joblib", saved / f"{name}.bundle", options, False, lambda what, done: None)
    known = json.loads((saved / f"{name}.json").read_text())
    model = open_form(None, saved / f"{name}.bundle", options).model
    rows = [row if isinstance(row, list) else [row] for row in known["rows"]]
    answers = model.predict([tuple(row) for row in rows])
    assert [a["prediction"] for a in answers] == known["labels"]
    found = [list(a["probabilities"].values()) for a in answers]
    np.testing.assert_allclose(found, known["probabilities"], atol=1e-5)
