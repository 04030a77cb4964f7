"""`modelport ship …`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import modelport
from modelport.assembly import copy_bundle
from modelport.cli.ship_notes import tell, tell_of_others, warn
from modelport.deploy import hosts, image, monitoring
from modelport.deploy.files import check_folder, check_free, write_files
from modelport.deploy.helm import chart
from modelport.deploy.knative import knative
from modelport.deploy.kserve import kserve
from modelport.deploy.kubernetes import Object, Release, manifests
from modelport.deploy.kustomize import kustomized
from modelport.deploy.measure import measure
from modelport.deploy.reference import read_reference
from modelport.deploy.resources import Patience, resources
from modelport.deploy.sbom import bill_of_materials
from modelport.deploy.settings import Settings, read_settings
from modelport.deploy.subject import Subject, check_image, read_subject
from modelport.deploy.text import to_yaml
from modelport.errors import ConfigError

PRE_STOP_S = 5
NOTE = f"Written by modelport {modelport.__version__}."


@dataclass(frozen=True, slots=True)
class Given:
    """What all kinds of shipping are told."""

    source: str
    out: Path
    name: str | None
    requirements: Path | None
    workers: int
    tag: str | None
    env: tuple[str, ...]
    force: bool

    def subject(self) -> Subject:
        """What is shipped. Raises SetupError for it, and for a place that cannot take what is made of it."""
        check_folder(self.out)
        return read_subject(self.source, self.name, self.requirements)

    def image_of(self, subject: Subject) -> str:
        """As it is called in a registry."""
        return str(read_reference(self.tag or subject.name, subject.version))


def ship_docker(given: Given, base: str | None, cuda: bool, wheels: bool) -> int:
    """Dockerfile, .dockerignore, the list of packages, the bill of materials and a Compose file."""
    subject = given.subject()
    _check_place(subject, given.out)
    check_image(subject)
    _refuse_digest(given)
    if base is not None and not re.fullmatch(r"[^\s$]+", base):
        raise ConfigError(f"--base {base[:120]!r} names no image: write one as in python:3.11-slim-bookworm")
    release = _release(given, subject, gpus=int(cuda))
    warn(subject, cuda, wheels)
    start_s = release.resources.start_s
    options = image.ImageOptions(release.image, base, cuda, wheels, start_s, release.environment)
    files = {
        "Dockerfile": image.dockerfile(subject, options, modelport.__version__),
        ".dockerignore": image.dockerignore(subject),
        image.REQUIREMENTS: image.requirements_text(subject.pins, modelport.__version__),
        image.SBOM: bill_of_materials(subject, modelport.__version__),
        "compose.yaml": to_yaml(hosts.compose_file(release), NOTE),
    }
    check_free(given.out, files, given.force)
    _bring(subject, given.out, given.force)
    _report(write_files(given.out, files, given.force))
    there = "" if given.out == Path() else f"cd {_quoted(given.out)} && "
    collect = [f"{there}pip download --no-deps -d {image.WHEELS} -r {image.REQUIREMENTS}"] if wheels else []
    run = "docker run --rm --gpus all" if cuda else "docker run --rm"
    _say_next(*collect, there + image.build_command(options), f"{run} -p 8000:8000 {options.tag}")
    return 0


@dataclass(frozen=True, slots=True)
class Cluster:
    """What may be chosen of manifests."""

    layouts: tuple[str, ...]
    """The flags that were given: one at most."""
    autoscaler: str
    storage: str | None
    gpus: int = 0

    @property
    def layout(self) -> str:
        """How the objects are written down."""
        return self.layouts[0] if self.layouts else "plain"


def ship_kubernetes(given: Given, cluster: Cluster) -> int:
    """The manifests: one file for each object, a chart, or a base with an overlay."""
    _refuse_mixed(cluster)
    release = _release(given, given.subject(), cluster.autoscaler, cluster.gpus)
    folder = given.out / "kubernetes"
    written = write_files(folder, _laid_out(release, cluster), given.force)
    _report(written)
    tell_of_others(folder, written, cluster.layout)
    applied = {
        "helm": f"helm install {release.name} {_quoted(folder)}",
        "kustomize": f"kubectl apply -k {_quoted(folder / 'overlays' / 'production')}",
    }
    _say_next(applied.get(cluster.layout, f"kubectl apply -f {_quoted(folder)}"))
    return 0


def _refuse_mixed(cluster: Cluster) -> None:
    """What does not go together, before anything is started."""
    if len(cluster.layouts) > 1:
        raise ConfigError(f"--{cluster.layouts[0]} and --{cluster.layouts[1]} are two forms: choose one of them")
    if cluster.layout == "kserve" and cluster.storage is None:
        raise ConfigError("--kserve needs to know where the bundle lies: --storage s3://bucket/genre.bundle")
    if cluster.storage is not None and not re.fullmatch(r"[a-z][a-z0-9+.-]*://\S+", cluster.storage):
        raise ConfigError(
            f"--storage {cluster.storage[:120]!r} is no address: write one that KServe fetches, as in s3://bucket/genre.bundle"
        )
    if cluster.layout != "kserve" and cluster.storage is not None:
        raise ConfigError("--storage is for --kserve, which fetches the bundle; elsewhere it is in the image")
    if cluster.layout == "knative" and cluster.autoscaler != "none":
        raise ConfigError("--knative scales by itself, from none to as many as calls want: leave --autoscaler out")
    if cluster.layout == "kserve" and cluster.autoscaler == "hpa":
        raise ConfigError(
            "KServe's own autoscaler knows processors and memory alone, and a model server is busy long before anybody waits: "
            "say --autoscaler keda, or none"
        )


def _laid_out(release: Release, cluster: Cluster) -> dict[str, str]:
    if cluster.layout == "helm":
        return chart(release)
    if cluster.layout == "knative":
        return _documents(knative(release))
    if cluster.layout == "kserve":
        return _documents(kserve(release, str(cluster.storage)))
    objects = manifests(release) | _scaler(release)
    if cluster.layout == "kustomize":
        return kustomized(release, objects, monitoring.monitoring(release))
    watched = {f"monitoring/{name}": text for name, text in _documents(monitoring.monitoring(release)).items()}
    return _documents(objects) | watched | {"prometheus/alerts.rules": to_yaml(monitoring.alert_rules(release), NOTE)}


def _scaler(release: Release) -> dict[str, Object]:
    if release.autoscaler == "hpa":
        return {"horizontalpodautoscaler": monitoring.horizontal_autoscaler(release)}
    return {"scaledobject": monitoring.keda_scaler(release)} if release.autoscaler == "keda" else {}


def _documents(objects: Mapping[str, Object]) -> dict[str, str]:
    return {f"{kind}.yaml": to_yaml(obj, NOTE) for kind, obj in objects.items()}


def ship_systemd(given: Given, executable: str | None) -> int:
    """A unit file."""
    subject = given.subject()
    host = hosts.Host(str(subject.folder), subject.target, program(executable))
    unit = hosts.systemd_unit(_release(given, subject), host, modelport.__version__)
    written = write_files(given.out, {f"{subject.name}.service": unit}, given.force)
    _report(written)
    _say_next(f"sudo cp {_quoted(written[0])} /etc/systemd/system/ && sudo systemctl enable --now {subject.name}")
    return 0


def program(said: str | None) -> str:
    """This one, and not another that the path of this shell finds first. systemd wants the whole path."""
    if said is not None and not Path(said).is_absolute():
        raise ConfigError(
            f"--executable {said!r} is no whole path: say one as on the host, as in /opt/genre/bin/modelport"
        )
    beside = Path(sys.executable).with_name("modelport")
    return said or (str(beside) if beside.is_file() else os.path.abspath(shutil.which("modelport") or beside))


def _release(given: Given, subject: Subject, autoscaler: str = "none", gpus: int = 0) -> Release:
    """With what was measured. What can be told to be wrong is told before that: it takes some seconds."""
    named = given.image_of(subject)
    settings = read_settings(given.env, subject)
    found = measure(subject, settings.variables, given.workers, settings.options, tell)
    needed = resources(found, _patience(settings))
    variables = settings.variables
    return Release(subject.name, subject.version, named, needed, autoscaler=autoscaler, variables=variables, gpus=gpus)


def _patience(settings: Settings) -> Patience:
    options = settings.options
    times = (PRE_STOP_S, options.stop_timeout, options.drain_delay, options.graceful_s)
    return Patience(*times, options.queue_rows, options.queue_bytes, options.max_body)


def _check_place(subject: Subject, out: Path) -> None:
    if subject.is_service and out.resolve() != subject.folder:
        raise ConfigError(f"an image of a service is built from its own folder: --out {subject.folder}")


def _bring(subject: Subject, out: Path, force: bool) -> None:
    """An image is built from one folder: what it serves has to be there. Another bundle is replaced where that is said."""
    if out.resolve() == subject.folder:
        return
    copy_bundle(subject.folder / subject.target, out / subject.target, force)


def _refuse_digest(given: Given) -> None:
    """A build gives an image its digest."""
    if given.tag is not None and "@" in given.tag:
        raise ConfigError(
            f"--tag {given.tag} names an image that is there already: say it without its digest here, and with it where it is run"
        )


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _report(written: list[Path]) -> None:
    for path in written:
        print(path)


def _say_next(*commands: str) -> None:
    print("\nnext:")
    for command in commands:
        print(f"  {command}")
