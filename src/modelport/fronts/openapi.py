"""The OpenAPI 3.1 document, generated from the signatures of the served models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from modelport.codecs.media import FORM, MSGPACK
from modelport.codecs.stream_forms import JSONL, NDJSON, SSE
from modelport.fronts.negotiation import Offers
from modelport.fronts.stream_offers import StreamOffers
from modelport.kernel.check import FLOAT_ENDS
from modelport.kernel.names import component_name
from modelport.kernel.signature import Field, Kind, Output, Signature, Task
from modelport.runtime.lifecycle import Loaded, Slot

Schema = dict[str, Any]

ERROR_SCHEMA: Schema = {
    "type": "object",
    "required": ["detail"],
    "properties": {"detail": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}}},
}
PROBLEM_SCHEMA: Schema = {
    "type": "object",
    "required": ["loc", "msg", "type", "input"],
    "properties": {
        "loc": {"type": "array", "items": {"type": ["string", "integer"]}, "description": "Where the problem is"},
        "msg": {"type": "string", "description": "What is wrong"},
        "type": {"type": "string", "description": "A stable name of the problem"},
        "input": {"description": "What came, cut short"},
        "hint": {"type": "string", "description": "What to do"},
    },
}
ERRORS = {
    "400": "The body is not JSON, or not well-formed",
    "406": "The answer has no form in the media types that are accepted",
    "413": "The body is too large",
    "415": "The media type is not read",
    "422": "The data does not fit the model's inputs",
    "500": "The model failed on this record",
    "503": "The model is loading, overloaded, or its process ended",
    "504": "The deadline passed",
}
HEADERS: Schema = {
    "Request-Id": {"description": "The id that was sent, or a new one", "schema": {"type": "string"}},
    "Model-Name": {"description": "The model that answered", "schema": {"type": "string"}},
    "Model-Version": {"description": "The start of the SHA-256 of its file", "schema": {"type": "string"}},
    "Modelport-Errors": {"description": "How many records of a list failed", "schema": {"type": "integer"}},
    "Modelport-Out-Of-Range": {"description": "Values outside the training data", "schema": {"type": "string"}},
    "Modelport-Non-Finite": {"description": "How many answers were NaN or infinite", "schema": {"type": "integer"}},
}


def openapi_document(title: str, version: str, slots: Sequence[Slot]) -> Schema:
    """The whole document. Models that are still loading appear as soon as they are ready."""
    schemas: dict[str, Schema] = {"Problem": PROBLEM_SCHEMA, "Error": ERROR_SCHEMA}
    paths: dict[str, Schema] = {}
    tags = []
    for slot in slots:
        if slot.loaded is None:
            continue
        tags.append({"name": slot.name, "description": _model_description(slot)})
        schemas.update(_loaded_schemas(slot.name, slot.loaded))
        operation = _predict_operation(slot)
        paths[f"/models/{quote(slot.name)}/predict"] = {"post": operation}
        if len(slots) == 1:
            paths = {"/predict": {"post": {**operation, "operationId": "predict"}}, **paths}
    tags.append({"name": "service", "description": "What is served, and whether it is well"})
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": "Served by Modelport."},
        "paths": {**paths, **_service_paths()},
        "components": {"schemas": schemas},
        "tags": tags,
    }


def _model_description(slot: Slot) -> str:
    assert slot.loaded is not None
    signature = slot.loaded.signature
    if signature is None:
        return "a model written in Python"
    return f"{signature.task} with {len(signature.inputs)} inputs, version {slot.loaded.version}"


# -- one model -----------------------------------------------------------------------------------------------------


def _predict_operation(slot: Slot) -> Schema:
    assert slot.loaded is not None
    record = {"$ref": _ref(slot.name, "Record")}
    answer = {"$ref": _ref(slot.name, "Answer")}
    element = {"anyOf": [answer, {"$ref": _ref(slot.name, "FailedRecord")}]}
    body: list[Schema] = [record] if slot.loaded.streams else [record, {"type": "array", "items": record}]
    signature = slot.loaded.signature
    if signature is not None and signature.positional:
        flat = {"$ref": _ref(slot.name, "FlatRecord")}
        body += [flat, {"type": "array", "items": flat}]
    example = slot.loaded.example if signature is None else signature.example()
    examples = {} if example is None else {"examples": _examples(example, not slot.loaded.streams)}
    offers = StreamOffers(slot.loaded) if slot.loaded.streams else Offers(slot.loaded)
    answers = {"anyOf": [answer, {"type": "array", "items": element}]}
    return {
        "tags": [slot.name],
        "operationId": f"predict_{component_name(slot.name)}",
        "summary": f"Predict with {slot.name}",
        "description": STREAM_DESCRIPTION if slot.loaded.streams else DESCRIPTION,
        "parameters": [_REQUEST_ID],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": body},
                    **examples,
                },
                **_other_bodies(offers, slot.loaded),
            },
        },
        "responses": {
            "200": _stream_response(answer) if slot.loaded.streams else _answer_response(offers, answers),
            **{status: _json_response(text, {"$ref": "#/components/schemas/Error"}) for status, text in ERRORS.items()},
        },
    }


DESCRIPTION = (
    "One record gives one answer; a list of records gives a list of answers in the same order. "
    "The header `Request-Timeout: 2` says how many seconds the caller waits."
)
STREAM_DESCRIPTION = (
    "The answer is a stream of items. `Accept: text/event-stream` gives Server-Sent Events: an event `message` for each item, "
    'then `end` or `error`. Else it comes as lines of JSON, the last of which is `{"stream_error": …}` if it failed. '
    "A WebSocket at this path answers the body, sent as its first message, with a message for each item. "
    "The header `Request-Timeout: 2` says how many seconds the caller waits for the first item, and for each next one."
)


_BINARY: Schema = {"type": "string", "format": "binary"}


_AS_JSON: Schema = {**_BINARY, "description": "The same value as in JSON"}


def _other_bodies(offers: Offers, loaded: Loaded) -> Schema:
    """Media types of bodies beside JSON. Of a form each field is shown; of the others no page can make one."""
    schemas = {MSGPACK: _AS_JSON, FORM: loaded.form_schema or _BINARY}
    return {media.decode(): {"schema": schemas.get(media, _BINARY)} for media in _form_first(offers.reads[1:])}


def _form_first(media: list[bytes]) -> list[bytes]:
    return sorted(media, key=lambda name: name != FORM)


def _answer_response(offers: Offers, as_json: Schema) -> Schema:
    response = _json_response("The answer", as_json, HEADERS)
    for media in offers.writes[1:]:
        response["content"][media.decode()] = {"schema": _AS_JSON if media == MSGPACK else _BINARY}
    return response


def _stream_response(item: Schema) -> Schema:
    """OpenAPI 3.1 knows no streams: the type of an item stands where an extension may, under the name that 3.2 gives it."""
    lines: Schema = {"type": "string", "description": "A line of JSON for each item"}
    events: Schema = {"type": "string", "description": "An event for each item, whose data is its JSON"}
    content = {
        NDJSON.decode(): {"schema": lines, "x-itemSchema": item},
        SSE.decode(): {"schema": events, "x-itemSchema": item},
        JSONL.decode(): {"schema": lines, "x-itemSchema": item},
    }
    headers = {name: HEADERS[name] for name in ("Request-Id", "Model-Name")}
    return {"description": "The items, as they come", "content": content, "headers": headers}


def _examples(example: Any, lists: bool) -> Schema:
    one = {"one": {"summary": "One record", "value": example}}
    return one | {"several": {"summary": "A list of records", "value": [example, example]}} if lists else one


_REQUEST_ID: Schema = {
    "name": "Request-Id",
    "in": "header",
    "required": False,
    "description": "Echoed in the answer and written to the log, if it is of at most 128 printable ASCII characters",
    "schema": {"type": "string"},
}


def _ref(model: str, kind: str) -> str:
    return f"#/components/schemas/{_component(model, kind)}"


def _component(model: str, kind: str) -> str:
    """Pydantic's references (codecs/typed.py) spell a model's name in the same way."""
    return f"{component_name(model)}.{kind}"


def _json_response(description: str, schema: Schema, headers: Schema | None = None) -> Schema:
    response: Schema = {"description": description, "content": {"application/json": {"schema": schema}}}
    return {**response, "headers": headers} if headers else response


def _loaded_schemas(model: str, loaded: Loaded) -> dict[str, Schema]:
    if loaded.signature is not None:
        return _model_schemas(model, loaded.signature)
    schemas = {_component(model, "FailedRecord"): _FAILED_RECORD}
    for kind, schema in (("Record", loaded.body_schema or {}), ("Answer", loaded.answer_schema or {})):
        own = {key: value for key, value in schema.items() if key != "$defs"}
        schemas[_component(model, kind)] = own
        schemas |= {_component(model, name): inner for name, inner in schema.get("$defs", {}).items()}
    return schemas


def _model_schemas(model: str, signature: Signature) -> dict[str, Schema]:
    schemas = {
        _component(model, "Record"): record_schema(signature),
        _component(model, "Answer"): answer_schema(signature),
        _component(model, "FailedRecord"): _FAILED_RECORD,
    }
    if signature.positional:
        width = len(signature.inputs)
        schemas[_component(model, "FlatRecord")] = {
            "type": "array",
            "prefixItems": [field_schema(f) for f in signature.inputs],
            "minItems": width,
            "maxItems": width,
            "description": "The values in the model's order",
        }
    return schemas


_FAILED_RECORD: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}


def record_schema(signature: Signature) -> Schema:
    """JSON Schema of one record."""
    return {
        "type": "object",
        "properties": {f.name: field_schema(f) for f in signature.inputs},
        "required": [f.name for f in signature.inputs if not f.optional],
        "additionalProperties": False,
        "examples": [signature.example()],
    }


def field_schema(f: Field) -> Schema:
    """JSON Schema of one field. A training range is described, not enforced: values outside are answered and flagged."""
    schema = _lists_schema(f.shape, f.dtype) if f.kind is Kind.TENSOR else _scalar_schema(f)
    if f.categories and f.closed:
        schema["enum"] = [*f.categories, *([None] if f.nullable else [])]
    if f.nullable:
        schema["type"] = [schema["type"], "null"]
    text = _field_description(f)
    return {**schema, "description": text} if text else schema


_JSON_TYPES = {Kind.FLOAT: "number", Kind.INT: "integer", Kind.BOOL: "boolean", Kind.STRING: "string"}


def _scalar_schema(f: Field) -> Schema:
    if f.kind is Kind.FLOAT:
        return {"type": "number", "minimum": -f.limit, "maximum": f.limit}
    return _element_schema(f.dtype or "int64") if f.kind is Kind.INT else {"type": _JSON_TYPES[f.kind]}


def _element_schema(dtype: str) -> Schema:
    """What an array of this dtype can hold."""
    if dtype == "int64":
        return {"type": "integer", "format": "int64"}
    if "int" in dtype:
        low, high = Field("", dtype=dtype).int_bounds
        return {"type": "integer", "minimum": low, "maximum": high}
    end = FLOAT_ENDS.get(dtype)
    return {**_leaf_schema(dtype), **({} if end is None else {"exclusiveMinimum": -end, "exclusiveMaximum": end})}


def _lists_schema(shape: Sequence[int | None], dtype: str) -> Schema:
    """Nested lists. An empty one would leave the axes below it without a length."""
    if not shape:
        return _element_schema(dtype)
    least = shape[0] or (1 if len(shape) > 1 else 0)
    most = {} if shape[0] is None else {"maxItems": shape[0]}
    return {"type": "array", "items": _lists_schema(shape[1:], dtype), "minItems": least, **most}


def _field_description(f: Field) -> str:
    parts = [f.description] if f.description else []
    if f.low is not None and f.high is not None:
        parts.append(f"Training range {f.low:g} to {f.high:g}; values outside are answered and flagged.")
    if f.categories and not f.closed:
        parts.append(f"Seen in training: {', '.join(map(str, f.categories[:20]))}; others are answered and flagged.")
    return " ".join(parts)


def _tensor_schema(shape: Sequence[int | None], dtype: str) -> Schema:
    if not shape:
        return _leaf_schema(dtype)
    schema: Schema = {"type": "array", "items": _tensor_schema(shape[1:], dtype)}
    return schema if shape[0] is None else {**schema, "minItems": shape[0], "maxItems": shape[0]}


def _leaf_schema(dtype: str) -> Schema:
    return {"type": {"string": "string", "bool": "boolean"}.get(dtype, "integer" if "int" in dtype else "number")}


def answer_schema(signature: Signature) -> Schema:
    """JSON Schema of one answer."""
    if signature.task is Task.TENSOR:
        return _object({o.name: _nullable(_tensor_schema(o.shape, o.dtype)) for o in signature.outputs})
    if len(signature.outputs) == 1 and signature.outputs[0].name == "prediction":
        output = signature.outputs[0]
        properties = {"prediction": _value_schema(output)}
        if output.probabilities:
            properties["probabilities"] = _probabilities_schema(output)
        return _object(properties)
    properties = {"prediction": _object({o.name: _value_schema(o) for o in signature.outputs})}
    if all(o.probabilities for o in signature.outputs):
        properties["probabilities"] = _object({o.name: _probabilities_schema(o) for o in signature.outputs})
    return _object(properties)


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _value_schema(o: Output) -> Schema:
    if o.classes:
        return {"enum": list(o.classes)}
    return (
        _nullable({"type": _JSON_TYPES.get(o.kind, "number")})
        if o.kind is Kind.FLOAT
        else {"type": _JSON_TYPES[o.kind]}
    )


def _nullable(schema: Schema) -> Schema:
    """NaN and infinity become null."""
    if "items" in schema:
        return {**schema, "items": _nullable(schema["items"])}
    return {**schema, "type": [schema["type"], "null"]} if schema["type"] == "number" else schema


def _probabilities_schema(o: Output) -> Schema:
    number = {"type": ["number", "null"]}
    if not o.classes:
        return {"type": "object", "additionalProperties": number}
    return _object({str(c): number for c in o.classes})


# -- the service ---------------------------------------------------------------------------------------------------


def _service_paths() -> dict[str, Schema]:
    loading = {"503": _json_response("Not yet, or not any more", {"type": "object"})}
    return {
        "/models": {"get": _get("list_models", "What is served", {"type": "object"})},
        "/models/{name}": {
            "get": {
                **_get("describe_model", "One model, its inputs and outputs", {"type": "object"}),
                "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
            }
        },
        "/livez": {"get": _get("livez", "Whether the process is alive", {"type": "object"})},
        "/readyz": {"get": _get("readyz", "Whether predictions are answered", {"type": "object"}, loading)},
    }


def _get(operation: str, summary: str, schema: Schema, more: Schema | None = None) -> Schema:
    unknown = (
        {"404": _json_response("No such model", {"$ref": "#/components/schemas/Error"})} if "model" in operation else {}
    )
    responses = {"200": _json_response("Well", schema), **unknown, **(more or {})}
    return {"tags": ["service"], "operationId": operation, "summary": summary, "responses": responses}
