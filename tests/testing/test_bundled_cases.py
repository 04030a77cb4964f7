"""The golden cases of a real bundle, replayed through a real service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelport.testing import replay
from tests.conftest import Music


@pytest.mark.slow
def test_a_bundle_is_replayed_with_its_own_cases_and_a_changed_one_is_found(music: Music, tmp_path: Path) -> None:
    bundle = tmp_path / "genre.bundle"
    flags = ["--out", str(bundle), "--data", str(music.data), "--target", "genre", "--no-compile"]
    command = [sys.executable, "-m", "modelport", "build", str(music.joblib), *flags]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    golden = json.loads((bundle / "golden.json").read_text())
    found = replay(bundle)
    assert (found.same, found.cases) == (True, len(golden))
    changed = [(dict(zip(_names(bundle), case["record"], strict=True)), case["answer"]) for case in golden[:3]]
    changed[1][1]["probabilities"]["Rock"] += 0.25
    found = replay(bundle, changed)
    assert [(d.place, d.field) for d in found.differences] == [("case 2", "probabilities.Rock")]


def _names(bundle: Path) -> list[str]:
    return [each["name"] for each in json.loads((bundle / "manifest.json").read_text())["signature"]["inputs"]]
