"""ONNX models of skl2onnx and of hand-made graphs, from the file to the answer of the ASGI app."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.assembly import load_artifact
from modelport.config import resolve
from modelport.errors import ArtifactError, SignatureError
from tests.artifacts.zoo import ROWS, check_answers, check_served, numbers, own_answers, people, sums, to_records
from tests.serving import serving

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")
pandas = pytest.importorskip("pandas")

from onnx import TensorProto, helper  # noqa: E402
from skl2onnx.common import data_types as types  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.neighbors import KNeighborsClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402

OPSET = {"": 17, "ai.onnx.ml": 3}
TABLE, TEST = numbers().astype(np.float32), numbers(ROWS, seed=1).astype(np.float32)
GENRE = np.where(sums(TABLE) > 0, "Rock", "Hip-Hop")
LEVEL = np.digitize(sums(TABLE), [-1, 1])


def convert(model: Any, folder: Path, zipmap: Any = None, names: bool = True, **options: Any) -> Path:
    """An ONNX file of a model over four numbers, with the names of its columns in the metadata as ours has them."""
    if zipmap is not None:
        options["options"] = {id(model): {"zipmap": zipmap}}
    initial = [("input", types.FloatTensorType([None, 4]))]
    proto = skl2onnx.to_onnx(model, initial_types=initial, target_opset=OPSET, **options)
    if names:
        helper.set_model_props(proto, {"feature_names": '["a", "b", "c", "d"]'})
    return write(proto, folder)


def write(proto: Any, folder: Path) -> Path:
    """The file."""
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def graph(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any] | None = None) -> Any:
    """A hand-made model."""
    made = helper.make_graph(nodes, "graph", inputs, outputs, constants or [])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def tensor(name: str, shape: list[Any], kind: int = TensorProto.FLOAT) -> Any:
    """An input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def rounded(answers: list[Any]) -> list[Any]:
    """ONNX computes in 32 bits."""
    return [
        {**a, "probabilities": {k: round(v, 4) for k, v in a["probabilities"].items()}} if "probabilities" in a else a
        for a in answers
    ]


# -- converted models ----------------------------------------------------------------------------------------------

CLASSIFIERS: dict[str, tuple[Callable[[], Any], Any]] = {
    "forest, strings": (lambda: RandomForestClassifier(n_estimators=5, random_state=0), GENRE),
    "forest, integers": (lambda: RandomForestClassifier(n_estimators=5, random_state=0), LEVEL),
    "logistic regression, strings": (LogisticRegression, GENRE),
    "logistic regression, integers": (LogisticRegression, LEVEL * 10 - 10),
    "scaled": (lambda: make_pipeline(StandardScaler(), LogisticRegression()), GENRE),
    "neighbours, strings": (KNeighborsClassifier, GENRE),
    "neighbours, integers": (KNeighborsClassifier, LEVEL * 10 - 10),
}


@pytest.mark.parametrize("zipmap", [True, False], ids=["zipmap", "no zipmap"])
@pytest.mark.parametrize(("make", "target"), CLASSIFIERS.values(), ids=CLASSIFIERS.keys())
def test_a_converted_classifier_answers_like_the_estimator(
    make: Callable[[], Any], target: Any, zipmap: bool, tmp_path: Path
) -> None:
    model = make().fit(TABLE.to_numpy(), target)
    with serving(convert(model, tmp_path, zipmap)) as service:
        answers = service.predict(to_records(TEST))
        wanted = own_answers(model, TEST.to_numpy())
        assert [a["prediction"] for a in answers] == [w["prediction"] for w in wanted]
        for answer, own in zip(answers, wanted, strict=True):
            assert answer["probabilities"] == pytest.approx(own["probabilities"], abs=1e-4)
        check_answers(service, to_records(TEST), answers)


def test_a_converted_classifier_without_names_takes_flat_lists(tmp_path: Path) -> None:
    model = LogisticRegression().fit(TABLE.to_numpy(), GENRE)
    path = convert(model, tmp_path, zipmap=False, names=False)
    with serving(path) as service:
        got = [a["prediction"] for a in service.predict(TEST.to_numpy().tolist())]
        assert got == model.predict(TEST.to_numpy()).tolist()
        assert service.signature["accepts_flat_lists"] is True
    data = tmp_path / "data.csv"
    TABLE.to_csv(data, index=False)
    with serving(path, data=data) as service:
        assert [a["prediction"] for a in service.predict(to_records(TEST))] == got
        assert service.post([0, 0, 0, 0]).status_code == 422


@pytest.mark.parametrize(
    ("model", "target"),
    [(LinearRegression(), sums(TABLE)), (RandomForestRegressor(n_estimators=5, random_state=0), sums(TABLE))],
    ids=["linear", "forest"],
)
def test_a_converted_regressor_answers_like_the_estimator(model: Any, target: Any, tmp_path: Path) -> None:
    model.fit(TABLE.to_numpy(), target)
    with serving(convert(model, tmp_path)) as service:
        got = [a["prediction"] for a in service.predict(to_records(TEST))]
        assert got == pytest.approx(model.predict(TEST.to_numpy()).tolist(), abs=1e-3)
        assert service.signature["task"] == "regression"


