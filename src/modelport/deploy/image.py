"""The image: a Dockerfile in two stages, what is left out of its context, and the command that builds it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from modelport.deploy.requirements import Pin
from modelport.deploy.subject import LEFT_OUT_ANYWHERE, WRITTEN, Subject, left_out_of

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
DOCKERFILE = """\
# {title}
# Written by modelport {modelport}. Build it with:
#   {command}

# The same base for both stages: an interpreter and nothing else. To pin it for good, append @sha256:… of what you have tested.
ARG BASE={base}

FROM ${{BASE}} AS build
{index}{prepare}WORKDIR /build
COPY {requirements} ./
{wheels}RUN python3 -m venv --without-pip /opt/venv \\
 && python3 -m venv /opt/pip \\
 && /opt/pip/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-deps{find} -r {requirements} \\
 && {{ {compile} /opt/venv || true; }}
{sources}

FROM ${{BASE}}
ARG BASE
{runtime}{labels}
COPY --from=build /opt/venv /opt/venv
COPY {sbom} /usr/share/doc/{name}/
WORKDIR /srv
COPY --from=build /srv ./
ENV {environment}
USER {user}
EXPOSE {port}
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period={start_period}s CMD ["modelport", "healthcheck"]
ENTRYPOINT ["modelport"]
CMD {serve}
"""
COMPILE = "/opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash"
"""Bytecode that is not held against its source at every import: nothing changes in an image, and tools that rewrite its dates would
make all of it stale. Sources for other versions of Python, which some packages have among theirs, do not compile, and need not."""
INDEX = """\
# Packages from elsewhere: --build-arg PIP_INDEX_URL=… or PIP_EXTRA_INDEX_URL=…
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
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
    """For how long a container that is not ready is no matter for concern."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the service is told, besides where it listens."""


def dockerfile(subject: Subject, options: ImageOptions, modelport: str) -> str:
    """The text of the Dockerfile."""
    return DOCKERFILE.format(
        title=f"{subject.name} {subject.version}, served by Modelport",
        modelport=modelport,
        command=build_command(options),
        base=options.base or default_base(subject, options),
        requirements=REQUIREMENTS,
        sbom=SBOM,
        index="" if options.wheels else INDEX,
        prepare=_prepare(options, build=True),
        runtime=_prepare(options, build=False),
        wheels=f"COPY {WHEELS}/ {WHEELS}/\n" if options.wheels else "",
        find=f" --no-index --find-links {WHEELS}" if options.wheels else "",
        compile=COMPILE,
        labels=_labels(subject, modelport),
        name=subject.name,
        sources=_sources(subject),
        environment=_environment(options.variables),
        user=USER,
        port=PORT,
        start_period=round(options.start_seconds),
        serve=json.dumps(["serve", subject.target]),
    )


def default_base(subject: Subject, options: ImageOptions) -> str:
    """The Python that the bundle was built with, to the patch; for CUDA what its maker publishes."""
    release = re.match(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", subject.python)  # distributions append signs of their own
    return CUDA_BASE if options.cuda else f"python:{release[0] if release else subject.python}-slim-bookworm"


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
    shown = {key: _quoted(value) for key, value in labels.items()}
    shown["org.opencontainers.image.base.name"] = '"$BASE"'
    return "LABEL " + " \\\n      ".join(f"{key}={value}" for key, value in shown.items())


SHOWN = frozenset({"numpy", "onnxruntime", "scikit-learn", "xgboost", "lightgbm", "catboost", "torch"})
"""Packages that decide what a model answers."""


def _sources(subject: Subject) -> str:
    """What is served, as everybody may read it and nobody in the container change it, whatever rights it has here."""
    if not subject.is_service:
        named = json.dumps(
            [subject.target, f"/srv/{subject.target}/"], ensure_ascii=False
        )  # as a list: names may have spaces
        return f"COPY {named}\nRUN chmod -R a+rX,go-w /srv"
    built_from = " ".join(f"/srv/{name}" for name in WRITTEN)
    return (
        f"COPY . /srv/\nRUN rm -rf {built_from} \\\n && chmod -R a+rX,go-w /srv \\\n && {{ {COMPILE} /srv || true; }}"
    )


def _environment(variables: Mapping[str, str]) -> str:
    """Of the final image: where its packages are, where it listens, and what its user says."""
    ours = ("PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1",)
    listens = (f"MODELPORT_HOST=0.0.0.0 MODELPORT_PORT={PORT} MODELPORT_LOG_FORMAT=json",)
    told = (f"{name}={_quoted(value)}" for name, value in variables.items())
    return " \\\n    ".join((*ours, *listens, *told))


def _quoted(value: str) -> str:
    """As a Dockerfile takes it literally."""
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")


def dockerignore(subject: Subject) -> str:
    """What stays out of the context."""
    if subject.is_service:
        left_out = (*(f"**/{pattern}" for pattern in LEFT_OUT_ANYWHERE), *left_out_of(subject.folder))
        return "\n".join(("# What has no place in an image.", *left_out, ""))
    return IGNORED.format(requirements=REQUIREMENTS, sbom=SBOM, kept=f"!{subject.target}")


def requirements_text(pins: tuple[Pin, ...], modelport: str) -> str:
    """The list that the image is installed from, complete, so that nothing is resolved when it is built.

    With hashes where all of them are known: pip takes them for all packages or for none.
    """
    hashed = bool(pins) and all(pin.hashes for pin in pins)
    lines = "\n".join(" \\\n    ".join((str(pin), *(f"--hash={h}" for h in pin.hashes if hashed))) for pin in pins)
    return (
        f"# Everything in the image, at the versions it was proven with. Written by modelport {modelport}.\n{lines}\n"
    )
