"""The image: a Dockerfile in two stages, what is left out of its context, and the command that builds it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from modelport.deploy.requirements import Pin
from modelport.deploy.subject import Subject

USER = "10001:10001"
PORT = 8000
CUDA_BASE = "nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04"
REQUIREMENTS, SBOM, WHEELS = "requirements.lock", "sbom.cdx.json", "wheels"

IGNORED = """\
# Nothing goes into the image but what is named here.
*
!{requirements}
!{sbom}
!wheels
{kept}
**/__pycache__
**/*.pyc
"""
IGNORED_OF_A_SERVICE = """\
# What has no place in an image.
.*
**/__pycache__
**/*.pyc
**/*.ipynb
Dockerfile*
compose.yaml
build
dist
tests
venv
kubernetes
"""

DOCKERFILE = """\
# {title}
# Written by modelport {modelport}. Build it with:
#   {command}

# The same base for both stages: an interpreter and nothing else. To pin it for good, append @sha256:… of what you have tested.
ARG BASE={base}

FROM ${{BASE}} AS build
{prepare}WORKDIR /build
COPY {requirements} ./
{wheels}RUN python3 -m venv --without-pip /opt/venv \\
 && python3 -m venv /opt/pip \\
 && /opt/pip/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-deps{find} -r {requirements} \\
 && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv

FROM ${{BASE}}
{runtime}{labels}
COPY --from=build /opt/venv /opt/venv
COPY {sbom} /usr/share/doc/{name}/
WORKDIR /srv
{copies}
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \\
    MODELPORT_HOST=0.0.0.0 MODELPORT_LOG_FORMAT=json
USER {user}
EXPOSE {port}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period={start_period}s CMD ["modelport", "healthcheck"]
ENTRYPOINT ["modelport"]
CMD {serve}
"""


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What may be chosen of an image."""

    tag: str
    base: str | None = None
    cuda: bool = False
    wheels: bool = False
    """Whether packages are taken from the folder `wheels` beside the Dockerfile, and from nowhere else."""
    start_seconds: float = 30.0


def dockerfile(subject: Subject, options: ImageOptions, modelport: str) -> str:
    """The text of the Dockerfile."""
    return DOCKERFILE.format(
        title=f"{subject.name} {subject.version}, served by Modelport",
        modelport=modelport,
        command=build_command(options),
        base=options.base or default_base(subject, options),
        requirements=REQUIREMENTS,
        sbom=SBOM,
        prepare=_prepare(options, build=True),
        runtime=_prepare(options, build=False),
        wheels=f"COPY {WHEELS}/ {WHEELS}/\n" if options.wheels else "",
        find=f" --no-index --find-links {WHEELS}" if options.wheels else "",
        labels=_labels(subject, modelport),
        name=subject.name,
        copies=_copies(subject),
        user=USER,
        port=PORT,
        start_period=max(10, round(options.start_seconds * 3)),
        serve=json.dumps(["serve", subject.target]),
    )


def default_base(subject: Subject, options: ImageOptions) -> str:
    """The Python that the bundle was built with, to the patch; for CUDA what its maker publishes."""
    return CUDA_BASE if options.cuda else f"python:{subject.python}-slim-bookworm"


def build_command(options: ImageOptions) -> str:
    """What builds it, from the folder that it was written to."""
    return f"docker build -t {options.tag} ."


def _prepare(options: ImageOptions, build: bool) -> str:
    """CUDA's base has no Python."""
    if not options.cuda:
        return ""
    packages = "python3 python3-venv" if build else "python3"
    return (
        "# hadolint ignore=DL3008\n"
        f"RUN apt-get update && apt-get install -y --no-install-recommends {packages} && rm -rf /var/lib/apt/lists/*\n"
    )


def _labels(subject: Subject, modelport: str) -> str:
    labels = {
        "org.opencontainers.image.title": subject.name,
        "org.opencontainers.image.version": subject.version,
        "org.opencontainers.image.description": f"{subject.target}, served by Modelport",
        "modelport.version": modelport,
        **subject.labels,
        **{f"modelport.package.{pin.name}": pin.version for pin in subject.pins if pin.name in SHOWN and pin.version},
    }
    return "LABEL " + " \\\n      ".join(f"{key}={json.dumps(value)}" for key, value in labels.items())


SHOWN = frozenset({"numpy", "onnxruntime", "scikit-learn", "xgboost", "lightgbm", "catboost", "torch"})
"""Packages that decide what a model answers."""


def _copies(subject: Subject) -> str:
    """Owned by root: whoever breaks into the service cannot change what it serves."""
    return "\n".join(f"COPY {file} ./{'' if file == '.' else file + '/'}" for file in subject.files)


def dockerignore(subject: Subject) -> str:
    """What stays out of the context."""
    if subject.is_service:
        return IGNORED_OF_A_SERVICE
    kept = "\n".join(f"!{file}" for file in subject.files)
    return IGNORED.format(requirements=REQUIREMENTS, sbom=SBOM, kept=kept)


def requirements_text(pins: tuple[Pin, ...], modelport: str) -> str:
    """The list that the image is installed from, complete, so that nothing is resolved when it is built."""
    lines = "\n".join(map(str, pins))
    return (
        f"# Everything in the image, at the versions it was proven with. Written by modelport {modelport}.\n{lines}\n"
    )
