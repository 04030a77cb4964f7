"""One document for models and routes."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from openapi_spec_validator import validate
from pydantic import BaseModel

from modelport.fronts.openapi import openapi_document
from modelport.fronts.openapi_merge import merge_documents
from modelport.runtime.lifecycle import Loaded, Slot


class Problem(BaseModel):
    """Has the name of a schema of ours."""

    what: str


def merged(app: FastAPI) -> dict[str, Any]:
    """The document of these routes beside one model."""
    slot = Slot("genre")
    slot.become_ready(Loaded("", "process", "", body_schema={"type": "object"}, answer_schema={"type": "number"}), None)
    document = merge_documents(openapi_document("music", "1", [slot]), app.openapi())
    validate(document)
    return document


def test_a_schema_of_a_route_keeps_its_name_and_ours_gets_another() -> None:
    app = FastAPI()

    @app.get("/problem")
    async def problem() -> Problem:
        raise NotImplementedError

    schemas = merged(app)["components"]["schemas"]
    assert "what" in schemas["Problem"]["properties"]
    assert "loc" in schemas["Modelport.Problem"]["properties"]
    assert schemas["Error"]["properties"]["detail"]["items"] == {"$ref": "#/components/schemas/Modelport.Problem"}


def test_operations_of_the_same_name_are_told_apart() -> None:
    app = FastAPI()

    @app.get("/other", operation_id="predict_genre")
    async def other() -> int:
        raise NotImplementedError

    paths = merged(app)["paths"]
    assert paths["/other"]["get"]["operationId"] == "predict_genre"
    assert paths["/models/genre/predict"]["post"]["operationId"] == "predict_genre_model"


def test_a_path_that_a_route_has_is_the_routes() -> None:
    app = FastAPI()

    @app.get("/metrics", tags=["mine"], responses={418: {"description": "short and stout"}})
    async def metrics() -> int:
        raise NotImplementedError

    operation = merged(app)["paths"]["/metrics"]["get"]
    assert operation["tags"] == ["mine"]
    assert "418" in operation["responses"]


def test_what_routes_say_of_themselves_is_kept() -> None:
    app = FastAPI(
        openapi_tags=[{"name": "mine", "description": "of my own"}], servers=[{"url": "https://music.example"}]
    )
    document = merged(app)
    assert {"name": "mine", "description": "of my own"} in document["tags"]
    assert document["servers"] == [{"url": "https://music.example"}]
