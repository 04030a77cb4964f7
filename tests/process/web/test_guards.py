"""What stands in front of the routes stands in front of the models, too."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.process.server import Server, request

NAME = "échó & co"
BODY = b'{"decibel": 20}'
SPELLINGS = [
    "/models/loudness/predict",
    "/models/loudness/predict/",
    "/models/loudness/predict?key=open",
    "/models//loudness/predict",
    "//models/loudness/predict",
    "/./models/loudness/predict",
    "/models/%6Coudness/predict",
    "/models/loudness%2Fpredict",
    "/%6dodels/loudness/predict",
    "/models/x/../loudness/predict",
    "http://test/models/loudness/predict",
    "/MODELS/loudness/predict",
    "/_modelport/models/loudness/predict",
    "/mounted/../models/loudness/predict",
    f"/models/{quote(NAME)}/predict",
    f"/models/{quote(NAME, safe='&')}/predict",
]


@pytest.fixture(scope="module")
def guarded(serve: Callable[..., Server]) -> Server:
    """The service."""
    return serve("guarded.py")


def ask(server: Server, path: str, body: bytes = BODY, **headers: str) -> tuple[int, bytes]:
    """Status and body of a POST; 0 where the connection was cut."""
    answer = server.ask("POST", path, body, **headers)
    return answer.status, answer.body


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize(
    "body", [BODY, b'[{"decibel": 20}]', b'"x"', b'["x", "y"]'], ids=["one", "batch", "text", "texts"]
)
def test_no_model_answers_past_a_guard(guarded: Server, path: str, body: bytes) -> None:
    status, said = ask(guarded, path, body)
    assert status in (307, 400, 401, 404)
    assert b"10.0" not in said
    assert said not in (b'"x"', b'["x","y"]')


def test_no_pipelined_request_slips_past_a_guard(guarded: Server) -> None:
    with guarded.connect() as connection:
        connection.send(request("GET", "/livez") + request("POST", SPELLINGS[0], BODY) * 2)
        assert [connection.read("GET").status for _ in range(3)] == [200, 401, 401]


def test_a_caller_with_the_key_is_answered(guarded: Server) -> None:
    assert ask(guarded, SPELLINGS[0], key="open") == (200, b"10.0")
    assert ask(guarded, SPELLINGS[0], b'[{"decibel": 20}, {"decibel": 0}]', key="open") == (200, b"[10.0,1.0]")
    assert ask(guarded, f"/models/{quote(NAME)}/predict", b'"x"', key="open") == (200, b'"x"')
    assert ask(guarded, SPELLINGS[0], b'{"decibel": "20"}', key="open")[0] == 422


def test_a_body_in_gzip_is_read_behind_the_guard(guarded: Server) -> None:
    assert ask(guarded, SPELLINGS[0], gzip.compress(BODY), key="open", content_encoding="gzip") == (200, b"10.0")


def test_an_untrusted_host_reaches_neither_models_nor_pages_but_probes(guarded: Server) -> None:
    assert ask(guarded, SPELLINGS[0], key="open", host="elsewhere")[0] == 400
    for path in ("/docs", "/openapi.json", "/models", "/metrics", "/open", "/mounted/caller", "/_modelport/docs"):
        assert guarded.ask("GET", path, host="elsewhere").status == 400
    for path in ("/livez", "/readyz"):
        assert guarded.ask("GET", path, host="elsewhere").status == 200


def test_a_browser_of_an_allowed_origin_may_ask_a_model(guarded: Server) -> None:
    preflight = {"origin": "https://shop.example", "access_control_request_method": "POST"}
    answer = guarded.ask("OPTIONS", SPELLINGS[0], None, **preflight)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    answer = guarded.ask("POST", SPELLINGS[0], BODY, origin="https://shop.example", key="open")
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"


def test_answers_of_models_are_compressed_by_middleware(guarded: Server) -> None:
    body = b"[" + b",".join([BODY] * 500) + b"]"
    answer = guarded.ask("POST", SPELLINGS[0], body, key="open", accept_encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body).startswith(b"[10.0,10.0")


def test_pages_need_no_key_but_routes_do(guarded: Server) -> None:
    assert guarded.ask("GET", "/models").status == 200
    assert guarded.ask("GET", "/open", authorization="Bearer t").status == 401
    assert guarded.ask("GET", "/open", authorization="Bearer t", key="open").json() == "t"


def test_security_schemes_stand_in_the_one_document(guarded: Server) -> None:
    document = guarded.ask("GET", "/openapi.json").json()
    assert "OAuth2PasswordBearer" in document["components"]["securitySchemes"]
    assert "/models/loudness/predict" in document["paths"]


def test_context_of_middleware_reaches_a_mounted_application(guarded: Server) -> None:
    assert guarded.ask("GET", "/mounted/caller").body == b"somebody"


def test_the_banner_says_what_guards_the_models(guarded: Server) -> None:
    assert "guarded  by TrustedHostMiddleware, CORSMiddleware, GZipMiddleware, Caller, ask_for_key" in guarded.stdout
