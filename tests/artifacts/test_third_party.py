"""Loaders of other packages, found by the entry points of what is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from modelport.assembly import find_loader
from modelport.errors import ArtifactError
from tests.serving import serving

LOADER = """
import json
from modelport.kernel.infer import refine
from modelport.kernel.ports import Cost
from modelport.kernel.signature import Field, Output, Signature, Task


class Model:
    def __init__(self, factor, size, hints):
        self.factor = factor
        self.signature = Signature(Task.REGRESS, refine([Field("x")], hints), (Output("prediction"),))
        self.cost = Cost(bytes=size, compiled=False, releases_gil=False)

    def predict(self, records):
        return [{"prediction": self.factor * x} for (x,) in records]


class Loader:
    extra = "factor"

    def probe(self, path, head):
        return head.startswith(b"FACTOR ")

    def load(self, path, hints):
        return Model(float(path.read_text().split()[1]), path.stat().st_size, hints)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with one loader, as pip leaves it."""
    site = tmp_path / "site"
    metadata = site / "factor_loader-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "factor_loader.py").write_text(LOADER, encoding="utf-8")
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: factor-loader\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[modelport.loaders]\nfactor = factor_loader:Loader\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "factor_loader", raising=False)


def model(folder: Path) -> Path:
    """A file of its kind."""
    path = folder / "double.factor"
    path.write_text("FACTOR 2.5", encoding="utf-8")
    return path


@pytest.mark.usefixtures("installed")
def test_a_loader_of_another_package_is_found_and_serves_its_files(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("x\n1.5\n2.5\n", encoding="utf-8")
    with serving(model(tmp_path), data=data) as service:
        assert service.predict([{"x": 2}, {"x": -1.0}]) == [{"prediction": 5.0}, {"prediction": -2.5}]
        assert service.field("x")["training_range"] == [1.5, 2.5]
        assert service.post({"x": "2"}).status_code == 422


@pytest.mark.usefixtures("installed")
def test_our_own_loaders_are_asked_first(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.write_text("FACTOR 2", encoding="utf-8")
    assert type(find_loader(path)).__name__ == "SklearnLoader"


def test_without_the_package_the_file_is_of_no_known_kind(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="of no kind that is read here"):
        find_loader(model(tmp_path))
