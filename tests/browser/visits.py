"""A real browser that opens pages, and notes whatever they ask for and complain about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (violation) =>
    console.error("policy violation:", violation.effectiveDirective, violation.blockedURI, violation.sourceFile));
"""
LOCAL_SCHEMES = ("data", "blob")


@dataclass
class Visit:
    """One open page, with everything that it asked for and complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._note_request)
        self.page.on("response", self._note_response)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        self.page.add_init_script(REPORT_VIOLATIONS)

    def open(self, url: str) -> None:
        """Load the page and wait until it asks for nothing more."""
        self.page.goto(url)
        self.page.wait_for_load_state("networkidle")

    def outside(self) -> list[str]:
        """The requests that went, or tried to go, anywhere but to this machine."""
        return [url for url in self.requests if not is_local(url)]

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")


def is_local(url: str) -> bool:
    """Whether fetching it stays on this machine; data: and blob: are not fetched from anywhere."""
    parts = urlsplit(url)
    return parts.scheme in LOCAL_SCHEMES or parts.hostname == "127.0.0.1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Where it or its driver is missing, whoever asks for it is skipped."""
    playwright: Any = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed, so no browser is driven"
    )
    if CHROMIUM is None:
        pytest.skip("chromium is not installed; set CHROMIUM to the path of one")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """One page, without anything of another test in it."""
    context = browser.new_context(viewport={"width": 1400, "height": 1100})
    yield Visit(context.new_page())
    context.close()
