"""The ceiling of Modelport's own HTTP server: it reads the body and answers a constant the size of a real answer.

It takes the same direct path as the model endpoints (`modelport.fronts.protocol`): the strictest control there is, for whatever
separates Modelport from it is the model's share: validation, queue, batch, prediction, encoding.

    python -m bench.contestants.echo --port 8000
"""

import argparse
from typing import Any

from bench.contestants.constant_answer import BODY, HEADERS
from modelport.fronts.exchange import Exchange
from modelport.fronts.server import make_server
from modelport.runtime.listeners import open_listener

PER_ANSWER = (b"content-length", b"request-id")


class EchoRoute:
    """What stands where a model's endpoint stands."""

    headers = [header for header in HEADERS if header[0] not in PER_ANSWER]  # noqa: RUF012

    def serve(self, exchange: Exchange) -> None:
        """Answer alike, whatever came."""
        exchange.respond(200, BODY, self.headers)


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """There is nothing beside the echo."""


def main() -> None:
    """Serve the constant on the given port."""
    parser = argparse.ArgumentParser(description="Answer every request with a constant, on Modelport's HTTP server.")
    parser.add_argument("--port", type=int, required=True)
    listener = open_listener("127.0.0.1", parser.parse_args().port)
    server = make_server(nothing, {b"/predict": EchoRoute()}, 2**24, None, graceful_s=30.0)  # type: ignore[dict-item]
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
