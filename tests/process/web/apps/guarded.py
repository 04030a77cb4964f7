"""A service behind middleware and a global dependency, with a mounted application behind the middleware."""

import contextvars
from typing import Annotated, Any

import flask
from fastapi import Depends, Header, HTTPException
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.security import OAuth2PasswordBearer

from modelport import Service

caller = contextvars.ContextVar("caller", default="nobody")


def ask_for_key(key: Annotated[str | None, Header()] = None) -> None:
    """The guard."""
    if key != "open":
        raise HTTPException(401, "a key is wanted")


service = Service("guarded", dependencies=[Depends(ask_for_key)])


class Caller:
    """Sets a context variable."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        caller.set("somebody")
        await self.app(scope, receive, send)


service.add_middleware(Caller)
service.add_middleware(GZipMiddleware, minimum_size=500)
service.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_methods=["POST"])
service.add_middleware(TrustedHostMiddleware, allowed_hosts=["test"])


@service.model("loudness")
def loudness(decibel: float) -> float:
    """A model."""
    return float(10 ** (decibel / 20))


@service.model("échó & co", batch=True)
def echo(texts: list[str]) -> list[str]:
    """Another, with a name that is spelled in many ways."""
    return texts


@service.get("/open")
async def opened(token: Annotated[str, Depends(OAuth2PasswordBearer("token"))]) -> str:
    """A route."""
    return token


mounted = flask.Flask("mounted")


@mounted.get("/caller")
def who() -> str:
    """What the middleware has set."""
    return caller.get()


service.mount("/mounted", mounted)
