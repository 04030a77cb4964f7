"""What the rules say of today's versions, asked of these versions. A release that changes its mind fails here."""

from __future__ import annotations

from typing import Any

import fastapi
import flask
import numpy as np
import pydantic
import pytest
import uvicorn
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates
from httpx import ASGITransport, AsyncClient

from modelport.adopt.rules.pydantic import RENAMED


def answer(value: Any) -> int:
    """The status with which Flask answers a value as JSON."""
    app = flask.Flask("claims")
    app.logger.disabled = True
    app.add_url_rule("/", "home", lambda: flask.jsonify(value))
    return app.test_client().get("/").status_code


@pytest.mark.parametrize("value", [np.int64(1), np.float32(1.5), np.bool_(True), np.array([1])], ids=repr)
def test_flask_cannot_write_it(value: Any) -> None:
    assert answer({"y": value}) == 500


@pytest.mark.parametrize(
    "value", [np.float64(1.5), np.str_("a"), np.array([1.5]).tolist(), np.int64(1).item()], ids=repr
)
def test_flask_can_write_it(value: Any) -> None:
    assert answer({"y": value}) == 200


async def status(value: Any, declared: Any) -> int:
    """The same for FastAPI, with the type that the answer is declared to have."""
    app = fastapi.FastAPI()
    app.add_api_route("/", lambda: value, response_model=declared)
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://claims") as client:
        return (await client.get("/")).status_code


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        (np.int64(1), None, 500),
        (np.array([1.5]), None, 500),
        (np.float64(1.5), None, 200),
        (np.array([1.5]), list[float], 200),
        (np.array([1.5]), float, 500),
        (np.int64(1), int, 200),
        (np.int64(1), str, 500),
    ],
)
async def test_fastapi_writes_numpy_where_a_type_makes_plain_data_of_it(
    value: Any, declared: Any, expected: int
) -> None:
    assert await status(value, declared) == expected


@pytest.mark.parametrize("kind", [float, int])
def test_an_array_of_one_element_is_no_number(kind: type[Any]) -> None:
    with pytest.raises(TypeError):
        kind(np.array([1.5]))


def test_flask_and_fastapi_have_lost_these_methods() -> None:
    assert not hasattr(flask.Flask("claims"), "before_first_request")
    assert not hasattr(fastapi.FastAPI(), "add_event_handler")
    assert not hasattr(fastapi.FastAPI(), "route")
    assert hasattr(fastapi.FastAPI(), "on_event")


def test_flask_ignores_an_encoder_and_settings_of_json() -> None:
    app: Any = flask.Flask("claims")
    app.json_encoder = None
    app.config["JSON_SORT_KEYS"] = False
    app.add_url_rule("/", "home", lambda: flask.jsonify(b=1, a=2))
    assert app.test_client().get("/").data.startswith(b'{"a":2')


def test_a_template_wants_the_request_first() -> None:
    templates: Any = Jinja2Templates(directory=".")
    with pytest.raises(TypeError):
        templates.TemplateResponse(name="i.html", context={"request": None})
    with pytest.raises((TypeError, AttributeError)):
        templates.TemplateResponse("i.html", {"request": Response()})


@pytest.mark.parametrize("options", [{"reload": True}, {"workers": 2}])
def test_uvicorn_ends_at_once_where_it_is_given_the_app_itself(options: dict[str, Any]) -> None:
    with pytest.raises(SystemExit):
        uvicorn.run(fastapi.FastAPI(), **options)


OLD_CLASS = """
class Row(BaseModel):
    a: int

    class Config:
        schema_extra = {"example": 1}
        allow_mutation = False
"""


@pytest.mark.filterwarnings("ignore:Support for class-based", "ignore:Valid config keys have changed")
def test_pydantic_ignores_the_old_keys() -> None:
    assert not set(RENAMED) & set(pydantic.ConfigDict.__annotations__)
    scope: dict[str, Any] = {"BaseModel": pydantic.BaseModel}
    exec(OLD_CLASS, scope)
    made = scope["Row"]
    row = made(a=1)
    row.a = 2
    assert (row.a, "example" in made.model_json_schema()) == (2, False)


def test_pydantic_refuses_fractions_in_whole_numbers_and_wants_what_may_be_null() -> None:
    made: Any = pydantic.create_model("Row", a=(int, ...), b=(float | None, ...))
    with pytest.raises(pydantic.ValidationError, match="fractional part"):
        made(a=1.5, b=None)
    with pytest.raises(pydantic.ValidationError, match="Field required"):
        made(a=1)


@pytest.mark.parametrize(
    "body",
    [{"a": 1.0}, {"__root__": 1, "__annotations__": {"__root__": list[int]}}, {"__annotations__": {"a": np.ndarray}}],
)
def test_pydantic_refuses_the_class(body: dict[str, Any]) -> None:
    with pytest.raises((pydantic.errors.PydanticUserError, pydantic.errors.PydanticSchemaGenerationError)):
        type("Row", (pydantic.BaseModel,), {**body, "__module__": __name__})


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: flask.request.json["a"], 500),
        (lambda: flask.request.form["a"], 400),
        (lambda: float(flask.request.args["a"]), 500),
        (lambda: flask.json.loads(flask.request.data + b"{"), 500),
    ],
    ids=["json", "form", "number", "loads"],
)
def test_what_flask_answers_to_bad_input(read: Any, expected: int) -> None:
    app = flask.Flask("claims")
    app.logger.disabled = True
    app.add_url_rule("/", "home", lambda: str(read()), methods=["POST"])
    assert app.test_client().post("/?a=text", json={}).status_code == expected
