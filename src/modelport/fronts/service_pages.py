"""Everything a service answers to GET: probes, descriptions, the OpenAPI document, the documentation pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from modelport.codecs.json import encode
from modelport.fronts.asgi import Get, Response, Scope
from modelport.fronts.describe import describe_slot
from modelport.fronts.docs_pages import PAGE_HEADERS, asset_answer, asset_names, redoc_page, swagger_page
from modelport.fronts.exchange import JSON_TYPE, Headers
from modelport.fronts.openapi import openapi_document
from modelport.fronts.openapi_merge import merge_documents
from modelport.runtime.lifecycle import Slot, State

HTML: Headers = [(b"content-type", b"text/html; charset=utf-8")]
STATIC = "/_modelport/static/"


PREFIX = "/_modelport"
"""Where our pages are, too, when a service has routes of its own; and alone, where a route has their path."""
PROBES = ("/livez", "/readyz")
_SLOW = ("/metrics", "/status", "/openapi.json")
THREADED = frozenset({*_SLOW, *(PREFIX + path for path in _SLOW), *(STATIC + name for name in asset_names())})
"""Paths whose answers read many processes' memory, walk through all routes, or compress a large file at first."""


class Observe(Protocol):
    """What the process tells of itself and its siblings."""

    def metrics(self) -> bytes:
        """Prometheus text."""

    def status(self) -> dict[str, Any]:
        """The same for people."""

    def place_of(self, path: str) -> str | None:
        """Where a path of ours is now, if routes or mounted applications have taken it; None where it is nowhere."""

    def routes_document(self) -> dict[str, Any] | None:
        """The OpenAPI document of the routes beside the models, where there are any."""


def service_pages(
    title: str,
    version: str,
    slots: Sequence[Slot],
    phase: Callable[[], str],
    observe: Observe,
    prefix: str = "",
) -> dict[str, Get]:
    """Path to handler, for all paths that are answered by GET. `phase`: ready, loading, draining.

    `prefix`: where they are, beside or instead of at the root.
    """
    pages: dict[str, Get] = {
        "/": partial(_home, prefix),
        "/livez": lambda scope: Response(200, b'{"status":"ok"}'),
        "/readyz": partial(_readyz, slots, phase),
        "/metrics": partial(_metrics, observe),
        "/status": partial(_status, observe),
        "/models": partial(_models, slots),
        "/openapi.json": partial(_openapi, title, version, slots, observe),
        "/docs": partial(_page, swagger_page, title, prefix),
        "/redoc": partial(_page, redoc_page, title, prefix),
    }
    assets = {STATIC + name: partial(_asset, name) for name in asset_names()}
    return {prefix + path: page for path, page in pages.items()} | assets


def _home(prefix: str, scope: Scope) -> Response:
    return Response(307, b"", [(b"location", f"{_root(scope)}{prefix}/docs".encode()), *HTML])


def _root(scope: Scope) -> str:
    return str(scope.get("root_path", "")).rstrip("/")


def _readyz(slots: Sequence[Slot], phase: Callable[[], str], scope: Scope) -> Response:
    """Ready is: every model here is, and so is every other worker, and nobody has asked us to stop."""
    waiting = [slot for slot in slots if slot.state is not State.READY]
    if not waiting and phase() == "ready":
        return Response(200, b'{"state":"ready"}')
    if phase() == "draining":
        return Response(503, b'{"state":"draining"}', [JSON_TYPE, (b"retry-after", b"1")])
    if not slots:
        return Response(503, b'{"state":"loading"}', [JSON_TYPE, (b"retry-after", b"1")])
    first = next((s for s in waiting if s.state is State.FAILED), waiting[0] if waiting else slots[0])
    state = first.doing if waiting else State.LOADING  # another worker's copy
    body = {"state": state, "model": first.name, "elapsed": round(first.elapsed(), 1)}
    return Response(503, encode(body), [JSON_TYPE, (b"retry-after", b"1")])


def _models(slots: Sequence[Slot], scope: Scope) -> Response:
    return Response(200, encode({"models": [describe_slot(slot) for slot in slots]}))


def _metrics(observe: Observe, scope: Scope) -> Response:
    return Response(200, observe.metrics(), [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")])


def _status(observe: Observe, scope: Scope) -> Response:
    return Response(200, encode(observe.status()))


def model_page(slot: Slot, scope: Scope) -> Response:
    """The description of one model."""
    return Response(200, encode(describe_slot(slot)))


def _openapi(title: str, version: str, slots: Sequence[Slot], observe: Observe, scope: Scope) -> Response:
    document = openapi_document(title, _service_version(version, slots), slots)
    paths = document["paths"].items()
    document["paths"] = {place: item for path, item in paths if (place := observe.place_of(path)) is not None}
    if (of_routes := observe.routes_document()) is not None:
        document = merge_documents(document, of_routes)
    root = _root(scope)
    return Response(200, encode({**document, "servers": [{"url": root}]} if root else document))


def _service_version(own: str, slots: Sequence[Slot]) -> str:
    """The version of the one model, or that of Modelport."""
    versions = [s.loaded.version for s in slots if s.loaded is not None and s.loaded.version]
    return versions[0] if len(versions) == len(slots) == 1 else own


def _page(render: Callable[[str, str, str], bytes], title: str, prefix: str, scope: Scope) -> Response:
    root = _root(scope)
    return Response(200, render(title, f"{root}{prefix}/openapi.json", root + STATIC), [*HTML, *PAGE_HEADERS])


def _asset(name: str, scope: Scope) -> Response:
    answer = asset_answer(name, dict(scope["headers"]))
    assert answer is not None  # the name comes from `asset_names`
    return Response(*answer)
