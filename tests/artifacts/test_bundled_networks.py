"""Bundles of what takes or gives tensors, networks above all: built, asked again at a start, and shipped without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from modelport.artifacts.bundle import read_bundle
from modelport.assembly import build_bundle, keras, load_artifact, verify_bundle
from modelport.assembly.golden import TOLERANCE, replay
from modelport.config import ServeOptions
from modelport.deploy.subject import read_subject
from modelport.errors import ArtifactError, ConfigError
from tests.serving import serving

pytest.importorskip("onnxruntime")
TOLD = "converted to ONNX by tf2onnx 1.17 with TensorFlow 2.20, once: parity 96 of 96 rows"


def network(path: Path, operation: str = "Add", inputs: Any = ("n", 2, 3), kind: int = TensorProto.FLOAT) -> Path:
    """Twice its input, or half of it, or nothing."""
    nodes = [helper.make_node(operation, ["image", "image"], ["scores"])]
    image, scores = (helper.make_tensor_value_info(name, kind, inputs) for name in ("image", "scores"))
    made = helper.make_model(
        helper.make_graph(nodes, "graph", [image], [scores]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    path.write_bytes(made.SerializeToString())
    return path


def test_a_bundle_of_a_network_is_built_and_answers_as_the_file(tmp_path: Path) -> None:
    bundle = build_bundle(network(tmp_path / "net.onnx"), tmp_path / "net.bundle", ServeOptions())
    cases = bundle.golden()
    assert len(cases) == 5
    assert cases[0].record == ([[0.0, 0.0, 0.0]] * 2,)
    assert all(np.allclose(case.answer["scores"], 2 * np.array(case.record[0])) for case in cases)
    assert len({json.dumps(case.record) for case in cases}) == 5
    assert "5 golden cases answered by the original" in verify_bundle(tmp_path / "net.bundle", ServeOptions())
    with serving(tmp_path / "net.bundle") as service:
        assert service.predict([{"image": [[1, 2, 3], [4, 5, 6]]}]) == [{"scores": [[2, 4, 6], [8, 10, 12]]}]


def test_a_network_that_answers_otherwise_than_the_bundle_says_is_refused(tmp_path: Path) -> None:
    bundle = build_bundle(network(tmp_path / "net.onnx"), tmp_path / "net.bundle", ServeOptions())
    other, _ = load_artifact(network(tmp_path / "other.onnx", "Mul"), ServeOptions())
    with pytest.raises(ArtifactError, match="answered otherwise than when it was built: case 1: recorded"):
        replay(bundle, other)
    smaller, _ = load_artifact(network(tmp_path / "smaller.onnx", inputs=("n", 2, 2)), ServeOptions())
    with pytest.raises(ArtifactError, match="case 0"):
        replay(bundle, smaller)


class Shifted:
    """A model whose every number is a little off."""

    def __init__(self, model: Any, by: float) -> None:
        self.model, self.by = model, by

    def predict(self, records: Any) -> Any:
        """As another machine rounds."""
        answers = self.model.predict(records)
        return [{name: array + np.float32(self.by) for name, array in answer.items()} for answer in answers]


def test_numbers_may_be_as_far_apart_as_machines_round_and_no_further(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    bundle = build_bundle(path, tmp_path / "net.bundle", ServeOptions())
    model, _ = load_artifact(path, ServeOptions())
    near, far = Shifted(model, TOLERANCE / 2), Shifted(model, TOLERANCE * 20)
    assert replay(bundle, near) == 5  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="answered otherwise"):
        replay(bundle, far)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32, TensorProto.DOUBLE])
def test_tensors_of_every_kind_of_number_have_cases(kind: int, tmp_path: Path) -> None:
    bundle = build_bundle(network(tmp_path / "net.onnx", kind=kind), tmp_path / "net.bundle", ServeOptions())
    assert len(bundle.golden()) == 5


def test_of_a_large_tensor_the_example_alone_is_asked(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", inputs=("n", 3, 96, 96))
    assert len(build_bundle(path, tmp_path / "net.bundle", ServeOptions()).golden()) == 1


# -- networks that were converted --------------------------------------------------------------------------------------


@pytest.fixture
def converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> keras.Converted:
    """What a conversion has left, as if the converters were here; they take half a gigabyte."""
    (tmp_path / "cache").mkdir()
    made = keras.Converted(network(tmp_path / "cache" / "model.onnx"), TOLD)
    monkeypatch.setattr(keras, "CONVERTERS", ())
    monkeypatch.setattr(keras, "convert", lambda *_: made)
    return made


def saved(folder: Path, name: str) -> Path:
    """What is told to be a network by its content."""
    path = folder / name
    if path.suffix:
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    else:
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"\x08\x01")
    return path


@pytest.mark.parametrize("name", ["flowers.h5", "flowers"])
def test_a_bundle_holds_the_onnx_file_of_a_network_in_its_place(
    name: str, converted: keras.Converted, tmp_path: Path
) -> None:
    bundle = build_bundle(saved(tmp_path, name), tmp_path / "flowers.bundle", ServeOptions())
    assert bundle.manifest.original == "original/flowers.onnx"
    assert bundle.original.read_bytes() == converted.path.read_bytes()
    assert bundle.manifest.notes == bundle.manifest.signature.notes == (TOLD,)
    assert str(tmp_path) not in (bundle.path / "manifest.json").read_text(encoding="utf-8")


def test_what_is_shipped_of_a_network_needs_no_tensorflow(converted: keras.Converted, tmp_path: Path) -> None:
    build_bundle(saved(tmp_path, "flowers.h5"), tmp_path / "flowers.bundle", ServeOptions())
    names = {pin.name for pin in read_subject(str(tmp_path / "flowers.bundle")).pins}
    assert "onnxruntime" in names
    assert names.isdisjoint({"tensorflow", "keras", "tf2onnx", "onnx", "scikit-learn"})


@pytest.mark.parametrize("name", ["flowers.h5", "flowers"])
def test_a_network_itself_is_not_shipped_but_the_bundle_that_is_told(
    name: str, converted: keras.Converted, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError) as refused:
        read_subject(str(saved(tmp_path, name)))
    assert "the ONNX file that serves, so that the image needs no TensorFlow" in str(refused.value)
    assert str(refused.value).endswith(f"modelport build {tmp_path / name} -o flowers.bundle")


def test_where_nothing_converts_a_network_what_does_is_told_before_it_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras, "CONVERTERS", ("a_library_that_is_nowhere",))
    for name in ("flowers.h5", "flowers"):
        with pytest.raises(ArtifactError, match=r"pip install 'modelport\[keras\]'"):
            read_subject(str(saved(tmp_path, name)))


def test_a_bundle_of_before_that_holds_the_network_itself_is_to_be_built_anew(
    converted: keras.Converted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelport.assembly.bundles.converted_of", lambda *_: None)
    build_bundle(saved(tmp_path, "flowers.h5"), tmp_path / "flowers.bundle", ServeOptions())
    assert read_bundle(tmp_path / "flowers.bundle").manifest.original == "original/flowers.h5"
    with pytest.raises(ConfigError, match=r"holds a network as it was saved.* build it anew"):
        read_subject(str(tmp_path / "flowers.bundle"))
