"""A thousand clients who each wait 50 ms for an upstream in an ordinary route: what FastAPI's own costs behind our server."""

from __future__ import annotations

import argparse
import sys

from bench.async_model import compare, options_of
from bench.harness import environment
from bench.harness.scenario import CONSTRAINTS, Sheet, main
from bench.lineup import OURS

INTRODUCTION = """\
A thousand clients in a closed loop ask a route that awaits 50 ms, as one that asks another service does. It is the same route,
word for word: once of a service, once of a FastAPI application on Uvicorn. Both servers have the same single core, the load
comes from another one. Rounds alternate between the two, and the median counts. Memory per waiting request: PSS of the process
tree under this load, less that after a first request, by the number of clients."""
LEAST_TIMES = 0.9


def measure(options: argparse.Namespace, sheet: Sheet) -> None:
    """Both servers up at once, asked in turn."""
    if not options.here:
        environment.install_tree(OURS, ".[web]", CONSTRAINTS)
    compare(options, sheet, "ordinary_route", LEAST_TIMES)


def cli(arguments: list[str] | None = None) -> int:
    """Run it."""
    return main(Sheet("ordinary_route", "Ordinary routes", INTRODUCTION), options_of(__doc__), measure, arguments)


if __name__ == "__main__":
    sys.exit(cli())
