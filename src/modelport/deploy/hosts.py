"""Without a cluster: a systemd unit and a Compose file with the same life cycle, limits and rights."""

from __future__ import annotations

from dataclasses import dataclass

from modelport.deploy.image import PORT
from modelport.deploy.kubernetes import UID, Object, Release

UNIT = """\
# {name}, served by Modelport. Written by modelport {modelport}.
#   sudo cp {name}.service /etc/systemd/system/
#   sudo systemctl daemon-reload && sudo systemctl enable --now {name}
[Unit]
Description={name}, served by Modelport
After=network-online.target
Wants=network-online.target
# What it needs may be away for a while: it is tried again until it is there.
StartLimitIntervalSec=0

[Service]
# It is started when every model is ready, and not before: what is ordered after it finds it answering.
Type=notify
WorkingDirectory={folder}
ExecStart={executable} serve {target} --host 127.0.0.1 --port {port} --log-format json
ExecReload=/bin/kill -HUP $MAINPID
KillSignal=SIGTERM
KillMode=mixed
TimeoutStartSec={start_s}
TimeoutStopSec={stop_s}
Restart=on-failure
RestartSec=5
{environment}

DynamicUser=yes
CacheDirectory={name}
Environment=XDG_CACHE_HOME=%C/{name}
LimitNOFILE=65536
MemoryMax={memory_mib}M
CPUQuota={cpu_percent}%
UMask=0077
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
ProtectProc=invisible
PrivateTmp=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Host:
    """Where things lie on the host that a unit is for; paths are absolute."""

    folder: str
    target: str
    executable: str


def systemd_unit(release: Release, host: Host, modelport: str) -> str:
    """The unit."""
    resources = release.resources
    return UNIT.format(
        name=release.name,
        modelport=modelport,
        folder=_literal(host.folder),
        target=_argument(host.target),
        executable=_argument(host.executable),
        port=PORT,
        start_s=resources.start_s * 2,
        stop_s=resources.termination_s - resources.pre_stop_s,
        environment="\n".join(f"Environment={_word(f'{key}={value}')}" for key, value in release.environment.items()),
        memory_mib=resources.memory_mib,
        cpu_percent=resources.cpu_millis // 10,
    )


def _literal(text: str) -> str:
    """Without the specifiers that a percent sign begins."""
    return text.replace("%", "%%")


def _argument(text: str) -> str:
    """Of a command line, in which a dollar would begin a variable."""
    return _word(text.replace("$", "$$"))


def _word(text: str) -> str:
    """One word, whatever is in it."""
    plain = _literal(text)
    if not any(c in " \t\n\"'\\;" for c in plain):
        return plain
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def compose_file(release: Release) -> Object:
    """The service alone, as the Compose specification has it."""
    resources = release.resources
    return {
        "name": release.name,
        "services": {
            release.name: {
                "image": release.image,
                "build": {"context": "."},
                "ports": [f"127.0.0.1:{PORT}:{PORT}"],
                "environment": {key: value.replace("$", "$$") for key, value in release.environment.items()},
                "user": f"{UID}:{UID}",
                "read_only": True,
                "tmpfs": ["/tmp:size=16m"],
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "mem_limit": f"{resources.memory_mib}m",
                "cpus": resources.cpu_millis / 1000,
                **_reserved(release),
                "pids_limit": 512,
                "stop_signal": "SIGTERM",
                "stop_grace_period": f"{resources.termination_s}s",
                "restart": "unless-stopped",
                "healthcheck": {
                    "test": ["CMD", "modelport", "healthcheck"],
                    "interval": "10s",
                    "timeout": "3s",
                    "start_period": f"{resources.start_s}s",
                },
            }
        },
    }


def _reserved(release: Release) -> Object:
    """The hardware that it is built for; without being asked for, a container sees none."""
    device = {"driver": "nvidia", "count": release.gpus, "capabilities": ["gpu"]}
    return {"deploy": {"resources": {"reservations": {"devices": [device]}}}} if release.gpus else {}
