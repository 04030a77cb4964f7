"""The commands of `modelport ship` and `modelport healthcheck`, as the command line sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from modelport.cli.ship import Given

Command = TypeVar("Command", bound=Callable[..., Any])

SHARED = (
    click.argument("source"),
    click.option(
        "--out", type=click.Path(path_type=Path), default=Path(), help="The folder to write to.  [default: .]"
    ),
    click.option("--name", help="Name of the image and of every object; default: the bundle's, or the app's folder."),
    click.option("--tag", help="The image, as its registry knows it.  [default: NAME:VERSION]"),
    click.option(
        "--requirements",
        type=click.Path(path_type=Path, dir_okay=False),
        help="What the image installs; default: what the bundle needs, or requirements.txt beside the app.",
    ),
    click.option("--workers", type=click.IntRange(1, 64), default=1, help="HTTP worker processes.  [default: 1]"),
    click.option(
        "--env",
        multiple=True,
        metavar="NAME=VALUE",
        help="What the service is told, as in MODELPORT_MAX_BODY=64MiB; repeatable. No secrets: it is written down.",
    ),
    click.option("--force", is_flag=True, help="Replace files that are there already."),
)

LAYOUTS = ("helm", "kustomize", "kserve", "knative")


def _shared(function: Command) -> Command:
    for decorate in reversed(SHARED):
        function = decorate(function)
    return function


def _given(given: dict[str, Any]) -> Given:
    from modelport.cli.ship import Given

    return Given(**{name: given.pop(name) for name in Given.__dataclass_fields__})


@click.group(no_args_is_help=True)
def ship() -> None:
    """Write what puts a bundle, or a service in Python, on other machines.

    SOURCE is a bundle (modelport build makes one), or app.py with its requirements.txt. It is started here
    for some seconds, so that memory, processors and the patience of probes are what it really takes, and not guesses.
    """


@ship.command()
@_shared
@click.option("--base", help="The image to build on, with Python; default: the Python it was built with, slim.")
@click.option("--cuda", is_flag=True, help="Build on CUDA's runtime. For services whose code uses a GPU.")
@click.option("--wheels", is_flag=True, help="Install from the folder wheels, and from nowhere else.")
def docker(base: str | None, cuda: bool, wheels: bool, **given: Any) -> int:
    """Dockerfile, .dockerignore, pinned requirements, SBOM and compose.yaml, and the command that builds the image."""
    from modelport.cli.ship import ship_docker

    return ship_docker(_given(given), base, cuda, wheels)


@ship.command()
@_shared
@click.option("--helm", is_flag=True, help="A Helm chart.")
@click.option("--kustomize", is_flag=True, help="A base and an overlay for kubectl apply -k.")
@click.option("--kserve", is_flag=True, help="A ServingRuntime and an InferenceService.")
@click.option("--knative", is_flag=True, help="A Service of Knative's, which Cloud Run reads, too.")
@click.option("--storage", help="With --kserve: where KServe fetches the bundle, as in s3://models/genre.bundle.")
@click.option(
    "--autoscaler",
    type=click.Choice(["none", "hpa", "keda"]),
    default="none",
    help="More replicas when calls wait.  [default: none]",
)
@click.option("--gpus", type=click.IntRange(0, 64), default=0, help="GPUs of NVIDIA's for each replica.  [default: 0]")
def kubernetes(storage: str | None, autoscaler: str, gpus: int, **given: Any) -> int:
    """Deployment, Service, probes, budgets, policies and alerts, with what was measured here."""
    from modelport.cli.ship import Cluster, ship_kubernetes

    layouts = tuple(name for name in LAYOUTS if given.pop(name))
    return ship_kubernetes(_given(given), Cluster(layouts, autoscaler, storage, gpus))


@ship.command()
@_shared
@click.option("--executable", help="The program modelport on the host; default: this one.")
def systemd(executable: str | None, **given: Any) -> int:
    """A unit file with the same limits, rights and patience."""
    from modelport.cli.ship import ship_systemd

    return ship_systemd(_given(given), executable)


@click.command()
@click.option("--url", help="What to ask; default: /readyz of the host and port that serve is configured with.")
@click.option("--live", is_flag=True, help="Ask whether it lives, not whether it is ready.")
def healthcheck(url: str | None, live: bool) -> int:
    """Exit with 0 where a service on this machine is ready, with 1 where it is not. Needs no curl."""
    from modelport.cli.healthcheck import run_healthcheck
    from modelport.config import resolve

    return run_healthcheck(resolve({}), url, live)
