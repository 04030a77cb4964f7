"""The OpenAPI document: valid for any signature, true of what is accepted and answered."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from modelport.codecs.json import compile_decoder, encode
from modelport.errors import InvalidInput, Problem
from modelport.fronts.openapi import answer_schema, openapi_document, record_schema
from modelport.kernel.signature import Field, Kind, Output, Signature, Task
from modelport.runtime.lifecycle import Loaded, Slot
from tests.codecs.signatures import good_values, signatures
from tests.fronts.models import MODELS, TRACK
from tests.fronts.service import open_service
from tests.process.server import Server

Write = Callable[..., Path]
jsonschema = importlib.import_module("jsonschema")
SERVED = sorted(set(MODELS) - {"slow-to-load", "gated", "fails-to-load"})


def assert_valid(document: dict[str, Any]) -> None:
    """Valid OpenAPI 3.1, and every example of a body fits its own schema."""
    OpenAPIV31SpecValidator(document).validate()
    for path, operations in document["paths"].items():
        if not path.endswith("predict"):
            continue
        content = operations["post"]["requestBody"]["content"]["application/json"]
        schema = {**content["schema"], "components": document["components"]}
        for example in content["examples"].values():
            jsonschema.validate(example["value"], schema)


@pytest.mark.parametrize("name", SERVED)
async def test_the_document_of_a_model_is_valid_and_true_of_its_answers(fake: Write, name: str) -> None:
    async with open_service(fake(name)) as client:
        document = (await client.get("/openapi.json")).json()
        assert_valid(document)
        operation = document["paths"]["/predict"]["post"]
        for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
            response = await client.post("/predict", json=example["value"])
            answered = operation["responses"][str(response.status_code)]["content"]["application/json"]["schema"]
            jsonschema.validate(response.json(), {**answered, "components": document["components"]})
            assert response.status_code == 200 or name == "counts-wrong", response.text


async def test_failed_records_and_null_are_documented(track: httpx.AsyncClient) -> None:
    document = (await track.get("/openapi.json")).json()
    answered = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    response = await track.post("/predict", json=[TRACK, {**TRACK, "tempo": 666}, {**TRACK, "tempo": 601}])
    jsonschema.validate(response.json(), {**answered, "components": document["components"]})
    assert [list(answer) for answer in response.json()] == [["prediction"], ["error"], ["prediction"]]


@pytest.mark.parametrize("name", ["модель", "a b", "{id}", "a{b", "x" * 200, "model_name", "predict"])
async def test_the_document_is_valid_for_any_name_of_a_model(fake: Write, name: str) -> None:
    async with open_service(fake("track"), name=name) as client:
        assert_valid((await client.get("/openapi.json")).json())


async def test_the_document_knows_the_prefix_that_the_service_is_mounted_at(track: httpx.AsyncClient) -> None:
    transport = httpx.ASGITransport(app=track._transport.app, root_path="/ml")  # type: ignore[attr-defined]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as mounted:
        document = (await mounted.get("/ml/openapi.json")).json()
        assert document["servers"] == [{"url": "/ml"}]
        assert_valid(document)
        assert (await mounted.post("/ml/predict", json=TRACK)).status_code == 200


def test_a_flat_list_is_described_by_the_type_of_each_of_its_values() -> None:
    fields = (Field("x0"), Field("x1", Kind.INT), Field("x2", Kind.STRING, nullable=True), Field("x3", Kind.BOOL))
    slot = Slot("m")
    slot.loaded = Loaded("0123", "inline", "a reason", Signature(Task.REGRESS, fields, (Output("prediction"),), True))
    schemas = openapi_document("m", "0123", [slot])["components"]["schemas"]
    flat = schemas["m.FlatRecord"]
    assert [item["type"] for item in flat["prefixItems"]] == ["number", "integer", ["string", "null"], "boolean"]
    assert (flat["minItems"], flat["maxItems"]) == (4, 4)


@given(signatures())
@settings(max_examples=60, deadline=None)
def test_the_document_of_any_signature_is_valid(signature: Signature) -> None:
    slot = Slot("m")
    slot.loaded = Loaded("0123", "inline", "a reason", signature)
    document: dict[str, Any] = json.loads(encode(openapi_document("m", "0123", [slot])))
    assert_valid(document)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_what_the_schema_allows_is_accepted_and_what_it_forbids_is_refused(data: st.DataObject) -> None:
    signature = data.draw(signatures())
    record: dict[str, Any] = {
        f.name: data.draw(
            good_values(f) | st.sampled_from([None, True, 1, 2.5, 2.0, -1, 300, 2**53, 1e39, "x", [], {}])
        )
        for f in signature.inputs
    }
    if data.draw(st.integers(0, 5)) == 0:
        record[data.draw(st.text(max_size=3))] = 1
    allowed = jsonschema.Draft202012Validator(json.loads(encode(record_schema(signature)))).is_valid(record)
    problems = read(signature, record)
    ragged = any(problem.type == "tensor_shape" for problem in problems)  # JSON Schema cannot tell of these
    assert allowed == (not problems) or ragged, problems


def read(signature: Signature, record: dict[str, Any]) -> Sequence[Problem]:
    """What is wrong with a record, if anything."""
    try:
        compile_decoder(signature)(json.dumps(record).encode())
    except InvalidInput as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    ("task", "outputs", "answer"),
    [
        (Task.CLASSIFY, [Output("prediction", classes=(0, 1), probabilities=True)],
         {"prediction": 1, "probabilities": {"0": 0.1, "1": 0.9}}),
        (Task.CLASSIFY, [Output("y0", classes=("a",)), Output("y1", classes=(1,))], {"prediction": {"y0": "a", "y1": 1}}),
        (Task.REGRESS, [Output("prediction")], {"prediction": None}),
        (Task.TENSOR, [Output("o", shape=(2,), dtype="float32")], {"o": [1.0, None]}),
    ],
)  # fmt: skip
def test_the_schema_of_an_answer_fits_the_answer(task: Task, outputs: list[Output], answer: dict[str, Any]) -> None:
    jsonschema.validate(answer, answer_schema(Signature(task, (), tuple(outputs))))


# -- schemathesis --------------------------------------------------------------------------------------------------


@pytest.fixture(
    scope="module",
    params=["track", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("classifier", "positional", "picture"))],
)
def live(request: pytest.FixtureRequest, serve_fake: Callable[..., Server]) -> Iterator[Server]:
    """A real server of the model."""
    with serve_fake(request.param, "--workers", 1) as server:
        yield server


DEADLINES_PASS = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "504"]
"""
"""A call that may take a nanosecond deserves its 504."""


def test_schemathesis_finds_nothing(live: Server, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{live.url}/openapi.json", "--checks", "all"]
    options = ["--max-examples", "15", "--generation-deterministic", "--no-color"]
    (tmp_path / "schemathesis.toml").write_text(DEADLINES_PASS)
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert live.stderr == ""
