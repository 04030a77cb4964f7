"""A service with the comforts of a web framework, all in front of its models: sessions, OAuth2, redirects, handlers, templates."""

import asyncio
import pathlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fastapi.responses import PlainTextResponse
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from modelport import Service

HERE = pathlib.Path.cwd()
EVENTS: list[str] = []


class Bearer(OAuth2PasswordBearer):
    """Of WebSockets, too."""

    async def __call__(self, request: HTTPConnection) -> str:
        """The token."""
        return request.headers.get("authorization", "").removeprefix("Bearer ")


bearer = Bearer("token")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    """Leaves state."""
    yield {"opened": "yes"}


async def user(
    request: HTTPConnection, token: Annotated[str, Depends(bearer)], tenant: Annotated[str, Header()] = "none"
) -> AsyncIterator[str]:
    """In front of everything but the token itself; notes when it begins and ends."""
    if request.url.path != "/token" and token != "good":
        raise HTTPException(401, "bad token", {"www-authenticate": "Bearer"})
    EVENTS.append(f"in {request.state.opened} {tenant}")
    try:
        yield token
    finally:
        EVENTS.append("out")


service = Service("comforts", lifespan=lifespan, dependencies=[Depends(user)])
service.add_middleware(SessionMiddleware, secret_key="not a secret")
service.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_methods=["POST"])
service.add_middleware(HTTPSRedirectMiddleware)
service.add_middleware(ProxyHeadersMiddleware, trusted_hosts="127.0.0.1")


@service.middleware("http")
async def count_body(request: Request, call_next: Any) -> Any:
    """Reads the body before anybody else does."""
    size = len(await request.body())
    response = await call_next(request)
    response.headers["x-body"] = str(size)
    return response


@service.exception_handler(404)
async def nowhere(request: Request, error: Exception) -> PlainTextResponse:
    """At the paths of nobody."""
    return PlainTextResponse("nowhere", 404)


@service.exception_handler(RequestValidationError)
async def invalid(request: Request, error: Exception) -> PlainTextResponse:
    """For routes alone."""
    return PlainTextResponse("invalid", 422)


@service.exception_handler(Exception)
async def broken(request: Request, error: Exception) -> PlainTextResponse:
    """For everything else."""
    return PlainTextResponse("broken", 500)


@service.model("slow")
async def slow(seconds: float) -> float:
    """Waits, and notes that it was cancelled."""
    (HERE / "begun").touch()
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        (HERE / "cancelled").touch()
        raise
    return seconds


@service.model("plus")
def plus(x: int) -> int:
    """A model."""
    return x + 1


@service.post("/token")
async def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    """As the page's “Authorize” asks for it."""
    if form.password != "secret":
        raise HTTPException(400, "wrong")
    return {"access_token": "good", "token_type": "bearer"}


@service.get("/session")
async def session(request: Request) -> int:
    """Counts visits."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return int(request.session["visits"])


@service.get("/raise")
async def raises() -> None:
    """A fault."""
    raise ValueError("on purpose")


@service.get("/double/{n}")
async def double(n: int, tasks: BackgroundTasks) -> int:
    """With a task behind it."""
    tasks.add_task(EVENTS.append, f"task {n}")
    return n * 2


@service.get("/events")
async def events() -> list[str]:
    """What has happened."""
    return EVENTS


@service.websocket("/hello")
async def hello(socket: WebSocket, who: Annotated[str, Depends(user)]) -> None:
    """Behind the same guards."""
    await socket.accept()
    await socket.send_text(f"{who} {socket.session.get('visits')}")
    await socket.close()


(HERE / "static").mkdir(exist_ok=True)
(HERE / "static" / "style.css").write_text("body {}")
(HERE / "page.html").write_text("<link href=\"{{ url_for('static', path='style.css') }}\">{{ url_for('double', n=2) }}")
service.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
templates = Jinja2Templates(directory=HERE)


@service.get("/page")
async def page(request: Request) -> Any:
    """A template with addresses of a route and of a static file."""
    return templates.TemplateResponse(request, "page.html")
