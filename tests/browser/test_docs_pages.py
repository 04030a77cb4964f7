"""The documentation pages in a real browser, served by a live `modelport serve` of the music model."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.browser.visits import Visit
from tests.process.engine import serve, write_app

TELEMETRY_DELAY_MS = 7_000  # ReDoc as published sends what it saw after five seconds
GENRES = ("Rock", "Hip-Hop")


def open_predict(visit: Visit, served_url: str) -> None:
    """Open /docs and fold the first operation that takes a body out."""
    visit.open(f"{served_url}/docs")
    visit.page.locator(".opblock-post .opblock-summary-control").first.click()
    visit.page.locator(".opblock-post textarea").first.wait_for()


def test_docs_renders_the_predict_operation_and_requests_nothing_outside(visit: Visit, served_url: str) -> None:
    open_predict(visit, served_url)

    assert "/predict" in visit.page.locator(".opblock-post .opblock-summary-path").first.inner_text()
    assert f"{served_url}/openapi.json" in visit.requests
    assert visit.outside() == []


def test_docs_try_it_out_is_filled_with_a_real_example(visit: Visit, served_url: str) -> None:
    open_predict(visit, served_url)

    record = json.loads(visit.page.locator(".opblock-post textarea").first.input_value())

    assert len(record) == 8
    assert all(isinstance(value, int | float) for value in record.values())
    assert len(set(record.values())) > 2, "placeholders, not a record"


def test_docs_execute_shows_200_and_a_prediction(visit: Visit, served_url: str) -> None:
    open_predict(visit, served_url)

    visit.page.locator(".opblock-post .execute").first.click()
    answer = visit.page.locator(".live-responses-table tr.response")
    answer.wait_for()

    assert answer.locator(".response-col_status").inner_text().split()[0] == "200"
    assert json.loads(answer.locator("code").first.inner_text())["prediction"] in GENRES
    assert visit.outside() == []


STREAM = """
from collections.abc import Iterator

@service.model("words", example={"text": "so what"})
def words(text: str) -> Iterator[str]:
    yield from text.split()
"""


@pytest.fixture(scope="module")
def streaming_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose model answers item by item."""
    app = write_app(tmp_path_factory.mktemp("streaming"), STREAM)
    with serve(app, "--workers", "1", "--standby", "off") as running:
        yield f"http://127.0.0.1:{running.port}"


@pytest.mark.parametrize(
    ("media", "shown"),
    [("application/x-ndjson", '"so"\n"what"'), ("text/event-stream", 'data: "so"')],
)
def test_docs_execute_shows_a_stream_in_the_form_that_is_chosen(
    visit: Visit, streaming_url: str, media: str, shown: str
) -> None:
    open_predict(visit, streaming_url)

    visit.page.locator(".opblock-post .responses-wrapper select").first.select_option(media)
    visit.page.locator(".opblock-post .execute").first.click()
    answer = visit.page.locator(".live-responses-table tr.response")
    answer.wait_for()

    assert answer.locator(".response-col_status").inner_text().split()[0] == "200"
    assert shown in answer.locator(".response-col_description").inner_text()
    assert visit.complaints == []


def test_docs_logs_no_error_and_breaks_no_policy(visit: Visit, served_url: str) -> None:
    open_predict(visit, served_url)
    visit.page.locator(".opblock-post .execute").first.click()
    visit.page.locator(".live-responses-table tr.response").wait_for()
    visit.page.locator(".models-control, .json-schema-2020-12-accordion").first.click()
    visit.page.wait_for_load_state("networkidle")

    assert visit.complaints == []


def test_docs_is_dark_where_the_reader_prefers_dark(visit: Visit, served_url: str) -> None:
    visit.page.emulate_media(color_scheme="dark")
    visit.open(f"{served_url}/docs")

    background = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert background == "rgb(28, 32, 34)"


@pytest.mark.slow
def test_redoc_renders_the_predict_operation_and_requests_nothing_outside(visit: Visit, served_url: str) -> None:
    visit.open(f"{served_url}/redoc")
    visit.page.get_by_text("/predict").first.wait_for()

    visit.page.wait_for_timeout(TELEMETRY_DELAY_MS)

    assert f"{served_url}/openapi.json" in visit.requests
    assert visit.outside() == []


def test_redoc_search_finds_an_input_and_logs_no_error(visit: Visit, served_url: str) -> None:
    visit.open(f"{served_url}/redoc")
    visit.page.get_by_text("/predict").first.wait_for()

    visit.page.keyboard.press("Control+k")
    visit.page.keyboard.type("danceab", delay=20)
    visit.page.get_by_text("danceability").first.wait_for()

    assert visit.complaints == []


def test_redoc_offers_to_send_nothing_to_a_third_party(visit: Visit, served_url: str) -> None:
    visit.open(f"{served_url}/redoc")
    visit.page.get_by_test_id("page-actions").first.wait_for()

    assert visit.page.get_by_label("More actions").count() == 0
