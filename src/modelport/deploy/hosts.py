"""Without a cluster: a systemd unit and a Compose file with the same life cycle, limits and rights."""

from __future__ import annotations

from modelport.deploy.image import PORT
from modelport.deploy.kubernetes import UID, Object
from modelport.deploy.resources import Resources

UNIT = """\
# {name}, served by Modelport. Written by modelport {modelport}.
#   sudo cp {name}.service /etc/systemd/system/
#   sudo systemctl daemon-reload && sudo systemctl enable --now {name}
[Unit]
Description={name}, served by Modelport
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
WorkingDirectory={folder}
ExecStart={executable} serve {target} --host 127.0.0.1 --port {port} --workers {workers} --log-format json
ExecReload=/bin/kill -HUP $MAINPID
KillSignal=SIGTERM
KillMode=mixed
TimeoutStartSec={start_s}
TimeoutStopSec={termination_s}
Restart=on-failure
RestartSec=1

DynamicUser=yes
CacheDirectory={name}
Environment=XDG_CACHE_HOME=%C/{name}
LimitNOFILE=65536
MemoryMax={memory_mib}M
CPUQuota={cpu_percent}%
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""


def systemd_unit(name: str, folder: str, target: str, executable: str, resources: Resources, modelport: str) -> str:
    """The unit. `folder` and `executable` are absolute paths on the host that it is for."""
    return UNIT.format(
        name=name,
        modelport=modelport,
        folder=folder,
        target=target,
        executable=executable,
        port=PORT,
        workers=resources.workers,
        start_s=resources.start_s * 2,
        termination_s=resources.termination_s,
        memory_mib=resources.memory_mib,
        cpu_percent=resources.cpu_millis // 10,
    )


def compose_file(name: str, image: str, resources: Resources) -> Object:
    """The service alone, as the Compose specification has it."""
    return {
        "name": name,
        "services": {
            name: {
                "image": image,
                "build": {"context": "."},
                "ports": [f"127.0.0.1:{PORT}:{PORT}"],
                "environment": {"MODELPORT_WORKERS": str(resources.workers)},
                "user": f"{UID}:{UID}",
                "read_only": True,
                "tmpfs": ["/tmp:size=16m"],
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "mem_limit": f"{resources.memory_mib}m",
                "cpus": resources.cpu_millis / 1000,
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