def test_a_converted_regressor_of_two_outputs_names_them(tmp_path: Path) -> None:
    target = np.column_stack((sums(TABLE), TABLE["a"]))
    model = LinearRegression().fit(TABLE.to_numpy(), target)
    with serving(convert(model, tmp_path)) as service:
        got = [list(a["prediction"].values()) for a in service.predict(to_records(TEST))]
        np.testing.assert_allclose(got, model.predict(TEST.to_numpy()), atol=1e-3)
        assert [o["name"] for o in service.signature["outputs"]] == ["y0", "y1"]


@pytest.mark.parametrize("model", [KMeans(3, n_init=1), IsolationForest(n_estimators=5, random_state=0)])
def test_a_converted_model_without_target_answers_with_its_label(model: Any, tmp_path: Path) -> None:
    model.fit(TABLE.to_numpy())
    wanted = [{"prediction": int(v)} for v in model.predict(TEST.to_numpy())]
    check_served(convert(model, tmp_path), TEST, wanted)


def test_inputs_by_column_keep_their_own_names_and_types(tmp_path: Path) -> None:
    table, rows = people()[["age", "income", "city"]], people(ROWS, seed=1)[["age", "income", "city"]]
    target = np.where(table["income"] > 3000, "rich", "poor")
    encode = ColumnTransformer([("n", StandardScaler(), ["age", "income"]), ("c", OneHotEncoder(), ["city"])])
    model = make_pipeline(encode, LogisticRegression()).fit(table, target)
    initial = [
        ("age", types.Int64TensorType([None, 1])),
        ("income", types.FloatTensorType([None, 1])),
        ("city", types.StringTensorType([None, 1])),
    ]
    proto = skl2onnx.to_onnx(model, initial_types=initial, target_opset=OPSET, options={id(model): {"zipmap": False}})
    path, data = write(proto, tmp_path), tmp_path / "people.csv"
    table.to_csv(data, index=False)
    for options in ({}, {"data": data}):
        with serving(path, **options) as service:
            assert [f["type"] for f in service.signature["inputs"]] == ["int", "float", "string"]
            answers = service.predict(to_records(rows))
            assert [a["prediction"] for a in answers] == model.predict(rows).tolist()
            check_answers(service, to_records(rows), answers)


def test_a_matrix_of_strings_is_a_table_of_strings(tmp_path: Path) -> None:
    table = people()[["city"]].assign(again=people(seed=5)["city"]).to_numpy(dtype=object)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(table, table[:, 0] == "Lima")
    proto = skl2onnx.to_onnx(
        model,
        initial_types=[("x", types.StringTensorType([None, 2]))],
        target_opset=OPSET,
        options={id(model): {"zipmap": False}},
    )
    with serving(write(proto, tmp_path)) as service:
        answers = service.predict([["Lima", "Osaka"], ["Osaka", "Lima"]])
        assert [a["prediction"] for a in answers] == [1, 0]


def test_null_is_taken_where_the_graph_fills_gaps_and_refused_where_it_does_not(tmp_path: Path) -> None:
    gaps, data = TABLE.mask(TABLE > 1), tmp_path / "data.csv"
    gaps.to_csv(data, index=False)
    rows = TEST.mask(TEST > 1)
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(gaps.to_numpy(), GENRE)
    with serving(convert(model, tmp_path), data=data) as service:
        got = [a["prediction"] for a in service.predict(to_records(rows))]
        assert got == model.predict(rows.to_numpy()).tolist()
    plain = LogisticRegression().fit(TABLE.to_numpy(), GENRE)
    with serving(convert(plain, tmp_path), data=data) as service:
        assert service.post({"a": None, "b": 0, "c": 0, "d": 0}).status_code == 422


# -- tensors -------------------------------------------------------------------------------------------------------


def test_a_tensor_model_with_a_free_batch_takes_many_records_at_once(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["image", "image"], ["twice"]), helper.make_node("Neg", ["image"], ["minus"])]
    image = tensor("image", ["n", 2, 3])
    path = write(graph(nodes, [image], [tensor("twice", ["n", 2, 3]), tensor("minus", ["n", 2, 3])]), tmp_path)
    cells = np.arange(60 * 6, dtype=float).reshape(60, 2, 3)
    wanted = [{"twice": (2 * c).tolist(), "minus": (-c).tolist()} for c in cells]
    with serving(path) as service:
        check_answers(service, [{"image": c.tolist()} for c in cells], wanted)
        assert service.field("image")["shape"] == [2, 3]
        assert service.post({"image": [[1, 2], [3, 4]]}).status_code == 422


