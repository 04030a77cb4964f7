"""What a shipped service is told by its environment: in the image, in manifests, and while it is measured."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from modelport.config import ENV_PREFIX, FILE_NAME, ServeOptions, resolve
from modelport.deploy.subject import Subject
from modelport.errors import ConfigError

VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
DECIDED = {
    "HOST": "an image listens on every interface",
    "PORT": "the port in an image is 8000, and is mapped to another outside",
    "WORKERS": "say --workers, which is measured with them",
}
"""Options that are not the user's to set here, and why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Environment variables, and what the service makes of them and of its modelport.toml."""

    variables: dict[str, str] = field(default_factory=dict)
    options: ServeOptions = field(default_factory=ServeOptions)


def read_settings(pairs: Iterable[str], subject: Subject) -> Settings:
    """From NAME=VALUE as the user says them. Raises ConfigError for what the service would refuse at its start."""
    variables = dict(_variable(pair) for pair in pairs)
    for name, why in DECIDED.items():
        if ENV_PREFIX + name in variables:
            raise ConfigError(f"--env {ENV_PREFIX}{name} is decided already: {why}")
    # a bundle goes into its image alone; a service takes the file that lies beside it along
    folder = subject.folder if subject.is_service else subject.folder / subject.target
    options = resolve({}, variables, folder)
    if options.tls_cert is not None:
        raise ConfigError(
            f"{subject.target} would serve HTTPS (tls_cert in {FILE_NAME} or {ENV_PREFIX}TLS_CERT), and probes, monitoring and the "
            "Service of what is shipped speak HTTP: leave it out, and let the ingress or the proxy in front end HTTPS"
        )
    return Settings(variables, options)


def _variable(pair: str) -> tuple[str, str]:
    found = VARIABLE.fullmatch(pair)
    if found is None:
        raise ConfigError(f"--env {pair[:80]!r} is no variable: write NAME=VALUE, as in MODELPORT_MAX_BODY=64MiB")
    return found[1], found[2]
