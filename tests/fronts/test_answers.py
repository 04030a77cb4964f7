"""Answers: what stands in them and in their headers, also where a record fails or is no number."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import Music
from tests.fronts.models import TRACK
from tests.fronts.service import assert_error, open_service, until_state
from tests.fronts.shape import strict_json

POISON = {**TRACK, "tempo": 666}
EXIT = {**TRACK, "tempo": 667}
Write = Callable[..., Path]


@pytest.fixture(params=[False, True], ids=["on the loop", "in a thread"])
async def either(request: pytest.FixtureRequest, fake: Write) -> AsyncIterator[httpx.AsyncClient]:
    """The model on the loop, and in a thread of its own."""
    async with open_service(fake("track", held=request.param)) as client:
        yield client


# -- the music model -----------------------------------------------------------------------------------------------

ROW: dict[str, Any] = {
    "acousticness": 0.41,
    "danceability": 0.53,
    "energy": 0.63,
    "instrumentalness": 0.01,
    "liveness": 0.17,
    "speechiness": 0.05,
    "tempo": 165.9,
    "valence": 0.57,
}


@pytest.mark.parametrize("kind", ["joblib", "onnx"])
async def test_the_music_model_answers_a_record_and_a_list_in_order(music: Music, kind: str) -> None:
    options: dict[str, Any] = {"data": music.data, "target": "genre", "features": list(ROW) if kind == "onnx" else None}
    async with open_service(getattr(music, kind), **options) as client:
        assert_genre((await client.post("/predict", json=ROW)).json())
        rows = [{**ROW, "tempo": 60.0 + i, "energy": (i % 10) / 10} for i in range(40)]
        together = (await client.post("/models/genre/predict", json=rows)).json()
        alone = [(await client.post("/predict", json=dict(reversed(row.items())))).json() for row in rows]
        assert len({json.dumps(answer) for answer in alone}) > 1, (
            "every row has the same answer: their order is not seen"
        )
        for one, other in zip(together, alone, strict=True):
            assert_genre(one)
            assert one["prediction"] == other["prediction"]
            assert one["probabilities"] == pytest.approx(other["probabilities"])


def assert_genre(answer: dict[str, Any]) -> None:
    """A class with a probability for each."""
    assert list(answer) == ["prediction", "probabilities"]
    assert set(answer["probabilities"]) == {"Hip-Hop", "Rock"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["prediction"] == max(answer["probabilities"], key=answer["probabilities"].__getitem__)


async def test_a_model_without_names_reads_flat_lists(fake: Write) -> None:
    async with open_service(fake("positional")) as client:
        for body, answer in (
            ([1, 2], {"prediction": 3.0}),
            ([[1, 2], [3, 4]], [{"prediction": 3.0}, {"prediction": 7.0}]),
            ({"x1": 2, "x0": 1}, {"prediction": 3.0}),
            ([{"x0": 1, "x1": 2}, [3, 4]], [{"prediction": 3.0}, {"prediction": 7.0}]),
            ([], []),
        ):
            assert (await client.post("/predict", json=body)).json() == answer
        assert_error(await client.post("/predict", json=[1, 2, 3]), 422, ["wrong_length"])
        assert_error(await client.post("/predict", json=[[1, 2], [1]]), 422, ["wrong_length"])
        assert_error(await client.post("/predict", json=[1, [2]]), 422, ["float_type"])


async def test_fields_may_have_the_names_of_our_own_things(fake: Write) -> None:
    async with open_service(fake("reserved")) as client:
        record = dict.fromkeys(("model_name", "class", "self", "def", "schema", "model_config", "__init__"), 1)
        assert (await client.post("/predict", json=record)).json() == {"prediction": 7.0}
        detail = assert_error(await client.post("/predict", json={**record, "class": "x"}), 422, ["float_type"])
        assert detail[0]["loc"] == ["body", "class"]


async def test_fields_may_have_any_names_and_none_of_them_breaks_a_header(fake: Write) -> None:
    async with open_service(fake("odd-names")) as client:
        names = ('say "hi"', "a:b", "new\r\nline", "größe", "温度", "", "a/b~c")
        response = await client.post("/predict", json=dict.fromkeys(names, 2))
        assert response.json() == {"prediction": 14.0}
        told = response.headers.raw
        header = next(value for name, value in told if name == b"modelport-out-of-range")
        assert header.isascii()
        assert header.decode().isprintable()
        assert b"a:b" in header
        detail = assert_error(await client.post("/predict", json=dict.fromkeys(names, "x")), 422, ["float_type"] * 7)
        assert [entry["loc"][1] for entry in detail] == list(names)


# -- tensors -------------------------------------------------------------------------------------------------------


async def test_tensors_come_and_go_as_nested_lists(fake: Write) -> None:
    async with open_service(fake("tensor")) as client:
        record = {"image": [[1, 2.5], [3, 4]], "mask": [True, False, True], "words": ["a", "b:c", ""]}
        assert (await client.post("/predict", json=record)).json() == {"scores": [[1.0, 2.5], [3.0, 4.0]]}
        assert (await client.post("/predict", json={**record, "mask": None, "words": []})).status_code == 200
        for wrong, where in (
            ({"image": [[1, 2], [3]]}, ["body", "image", 1]),
            ({"image": [[1, 2]]}, ["body", "image"]),
            ({"image": [[1, 2], [3, "4"]]}, ["body", "image", 1, 1]),
            ({"image": [[1, 2], [3, True]]}, ["body", "image", 1, 1]),
            ({"image": [[1, 2], [3, 1e39]]}, ["body", "image", 1, 1]),
            ({"image": 5}, ["body", "image"]),
            ({"mask": [1, 0, 1]}, ["body", "mask", 0]),
            ({"words": [None]}, ["body", "words", 0]),
        ):
            detail = assert_error(await client.post("/predict", json={**record, **wrong}), 422, ["tensor_shape"])
            assert detail[0]["loc"] == where


# -- outside the training data, and no numbers ---------------------------------------------------------------------


async def test_values_outside_the_training_data_are_answered_and_flagged(track: httpx.AsyncClient) -> None:
    odd = {**TRACK, "tempo": 300, "label": "Green"}
    alone = await track.post("/predict", json=odd)
    assert alone.json() == {"prediction": 303.0}
    assert alone.headers["modelport-out-of-range"] == "tempo, label"
    together = await track.post("/predict", json=[TRACK, odd])
    assert together.headers["modelport-out-of-range"] == "1.tempo, 1.label"
    inside = await track.post("/predict", json=[TRACK, TRACK])
    assert "modelport-out-of-range" not in inside.headers


async def test_the_header_of_values_outside_is_bounded(track: httpx.AsyncClient) -> None:
    response = await track.post("/predict", json=[{**TRACK, "tempo": 300}] * 5000)
    assert response.status_code == 200
    assert len(response.headers["modelport-out-of-range"]) <= 1000


@pytest.mark.parametrize("tempo", [601, 602, 603])
async def test_nan_and_infinity_out_of_a_model_become_null_and_are_counted(
    track: httpx.AsyncClient, tempo: float
) -> None:
    alone = await track.post("/predict", json={**TRACK, "tempo": tempo})
    assert strict_json(alone.content) == {"prediction": None}
    assert alone.headers["modelport-non-finite"] == "1"
    together = await track.post("/predict", json=[{**TRACK, "tempo": tempo}, TRACK, {**TRACK, "tempo": tempo}])
    assert strict_json(together.content) == [{"prediction": None}, {"prediction": 123.0}, {"prediction": None}]
    assert together.headers["modelport-non-finite"] == "2"
    assert "modelport-non-finite" not in (await track.post("/predict", json=TRACK)).headers


# -- records that fail ---------------------------------------------------------------------------------------------


async def test_a_record_of_a_list_fails_alone(either: httpx.AsyncClient) -> None:
    response = await either.post("/predict", json=[TRACK, POISON, TRACK])
    assert response.status_code == 200
    assert response.headers["modelport-errors"] == "1"
    first, second, third = strict_json(response.content)
    assert first == third == {"prediction": 123.0}
    assert list(second) == ["error"]
    assert second["error"] == {"code": "model_failed", "message": "The model failed on this record"}


async def test_a_list_in_which_all_fail_is_answered_one_by_one(either: httpx.AsyncClient) -> None:
    response = await either.post("/predict", json=[POISON] * 7)
    assert response.status_code == 200
    assert response.headers["modelport-errors"] == "7"
    assert [list(answer) for answer in response.json()] == [["error"]] * 7


async def test_a_single_record_that_fails_is_a_500_and_its_cause_goes_to_the_log_alone(
    either: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = await either.post("/predict", json=POISON, headers={"request-id": "abc-1"})
    (problem,) = assert_error(response, 500, ["model_failed"])
    assert problem["loc"][0] == "model"
    assert "cannot play" not in response.text
    assert "cannot play 666" in caplog.text
    assert getattr(caplog.records[-1], "request_id", None) == "abc-1"
    assert (await either.post("/predict", json=TRACK)).status_code == 200


async def test_a_model_that_calls_exit_fails_on_that_record_and_lives_on(either: httpx.AsyncClient) -> None:
    assert_error(await either.post("/predict", json=EXIT), 500, ["model_failed"])
    assert (await either.post("/predict", json=TRACK)).json() == {"prediction": 123.0}


async def test_records_of_other_callers_do_not_fail_with_ours(either: httpx.AsyncClient) -> None:
    sent = [POISON if i % 5 == 0 else {**TRACK, "tempo": 100 + i} for i in range(60)]
    answers = await asyncio.gather(*(either.post("/predict", json=record) for record in sent))
    for i, answer in enumerate(answers):
        if i % 5 == 0:
            assert_error(answer, 500, ["model_failed"])
        else:
            assert answer.json() == {"prediction": 103.0 + i}


async def test_a_model_that_gives_too_many_answers_is_told_on_and_mixes_nobody_up(fake: Write) -> None:
    async with open_service(fake("counts-wrong")) as client:
        (problem,) = assert_error(await client.post("/predict", json={"x0": 1}), 500, ["wrong_count"])
        assert "2 answers for 1 record" in problem["msg"]


async def test_an_answer_that_json_cannot_hold_fails_alone(fake: Write) -> None:
    async with open_service(fake("unwritable")) as client:
        response = await client.post("/predict", json=[{"x0": 0}, {"x0": 1}, {"x0": 2}])
        assert [list(answer) for answer in response.json()] == [["prediction"], ["error"], ["prediction"]]
        assert_error(await client.post("/predict", json={"x0": 1}), 500, ["model_failed"])


# -- headers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/predict", "/models", "/livez", "/nothing"])
@pytest.mark.parametrize("sent", ["abc", "x" * 128, "4f2/1 (retry)", "{}"])
async def test_a_request_id_is_echoed(track: httpx.AsyncClient, path: str, sent: str) -> None:
    for method in ("GET", "POST"):
        response = await track.request(method, path, json=TRACK, headers={"request-id": sent})
        assert response.headers.get_list("request-id") == [sent]


@pytest.mark.parametrize("sent", [b"", b"x" * 129, b"\xff", "größe".encode(), b"a\tb", b"a\x00b", b"a\x1b[31mb"])
async def test_a_request_id_that_could_harm_a_log_is_replaced(track: httpx.AsyncClient, sent: bytes) -> None:
    response = await track.post("/predict", json=TRACK, headers=[(b"request-id", sent)])
    made = response.headers["request-id"]
    assert made
    assert made.encode() != sent
    assert made.isascii()
    assert made.isprintable()


async def test_request_ids_that_are_made_are_never_the_same(track: httpx.AsyncClient) -> None:
    answers = [await track.post("/predict", json=TRACK) for _ in range(50)]
    assert len({answer.headers["request-id"] for answer in answers}) == 50


async def test_every_answer_of_a_model_names_it_and_its_version(track: httpx.AsyncClient) -> None:
    version = (await track.get("/models/track")).json()["version"]
    for body in (TRACK, [TRACK], POISON, {}, "x"):
        response = await track.post("/predict", json=body)
        assert response.headers["model-name"] == "track"
        assert response.headers["model-version"] == version
        assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", ["модель", "日本", "naïve", "a b", "a.b~c", "it's {me}", "x" * 200])
async def test_a_model_may_have_any_name_that_a_path_can_hold(fake: Write, name: str) -> None:
    async with open_service(fake("track"), name=name) as client:
        response = await client.post(f"/models/{name}/predict", json=TRACK)
        assert response.status_code == 200
        assert response.headers["model-name"]
        described = (await client.get(f"/models/{quote(name)}")).json()
        assert described["name"] == name
        assert (await client.post(described["predict"], json=TRACK)).status_code == 200
        document = (await client.get("/openapi.json")).json()
        (path,) = [path for path in document["paths"] if path.startswith("/models/") and path.endswith("/predict")]
        assert path == described["predict"] == f"/models/{quote(name)}/predict"
        assert document["paths"][path]["post"]["operationId"].isascii()
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+", component) for component in document["components"]["schemas"])


# -- loading -------------------------------------------------------------------------------------------------------


async def test_while_loading_probes_and_pages_answer_and_predictions_are_put_off(fake: Write, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    artifact = fake(f"slow-to-load {gate}")
    async with open_service(artifact, ready=False) as client:
        assert (await client.get("/livez")).json() == {"status": "ok"}
        waiting = await client.get("/readyz")
        assert waiting.status_code == 503
        assert waiting.json()["state"] == "loading"
        assert waiting.headers["retry-after"] == "1"
        for path in ("/", "/docs", "/redoc", "/openapi.json", "/models", "/models/slow-to-load"):
            assert (await client.get(path)).status_code in (200, 307)
        assert (await client.get("/models/slow-to-load")).json()["state"] == "loading"
        refused = await client.post("/predict", json=TRACK)
        (problem,) = assert_error(refused, 503, ["not_ready"])
        assert "loading" in problem["msg"]
        assert refused.headers["retry-after"] == "1"
        gate.touch()
        await until_state(client, "ready")
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.post("/predict", json=TRACK)).json() == {"prediction": 123.0}


async def test_a_model_that_cannot_be_loaded_is_a_state_and_the_log_says_why(
    fake: Write, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_service(fake("fails-to-load"), ready=False) as client:
        await until_state(client, "failed")
        failed = await client.get("/readyz")
        assert failed.status_code == 503
        assert_error(await client.post("/predict", json=TRACK), 503, ["not_ready"])
        described = await client.get("/models/fails-to-load")
        assert described.json()["state"] == "failed"
        assert "ZeroDivisionError" not in failed.text + described.text
        assert "the model is not" in caplog.text


async def test_a_full_queue_is_a_503_with_a_time_to_come_back(fake: Write, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    async with open_service(fake(f"gated {gate}", held=True)) as client:
        first = asyncio.create_task(client.post("/predict", json=TRACK))
        crowd = [asyncio.create_task(client.post("/predict", json=[{**TRACK, "tempo": 1}] * 800)) for _ in range(30)]
        refused = 0
        for answer in asyncio.as_completed(crowd):
            if (response := await answer).status_code == 200:
                assert len(response.json()) == 800
                continue
            assert_error(response, 503, ["overloaded"])
            assert response.headers["retry-after"] == "1"
            refused += 1
            gate.touch()
        assert 0 < refused < 30
        assert (await first).status_code == 200
