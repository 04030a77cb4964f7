"""Fakes: they stand in for models, and cannot answer what their models could not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

import modelport
from modelport import Service, SetupError
from modelport.testing import Fake, client
from tests.fronts.models import TRACK

Write = Callable[..., Path]


class Mood(BaseModel):
    """An answer with fields."""

    name: str
    score: float


def make_service(track: Path) -> Service:
    """A saved model, two in Python, and a route that asks all of them."""
    service = Service("s")
    service.model("track", track)

    @service.model("mood", batch=True, example="a song")
    class MoodModel:
        def load(self) -> None:
            raise OSError("there is no such file on this machine")

        def predict(self, titles: list[str]) -> list[Mood]:
            raise NotImplementedError

    @service.model("loudness")
    def loudness(decibel: float, reference: float = 1.0) -> float:
        return 1.0

    @service.get("/both")
    async def both(title: str) -> dict[str, object]:
        mood = await service["mood"](title)
        return {"mood": mood, "track": await service["track"](TRACK)}

    return service


@pytest.fixture
def service(fake: Write) -> Service:
    """One whose mood model cannot be loaded here."""
    return make_service(fake("track"))


CALM = {"name": "calm", "score": 0.5}


def test_an_answer_a_function_and_a_failure_stand_in_for_models(service: Service) -> None:
    mood = Fake(function=lambda title: Mood(name=title.upper(), score=1.0))
    fakes = {"mood": mood, "track": {"prediction": 7.0}, "loudness": ValueError("it is broken")}
    with client(service, fakes=fakes) as api:
        assert api.post("/models/mood/predict", json=["a", "b"]).json() == [
            {"name": "A", "score": 1.0},
            {"name": "B", "score": 1.0},
        ]
        assert mood.calls == ["a", "b"]
        assert api.post("/models/track/predict", json=TRACK).json() == {"prediction": 7.0}
        assert api.get("/both", params={"title": "x"}).json() == {
            "mood": {"name": "X", "score": 1.0},
            "track": {"prediction": 7.0},
        }
        failed = api.post("/models/loudness/predict", json={"decibel": 1.0})
        assert (failed.status_code, failed.json()["detail"][0]["type"]) == (500, "model_failed")
        assert "it is broken" not in failed.text


def test_bodies_are_held_against_the_real_signature(service: Service) -> None:
    loudness = Fake(2.0)
    with client(service, fakes={"mood": CALM, "loudness": loudness, "track": {"prediction": 7.0}}) as api:
        assert api.post("/models/loudness/predict", json={"decibel": "loud"}).status_code == 422
        assert api.post("/models/mood/predict", json=1).status_code == 422
        assert api.post("/models/track/predict", json={}).status_code == 422
        assert loudness.calls == []
        assert api.post("/models/loudness/predict", json={"decibel": 1}).json() == 2.0
        assert loudness.calls == [{"decibel": 1.0, "reference": 1.0}]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (modelport.Overloaded("full"), 503, "overloaded"),
        (modelport.NotReady("loading"), 503, "not_ready"),
        (modelport.DeadlineExceeded("late"), 504, "deadline_exceeded"),
    ],
)
def test_a_fake_fails_as_the_service_does(service: Service, error: Exception, status: int, kind: str) -> None:
    with client(service, fakes={"mood": error, "track": error}) as api:
        for model, body in (("mood", "x"), ("track", TRACK)):
            answer = api.post(f"/models/{model}/predict", json=body)
            assert (answer.status_code, answer.json()["detail"][0]["type"]) == (status, kind)


def test_an_answer_that_does_not_fit_the_model_is_told_at_once(service: Service) -> None:
    with (
        pytest.raises(SetupError, match=r"fake of 'mood' gives an answer .*score"),
        client(service, fakes={"mood": {"name": "calm", "score": "high"}}),
    ):
        pass
    with (
        pytest.raises(SetupError, match=r"fake of 'track' gives an answer .*prediction"),
        client(service, fakes={"mood": CALM, "track": {"prediction": "Rock"}}),
    ):
        pass


def test_a_function_whose_answer_does_not_fit_fails_the_test_that_asks_it(service: Service) -> None:
    fakes = {"mood": lambda title: {"name": title}, "track": lambda record: {"predicted": record["tempo"]}}
    with client(service, fakes=fakes) as api:
        with pytest.raises(AssertionError, match=r"fake of 'mood' .*score"):
            api.post("/models/mood/predict", json="x")
        with pytest.raises(AssertionError, match=r"fake of 'track' .*prediction"):
            api.post("/models/track/predict", json=TRACK)
        with pytest.raises(AssertionError, match="fake of 'mood'"):
            api.get("/both", params={"title": "x"})


def test_the_service_has_its_own_models_again_afterwards(service: Service) -> None:
    before = dict(service.models)
    with client(service, fakes={"mood": CALM}):
        assert service.models != before
    assert service.models == before


def test_async_functions_stand_in_too(service: Service) -> None:
    async def mood(title: str) -> Mood:
        return Mood(name=title, score=0.0)

    with client(service, fakes={"mood": mood}) as api:
        assert api.post("/models/mood/predict", json=["x"]).json() == [{"name": "x", "score": 0.0}]


def test_names_and_arguments_of_fakes_are_checked(service: Service, fake: Write) -> None:
    with pytest.raises(SetupError, match="no model 'moon'; did you mean 'mood'"), client(service, fakes={"moon": 1}):
        pass
    with (
        pytest.raises(SetupError, match="is a saved model: declare a service"),
        client(fake("track"), fakes={"track": 1}),
    ):
        pass
    for wrong in ({}, {"answer": 1, "fails": ValueError()}):
        with pytest.raises(SetupError, match="a Fake wants one of these"):
            Fake(**wrong)  # type: ignore[arg-type]
