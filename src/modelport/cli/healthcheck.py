"""`modelport healthcheck`."""

from __future__ import annotations

import sys

from modelport.config import ServeOptions
from modelport.deploy.healthcheck import check_health, own_url


def run_healthcheck(options: ServeOptions, url: str | None, live: bool) -> int:
    """0 where the service is ready (alive), 1 where it is not."""
    asked = url or own_url(options.host, options.port, options.tls_cert is not None, "/livez" if live else "/readyz")
    well, said = check_health(asked)
    print(said, file=sys.stdout if well else sys.stderr)
    return 0 if well else 1
