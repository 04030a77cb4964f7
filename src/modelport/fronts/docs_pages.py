"""The documentation pages /docs (Swagger UI) and /redoc (ReDoc), and the files they need.

Everything a page loads is part of this package, because a model often runs where there is no internet, and because
nobody outside has to learn who reads the documentation. The Content-Security-Policy makes the browser enforce it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import Final

from modelport.fronts.exchange import Header, Headers

_JAVASCRIPT: Final = "text/javascript; charset=utf-8"
_CSS: Final = "text/css; charset=utf-8"

_MEDIA_TYPES: Final = {
    "docs-pages.css": _CSS,
    "docs-pages.js": _JAVASCRIPT,
    "favicon.svg": "image/svg+xml",
    "redoc.standalone.js": _JAVASCRIPT,
    "swagger-ui-bundle.js": _JAVASCRIPT,
    "swagger-ui.css": _CSS,
}

# ReDoc adds empty <style> elements and fills them through the CSSOM, which a policy does not see: the hash of the
# empty string admits exactly these, so that no style text that comes with a document can be applied.
_EMPTY_STYLE: Final = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' {_EMPTY_STYLE}",
        "img-src 'self' data: blob:",  # blob: shows the answer of a model that returns an image
        "font-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_NOSNIFF: Final[Header] = (b"x-content-type-options", b"nosniff")

PAGE_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    _NOSNIFF,
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a page, ready to be sent; `encoding` is None or the content coding of `content`."""

    content: bytes
    media_type: str
    etag: str
    encoding: str | None = None

    def headers(self) -> Headers:
        """The answer's headers; a cache must ask again each time, so that an upgrade never mixes old and new files."""
        headers = [
            (b"content-type", self.media_type.encode()),
            (b"etag", self.etag.encode()),
            (b"cache-control", b"no-cache"),
            (b"vary", b"accept-encoding"),
            _NOSNIFF,
        ]
        return headers if self.encoding is None else [*headers, (b"content-encoding", self.encoding.encode())]


def asset_names() -> frozenset[str]:
    """Every name that `asset` knows."""
    return frozenset(_MEDIA_TYPES)


def asset(name: str) -> Asset | None:
    """The file of that name, or None. Only fixed names are looked up, so that no path can lead out of the package."""
    return _plain(name) if name in _MEDIA_TYPES else None


def gzipped_asset(name: str) -> Asset | None:
    """The same file compressed, for a client that accepts gzip: the two bundles shrink to under a third."""
    return _gzipped(name) if name in _MEDIA_TYPES else None


def asset_answer(name: str, request: Mapping[bytes, bytes]) -> tuple[int, bytes, Headers] | None:
    """Status, body and headers for a GET of that file, or None: compressed where accepted, 304 where already known."""
    found = gzipped_asset(name) if _accepts_gzip(request.get(b"accept-encoding", b"")) else asset(name)
    if found is None:
        return None
    if _matches(request.get(b"if-none-match", b""), found.etag.encode()):
        return 304, b"", found.headers()
    return 200, found.content, found.headers()


def swagger_page(title: str, openapi_url: str, asset_prefix: str) -> bytes:
    """The page that tries requests out; its settings are in docs-pages.js, which reads the URL from the element."""
    path = _asset_path(asset_prefix)
    head = _stylesheet(path, "swagger-ui.css") + _stylesheet(path, "docs-pages.css")
    body = (
        f'<main id="swagger-ui" data-openapi-url="{escape(openapi_url)}"></main>\n'
        f'<script src="{path}swagger-ui-bundle.js"></script>\n'
        f'<script src="{path}docs-pages.js"></script>\n'
    )
    return _page(title, openapi_url, path, head, body)


def redoc_page(title: str, openapi_url: str, asset_prefix: str) -> bytes:
    """The page for reading; ReDoc starts by itself on its element, so that no script of ours is needed."""
    path = _asset_path(asset_prefix)
    body = (
        f'<redoc spec-url="{escape(openapi_url)}" disable-telemetry="true"></redoc>\n'
        f'<script type="module" src="{path}redoc.standalone.js"></script>\n'
    )
    return _page(title, openapi_url, path, _stylesheet(path, "docs-pages.css"), body)


@cache
def _plain(name: str) -> Asset:
    """Read at the first request rather than at the start, because most servers are never asked for their pages.

    Kept for good; behind the check of the name, so that requests for made-up names cannot fill the memory.
    """
    content = files("modelport.fronts").joinpath("static", name).read_bytes()
    return Asset(content, _MEDIA_TYPES[name], _etag(content))


@cache
def _gzipped(name: str) -> Asset:
    """Its ETag is its own, since a strong ETag stands for bytes; the fixed time stamp makes all workers agree on it."""
    plain = _plain(name)
    content = gzip.compress(plain.content, compresslevel=6, mtime=0)
    return Asset(content, plain.media_type, _etag(content), "gzip")


def _page(title: str, openapi_url: str, path: str, head: str, body: str) -> bytes:
    """What both pages share. Without scripts neither tool works, so the document itself is offered instead."""
    document = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" type="image/svg+xml" href="{path}favicon.svg">\n'
        f"{head}</head>\n<body>\n"
        '<noscript><p class="no-script">This page needs JavaScript. The description of the API is at '
        f'<a href="{escape(openapi_url)}">{escape(openapi_url)}</a>.</p></noscript>\n'
        f"{body}</body>\n</html>\n"
    )
    return document.encode()


def _stylesheet(path: str, name: str) -> str:
    return f'<link rel="stylesheet" href="{path}{name}">\n'


def _asset_path(prefix: str) -> str:
    """The prefix as an attribute may hold it, with exactly one slash at its end."""
    return escape(prefix.rstrip("/")) + "/"


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether gzip is named and not refused by a weight of zero; a bare * is left alone, as plain always serves."""
    for item in accept_encoding.lower().split(b","):
        coding, _, weight = item.replace(b" ", b"").partition(b";q=")
        if coding == b"gzip":
            return weight.strip(b"0.") != b"" or weight == b""
    return False


def _matches(if_none_match: bytes, etag: bytes) -> bool:
    """Weak comparison, as If-None-Match asks for: a proxy may have marked our ETag as weak."""
    return any(known.strip().removeprefix(b"W/") in (etag, b"*") for known in if_none_match.split(b","))
