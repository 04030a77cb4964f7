"""`modelport ship …`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import modelport
from modelport.assembly import copy_bundle
from modelport.deploy import hosts, image, monitoring
from modelport.deploy.files import check_free, write_files
from modelport.deploy.helm import chart
from modelport.deploy.knative import knative
from modelport.deploy.kserve import kserve
from modelport.deploy.kubernetes import Object, Release, manifests
from modelport.deploy.kustomize import kustomized
from modelport.deploy.measure import measure
from modelport.deploy.reference import read_reference
from modelport.deploy.requirements import accelerators, from_other_indexes, installed_from_folder
from modelport.deploy.resources import Patience, resources
from modelport.deploy.sbom import bill_of_materials
from modelport.deploy.settings import Settings, read_settings
from modelport.deploy.subject import Subject, read_subject
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
        """What is shipped."""
        return read_subject(self.source, self.name, self.requirements)

    def image_of(self, subject: Subject) -> str:
        """As it is called in a registry."""
        return str(read_reference(self.tag or subject.name, subject.version))


def _tell(line: str) -> None:
    """Progress is not output: whoever pipes the output away still sees it."""
    print(line, file=sys.stderr, flush=True)


def ship_docker(given: Given, base: str | None, cuda: bool, wheels: bool) -> int:
    """Dockerfile, .dockerignore, the list of packages, the bill of materials and a Compose file."""
    subject = given.subject()
    _check_place(subject, given.out)
    release = _release(given, subject)
    _warn(subject, cuda, wheels)
    start_s = release.resources.start_s
    options = image.ImageOptions(release.image, base, cuda, wheels, start_s, release.variables)
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
    there = "" if given.out == Path() else f"cd {given.out} && "
    collect = [f"{there}pip download --no-deps -d {image.WHEELS} -r {image.REQUIREMENTS}"] if wheels else []
    _say_next(*collect, there + image.build_command(options), f"docker run --rm -p 8000:8000 {options.tag}")
    return 0


@dataclass(frozen=True, slots=True)
class Cluster:
    """What may be chosen of manifests."""

    layout: str
    autoscaler: str
    storage: str | None


def ship_kubernetes(given: Given, cluster: Cluster) -> int:
    """The manifests: one file for each object, a chart, or a base with an overlay."""
    _refuse_mixed(cluster)
    release = _release(given, given.subject(), cluster.autoscaler)
    folder = given.out / "kubernetes"
    _report(write_files(folder, _laid_out(release, cluster), given.force))
    applied = {
        "helm": f"helm install {release.name} {folder}",
        "kustomize": f"kubectl apply -k {folder}/overlays/production",
    }
    _say_next(applied.get(cluster.layout, f"kubectl apply -f {folder}"))
    return 0


def _refuse_mixed(cluster: Cluster) -> None:
    """What does not go together, before anything is started."""
    if cluster.layout == "kserve" and cluster.storage is None:
        raise ConfigError("--kserve needs to know where the bundle lies: --storage s3://bucket/genre.bundle")
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
    found = executable or shutil.which("modelport") or str(Path(sys.executable).with_name("modelport"))
    host = hosts.Host(str(subject.folder), subject.target, found)
    unit = hosts.systemd_unit(_release(given, subject), host, modelport.__version__)
    written = write_files(given.out, {f"{subject.name}.service": unit}, given.force)
    _report(written)
    _say_next(f"sudo cp {written[0]} /etc/systemd/system/ && sudo systemctl enable --now {subject.name}")
    return 0


def _release(given: Given, subject: Subject, autoscaler: str = "none") -> Release:
    """With what was measured. What can be told to be wrong is told before that: it takes some seconds."""
    named = given.image_of(subject)
    settings = read_settings(given.env, subject)
    found = measure(subject, settings.variables, given.workers, _tell)
    needed = resources(found, _patience(settings))
    variables = settings.variables
    return Release(subject.name, subject.version, named, needed, autoscaler=autoscaler, variables=variables)


def _patience(settings: Settings) -> Patience:
    options = settings.options
    return Patience(PRE_STOP_S, options.stop_timeout, options.drain_delay, options.graceful_s)


def _warn(subject: Subject, cuda: bool, wheels: bool) -> None:
    heavy, elsewhere = accelerators(subject.pins), from_other_indexes(subject.pins)
    if heavy and not cuda:
        more = f" and {len(heavy) - 1} more packages bring" if len(heavy) > 1 else " brings"
        _tell(
            f"note: {heavy[0]}{more} CUDA, gigabytes that a CPU image cannot use: install the "
            "builds without it here (PyTorch has them on an index of its own) and ship again, or say --cuda"
        )
    if cuda and not heavy:
        _tell(f"note: nothing that {subject.target} needs uses a GPU: without --cuda its image is gigabytes smaller")
    if elsewhere and not wheels:
        _tell(
            f"note: {elsewhere[0]} is a build that the default index does not have; say where it is when you build: "
            "--build-arg PIP_EXTRA_INDEX_URL=…"
        )
    if not wheels and installed_from_folder():
        _tell(
            "note: this Modelport was installed from a folder; the image takes the release of the same version, unless you say "
            "--wheels and put everything it needs into the folder wheels"
        )


def _check_place(subject: Subject, out: Path) -> None:
    if subject.is_service and out.resolve() != subject.folder:
        raise ConfigError(f"an image of a service is built from its own folder: --out {subject.folder}")


def _bring(subject: Subject, out: Path, force: bool) -> None:
    """An image is built from one folder: what it serves has to be there. Another bundle is replaced where that is said."""
    if out.resolve() == subject.folder:
        return
    copy_bundle(subject.folder / subject.target, out / subject.target, force)


def _report(written: list[Path]) -> None:
    for path in written:
        print(path)


def _say_next(*commands: str) -> None:
    print("\nnext:")
    for command in commands:
        print(f"  {command}")
