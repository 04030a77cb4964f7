"""`modelport ship …` and `modelport healthcheck`."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import modelport
from modelport.assembly import copy_bundle
from modelport.config import ServeOptions
from modelport.deploy import hosts, image, monitoring
from modelport.deploy.files import write_files
from modelport.deploy.healthcheck import check_health, own_url
from modelport.deploy.helm import chart
from modelport.deploy.kserve import kserve
from modelport.deploy.kubernetes import Release, manifests
from modelport.deploy.kustomize import kustomized
from modelport.deploy.measure import measure
from modelport.deploy.requirements import accelerators, installed_from_folder
from modelport.deploy.resources import Patience, Resources, resources
from modelport.deploy.sbom import bill_of_materials
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
    force: bool

    def subject(self) -> Subject:
        """What is shipped."""
        return read_subject(self.source, self.name, self.requirements)

    def image_of(self, subject: Subject) -> str:
        """As it is called in a registry."""
        tag = self.tag or f"{subject.name}:{subject.version}"
        return tag if ":" in tag.rpartition("/")[2] else f"{tag}:{subject.version}"


def _tell(line: str) -> None:
    """Progress is not output: whoever pipes the output away still sees it."""
    print(line, file=sys.stderr, flush=True)


def ship_docker(given: Given, base: str | None, cuda: bool, wheels: bool) -> int:
    """Dockerfile, .dockerignore, the list of packages, the bill of materials and a Compose file."""
    subject = given.subject()
    _warn(subject, cuda, wheels)
    needed = _measured(given, subject)
    options = image.ImageOptions(given.image_of(subject), base, cuda, wheels, needed.start_s)
    files = {
        "Dockerfile": image.dockerfile(subject, options, modelport.__version__),
        ".dockerignore": image.dockerignore(subject),
        image.REQUIREMENTS: image.requirements_text(subject.pins, modelport.__version__),
        image.SBOM: bill_of_materials(subject, modelport.__version__),
        "compose.yaml": to_yaml(hosts.compose_file(subject.name, options.tag, needed), NOTE),
    }
    _bring(subject, given.out, given.force)
    _report(write_files(given.out, files, given.force))
    there = "" if given.out == Path() else f"cd {given.out} && "
    _say_next(there + image.build_command(options), f"docker run --rm -p 8000:8000 {options.tag}")
    return 0


def ship_kubernetes(given: Given, layout: str, autoscaler: str, storage: str | None) -> int:
    """The manifests: one file for each object, a chart, or a base with an overlay."""
    subject = given.subject()
    release = Release(subject.name, subject.version, given.image_of(subject), _measured(given, subject))
    made = _laid_out(release, layout, autoscaler, storage)
    _report(write_files(given.out / "kubernetes", made, given.force))
    folder = given.out / "kubernetes"
    _say_next(
        {
            "helm": f"helm install {release.name} {folder}",
            "kustomize": f"kubectl apply -k {folder / 'overlays' / 'production'}",
            "plain": f"kubectl apply -f {folder}",
            "kserve": f"kubectl apply -f {folder}",
        }[layout]
    )
    return 0


def _laid_out(release: Release, layout: str, autoscaler: str, storage: str | None) -> dict[str, str]:
    if layout == "helm":
        return chart(release)
    if layout == "kserve":
        if storage is None:
            raise ConfigError("--kserve needs to know where the bundle lies: --storage s3://bucket/genre.bundle")
        return _documents(kserve(release, storage))
    objects = manifests(release) | _scaler(release, autoscaler)
    if layout == "kustomize":
        return kustomized(release, objects, monitoring.monitoring(release))
    watched = {f"monitoring/{name}": text for name, text in _documents(monitoring.monitoring(release)).items()}
    return _documents(objects) | watched | {"prometheus/alerts.rules": to_yaml(monitoring.alert_rules(release), NOTE)}


def _scaler(release: Release, autoscaler: str) -> dict[str, dict[str, object]]:
    if autoscaler == "hpa":
        return {"horizontalpodautoscaler": monitoring.horizontal_autoscaler(release)}
    return {"scaledobject": monitoring.keda_scaler(release)} if autoscaler == "keda" else {}


def _documents(objects: dict[str, dict[str, object]]) -> dict[str, str]:
    return {f"{kind}.yaml": to_yaml(obj, NOTE) for kind, obj in objects.items()}


def ship_systemd(given: Given, executable: str | None) -> int:
    """A unit file."""
    subject = given.subject()
    found = executable or shutil.which("modelport") or str(Path(sys.executable).with_name("modelport"))
    needed = _measured(given, subject)
    unit = hosts.systemd_unit(subject.name, str(subject.folder), subject.target, found, needed, modelport.__version__)
    written = write_files(given.out, {f"{subject.name}.service": unit}, given.force)
    _report(written)
    _say_next(f"sudo cp {written[0]} /etc/systemd/system/ && sudo systemctl enable --now {subject.name}")
    return 0


def run_healthcheck(options: ServeOptions, url: str | None, live: bool) -> int:
    """0 where the service is ready (alive), 1 where it is not."""
    asked = url or own_url(options.host, options.port, options.tls_cert is not None, "/livez" if live else "/readyz")
    well, said = check_health(asked)
    print(said, file=sys.stdout if well else sys.stderr)
    return 0 if well else 1


def _measured(given: Given, subject: Subject) -> Resources:
    found = measure(subject.target, subject.folder, given.workers, _tell)
    return resources(found, Patience(PRE_STOP_S, ServeOptions().stop_timeout))


def _warn(subject: Subject, cuda: bool, wheels: bool) -> None:
    heavy = accelerators(subject.pins)
    if heavy and not cuda:
        _tell(
            f"note: {heavy[0]} and {len(heavy) - 1} more packages bring CUDA, gigabytes that a CPU image cannot use: install the "
            "builds without it here (PyTorch has them on an index of its own) and ship again, or say --cuda"
        )
    if not wheels and installed_from_folder():
        _tell(
            "note: this Modelport was installed from a folder; the image takes the release of the same version, unless you say "
            "--wheels and put everything it needs into the folder wheels"
        )


def _bring(subject: Subject, out: Path, force: bool) -> None:
    """An image is built from one folder: what it serves has to be there. Another bundle is replaced where that is said."""
    if out.resolve() == subject.folder:
        return
    if subject.is_service:
        raise ConfigError(f"an image of a service is built from its own folder: --out {subject.folder}")
    copy_bundle(subject.folder / subject.target, out / subject.target, force)


def _report(written: list[Path]) -> None:
    for path in written:
        print(path)


def _say_next(*commands: str) -> None:
    print("\nnext:")
    for command in commands:
        print(f"  {command}")
