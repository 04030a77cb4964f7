"""Asks two servers the same, one request after the other."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from modelport.compare.answers import Answer, Difference, Rules, differences
from modelport.compare.requests import Request
from modelport.errors import MissingExtra, SetupError

ADDRESSES = frozenset({"location", "content-location"})
"""Headers that hold the address of something, which frameworks write with or without the server's own."""


class Server:
    """One of the two. Cookies that it sets are sent with the requests that follow, as a browser would."""

    def __init__(self, url: str, option: str, wait_s: float) -> None:
        try:
            import httpx
        except ModuleNotFoundError:
            raise MissingExtra("modelport diff", "diff") from None
        parts = _parts(url, option)
        if parts is None:
            raise SetupError(f"{option} wants an address such as http://127.0.0.1:8000, not {url!r}")
        self.url = url.rstrip("/")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._errors = (httpx.HTTPError, httpx.InvalidURL)
        headers = {"user-agent": "modelport-diff"}
        self._client = httpx.Client(timeout=wait_s, follow_redirects=False, trust_env=False, headers=headers)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def ask(self, request: Request) -> Answer:
        """Its answer, or why there is none."""
        try:
            url, content = self.url + request.path, request.content or None
            got = self._client.request(request.method, url, headers=request.headers, content=content)
        except self._errors as error:
            return Answer(error=f"{type(error).__name__}: {error}".rstrip(": "))
        headers = tuple((name, self._told(name, value)) for name, value in got.headers.multi_items())
        return Answer(got.status_code, headers, got.content)

    def _told(self, name: str, value: str) -> str:
        """A header; an address of this very server as its path, since the other has another address."""
        rest = value.removeprefix(self._origin)
        is_address = name.lower() in ADDRESSES and rest[:1] in ("", "/", "?", "#")
        return rest or "/" if is_address else value

    def check(self) -> None:
        """Raise SetupError where nobody listens: a file of differences would say no more than that."""
        answer = self.ask(Request(0, "GET", "/"))
        if answer.error.startswith("ConnectError"):
            raise SetupError(f"nobody answers at {self.url}: start the server first")


def _parts(url: str, option: str) -> Any:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        return None
    return parts if usable else None


def replay(
    requests: list[Request], old: Server, new: Server, rules: Rules
) -> Iterator[tuple[Request, list[Difference]]]:
    """Each request with what differs. Both are asked in the file's order, so that sessions and state develop alike."""
    for request in requests:
        yield request, differences(old.ask(request), new.ask(request), rules)
