"""The report of `modelport compare` in a real browser: on a phone, in the dark, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelport.compare.report import render
from tests.compare.fixed import ALL, everything

pytestmark = pytest.mark.slow


@pytest.fixture
def page_path(tmp_path: Path) -> Path:
    """A report with something in every section."""
    rates = {name: [100.0 * (n + 1), 101.0 * (n + 1), 99.0 * (n + 1)] for n, name in enumerate(ALL)}
    path = tmp_path / "report.html"
    path.write_text(render(everything(rates), price=0.1), encoding="utf-8")
    return path


@pytest.fixture(params=[(375, "dark"), (1200, "light")], ids=["phone-dark", "desk-light"])
def seen(request: pytest.FixtureRequest, browser: Any, page_path: Path) -> Iterator[Any]:
    """The page, opened, with what it asked for and what it complained of."""
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.complaints, page.asked = [], []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.goto(page_path.as_uri())
    yield page
    page.close()


def test_the_report_asks_for_nothing_and_complains_of_nothing(seen: Any, page_path: Path) -> None:
    assert (seen.asked, seen.complaints) == ([page_path.as_uri()], [])


def test_the_report_fits_the_screen_and_only_tables_scroll(seen: Any) -> None:
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_text_in_plots_is_large_enough_to_read(seen: Any) -> None:
    sizes = seen.evaluate(
        "[...document.querySelectorAll('.plot text')].map(t => t.getBoundingClientRect().height).filter(h => h)"
    )
    assert min(sizes) >= 9


def test_ink_and_paper_follow_the_reader_s_preference(seen: Any) -> None:
    red = "Number(getComputedStyle(document.body).%s.match(/\\d+/)[0])"
    paper, ink = seen.evaluate(red % "backgroundColor"), seen.evaluate(red % "color")
    dark = seen.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (paper < 60 and ink > 200) if dark else (paper > 200 and ink < 60)