def test_a_fixed_batch_of_one_is_run_record_by_record(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    path = write(graph(nodes, [tensor("x", [1, 2, 2])], [tensor("y", [1, 2, 2])]), tmp_path)
    with serving(path) as service:
        bodies = [{"x": [[i, 1], [2, 3]]} for i in range(50)]
        check_answers(service, bodies, [{"y": [[2.0 * i, 2.0], [4.0, 6.0]]} for i in range(50)])


def test_a_larger_fixed_batch_is_one_record(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    path = write(graph(nodes, [tensor("x", [3, 2])], [tensor("y", [3, 2])]), tmp_path)
    with serving(path) as service:
        assert service.field("x")["shape"] == [3, 2]
        body = {"x": [[1, 2], [3, 4], [5, 6]]}
        assert service.predict([body, body]) == [{"y": [[2, 4], [6, 8], [10, 12]]}] * 2


def test_two_tensor_inputs_are_matched_by_name(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", ["left", "right"], ["product"])]
    inputs = [tensor("left", [None, 3]), tensor("right", [None, 3])]
    path = write(graph(nodes, inputs, [tensor("product", [None, 3])]), tmp_path)
    with serving(path) as service:
        bodies = [{"right": [i, 1, 2], "left": [3, 4, 5]} for i in range(50)]
        check_answers(service, bodies, [{"product": [3.0 * i, 4.0, 10.0]} for i in range(50)])


def test_an_output_over_the_whole_batch_never_mixes_records(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0)]
    path = write(graph(nodes, [tensor("x", [None, 2, 1])], [tensor("total", [])]), tmp_path)
    with serving(path) as service:
        answers = service.predict([{"x": [[1], [2]]}, {"x": [[10], [20]]}])
        assert answers == [{"total": 3}, {"total": 30}]


def test_an_output_of_wrongly_declared_shape_is_still_run_in_batches(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    path = write(graph(nodes, [tensor("x", [None, 2, 1])], [tensor("y", [1, 2, 1])]), tmp_path)
    model, _ = load_artifact(path, resolve({}))
    ran: list[int] = []
    feed = model._feed  # type: ignore[attr-defined]

    def count(records: Any) -> Any:
        ran.append(len(records))
        return feed(records)

    model._feed = count  # type: ignore[attr-defined]
    one = (np.ones((2, 1), np.float32),)
    assert len(model.predict([one] * 5)) == 5
    assert ran == [5]


def test_tensors_of_integers_booleans_and_strings_keep_their_types(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in ("i", "b", "s")]
    kinds = {"i": TensorProto.INT64, "b": TensorProto.BOOL, "s": TensorProto.STRING}
    inputs = [tensor(name, [None, 2], kind) for name, kind in kinds.items()]
    outputs = [tensor(f"{name}_out", [None, 2], kind) for name, kind in kinds.items()]
    body = {"i": [1, 2**40], "b": [True, False], "s": ["ü", ""]}
    with serving(write(graph(nodes, inputs, outputs), tmp_path)) as service:
        wanted = {f"{name}_out": value for name, value in body.items()}
        assert service.predict([body, body]) == [wanted, wanted]
        assert service.post({**body, "i": [1.5, 2]}).status_code == 422
        service.check(service.predict(service.signature["example"]))


def test_the_toml_file_describes_a_tensor_and_cannot_contradict_the_graph(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    path = write(graph(nodes, [tensor("x", [None, None, 2])], [tensor("y", [None, None, 2])]), tmp_path)
    toml = path.with_suffix(".toml")
    toml.write_text('[fields.x]\nshape = [3, 2]\nexample = [[1, 2], [3, 4], [5, 6]]\ndescription = "it"', "utf-8")
    with serving(path) as service:
        assert service.field("x") == {**service.field("x"), "shape": [3, 2], "description": "it"}
        assert service.signature["example"] == {"x": [[1, 2], [3, 4], [5, 6]]}
    for line, message in (
        ("shape = [3, 3]", r"the model's own shape is \[-1, 2\]"),
        ('dtype = "int64"', "the model's own dtype is float32"),
        ("nullable = true", "nullable says nothing about a tensor; known are shape, dtype, example, description"),
        ("shape = [3, 2]\nexample = [[1, 2]]", "the example does not fit: Expected 3 elements"),
    ):
        toml.write_text(f"[fields.x]\n{line}", "utf-8")
        with pytest.raises(SignatureError, match=message):
            load_artifact(path, resolve({}))


@pytest.mark.parametrize("content", [b"\x00\x01\x02", b"no model at all", b"\x08\x08" * 100])
def test_a_damaged_onnx_file_is_one_clear_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read as ONNX") as refused:
        load_artifact(path, resolve({}))
    assert "\n" not in str(refused.value)


def test_the_runtime_tells_nobody_about_this_machine(tmp_path: Path) -> None:
    """ONNX Runtime 1.31 writes a number for the machine and a database of what to send, unless it is told not to."""
    path = convert(LogisticRegression().fit(TABLE, GENRE), tmp_path)
    code = f"""
import os
from pathlib import Path
from modelport.assembly import load_artifact
from modelport.config import resolve
model, _ = load_artifact(Path({str(path)!r}), resolve({{"features": ["a", "b", "c", "d"]}}))
"""
    (cache := tmp_path / "cache").mkdir()
    plain = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment = {**plain, "HOME": str(cache), "XDG_CACHE_HOME": str(cache)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)
    assert list(cache.iterdir()) == []
