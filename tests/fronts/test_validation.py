"""Hostile bodies, through the application itself: each a clear 4xx in one shape, nothing leaked, the service unharmed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from tests.fronts.hostile import CASES, GOOD, Case
from tests.fronts.service import assert_error, open_service
from tests.fronts.shape import strict_json


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_body_is_answered_as_it_deserves_and_the_service_goes_on(track: httpx.AsyncClient, case: Case) -> None:
    headers = {"content-type": "application/json", **case.headers}
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if value is not None]
    response = await track.post("/predict", content=case.body, headers=sent)
    if case.status == 200:
        assert response.status_code == 200, response.text
        strict_json(response.content)
    else:
        detail = assert_error(response, case.status, case.types)
        assert case.loc is None or detail[0]["loc"] == list(case.loc)
        assert case.hint in detail[0].get("hint", "")
        assert case.said in detail[0]["msg"]
        assert case.sent in (..., detail[0]["input"])
    assert (await track.post("/predict", content=GOOD)).json() == {"prediction": 123.0}


@pytest.fixture
async def small(fake: Callable[..., Path]) -> AsyncIterator[httpx.AsyncClient]:
    """A service that reads no more than 1,000 bytes."""
    async with open_service(fake("track"), max_body=1000) as client:
        yield client


async def test_a_body_that_announces_too_many_bytes_is_refused_unread(small: httpx.AsyncClient) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append(True)
        yield b" " * 1001

    response = await small.post("/predict", content=body(), headers={"content-length": "1001"})
    (problem,) = assert_error(response, 413, ["body_too_large"])
    assert "1,000 bytes" in problem["msg"]
    assert "--max-body" in problem["hint"]


async def test_a_body_that_announces_an_absurd_length_is_refused(small: httpx.AsyncClient) -> None:
    response = await small.post("/predict", content=b"", headers={"content-length": "9" * 4000})
    assert_error(response, 413, ["body_too_large"])


async def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_large(small: httpx.AsyncClient) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    response = await small.post("/predict", content=body())
    assert_error(response, 413, ["body_too_large"])


async def test_a_body_of_exactly_the_limit_is_read(small: httpx.AsyncClient) -> None:
    response = await small.post("/predict", content=GOOD + b" " * (1000 - len(GOOD)))
    assert response.status_code == 200
    assert_error(await small.post("/predict", content=GOOD + b" " * (1001 - len(GOOD))), 413)


async def test_a_body_too_long_for_the_loop_is_read_elsewhere_with_the_same_result(track: httpx.AsyncClient) -> None:
    padding = b" " * 100_000
    assert (await track.post("/predict", content=GOOD + padding)).json() == {"prediction": 123.0}
    assert_error(await track.post("/predict", content=GOOD + padding + b"}"), 400, ["json_invalid"])
    assert_error(await track.post("/predict", content=b"{}" + padding), 422, ["missing"] * 5)


# -- faults of ours -------------------------------------------------------------------------------------------------


def application_of(client: httpx.AsyncClient) -> Any:
    """What the client speaks to."""
    return client._transport.app  # type: ignore[attr-defined]


async def test_a_page_that_fails_is_a_500_in_our_shape_and_its_cause_goes_to_the_log_alone(
    track: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(scope: object) -> NoReturn:
        raise ZeroDivisionError("a secret")

    application_of(track).gets["/models"] = fail
    response = await track.get("/models", headers={"request-id": "abc"})
    assert_error(response, 500, ["internal_error"])
    assert "secret" not in response.text
    assert "a secret" in caplog.text
    assert response.headers["request-id"] == "abc"


async def test_a_websocket_is_closed_politely(track: httpx.AsyncClient) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application_of(track)({"type": "websocket", "path": "/predict"}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_a_file_that_the_browser_has_is_not_sent_again_and_has_no_length(track: httpx.AsyncClient) -> None:
    path = "/_modelport/static/swagger-ui.css"
    whole = await track.get(path)
    again = await track.get(path, headers={"if-none-match": whole.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "content-length" not in again.headers
    assert again.headers["etag"] == whole.headers["etag"]


# -- paths and methods ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/predcit", "/predict"),
        ("/models/track/predct", "/models/track/predict"),
        ("/model", "/models"),
        ("/openapi", "/openapi.json"),
        ("/models/trakc", "/models/track"),
    ],
)
async def test_an_unknown_path_is_answered_with_the_nearest_known_one(
    track: httpx.AsyncClient, path: str, near: str
) -> None:
    (problem,) = assert_error(await track.get(path), 404, ["not_found"])
    models = " the models here are: track" if path.startswith("/models/") else ""
    assert problem["hint"] == f"did you mean {near}?{models}"


@pytest.mark.parametrize("path", ["/models/zzzzzzzzzzzz", "/models/genre/predict", "/models/"])
async def test_an_unknown_model_is_answered_with_those_that_are_served(track: httpx.AsyncClient, path: str) -> None:
    (problem,) = assert_error(await track.get(path), 404, ["not_found"])
    assert problem["hint"].endswith("the models here are: track")


@pytest.mark.parametrize(
    "path",
    [
        "/qqqqqqqq",
        "/../../etc/passwd",
        "/_modelport/static/../predict.py",
        "/%00",
        "/" + "a" * 5000,
        "/models//predict",
        "/predict/",
    ],
)
async def test_an_odd_path_is_not_found(track: httpx.AsyncClient, path: str) -> None:
    assert_error(await track.get(path), 404, ["not_found"])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/predict", "/models/track/predict"])
async def test_predict_answers_post_alone(track: httpx.AsyncClient, method: str, path: str) -> None:
    response = await track.request(method, path)
    assert response.headers["allow"] == "POST"
    if method == "HEAD":
        assert (response.status_code, response.content) == (405, b"")
    else:
        (problem,) = assert_error(response, 405, ["method_not_allowed"])
        assert "/docs" in problem["hint"]
        assert "POST" in problem["hint"]


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/models", "/models/track", "/openapi.json", "/docs", "/redoc"]
)
async def test_pages_answer_get_and_head_alone(track: httpx.AsyncClient, path: str) -> None:
    refused = await track.post(path, content=GOOD)
    (problem,) = assert_error(refused, 405, ["method_not_allowed"])
    assert "/models/{name}/predict" in problem["hint"]
    assert refused.headers["allow"] == "GET, HEAD"
    whole, head = await track.get(path), await track.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.headers["content-length"] == str(len(whole.content))
