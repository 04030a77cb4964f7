"""The bill of materials, as CycloneDX 1.6 (ECMA-424) in JSON: the packages of the image, and the model itself."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from modelport.deploy.requirements import Pin
from modelport.deploy.subject import Subject


def bill_of_materials(subject: Subject, modelport: str) -> str:
    """The document. The same subject gives the same text: its serial number is made from its content."""
    components = [_package(pin) for pin in subject.pins]
    content = json.dumps([subject.name, subject.version, components], sort_keys=True)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(hashlib.sha256(content.encode()).hexdigest()[:32], version=4)}",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "modelport", "version": modelport}]},
            "component": _model(subject),
        },
        "components": components,
        "dependencies": [{"ref": subject.name, "dependsOn": [component["bom-ref"] for component in components]}],
    }
    return json.dumps(document, indent=2) + "\n"


def _model(subject: Subject) -> dict[str, Any]:
    kind = "application" if subject.is_service else "machine-learning-model"
    digests = [value for key, value in subject.labels.items() if key.endswith(".sha256")]
    hashes = [{"alg": "SHA-256", "content": digest} for digest in digests]
    return {"type": kind, "bom-ref": subject.name, "name": subject.name, "version": subject.version, "hashes": hashes}


def _package(pin: Pin) -> dict[str, Any]:
    purl = f"pkg:pypi/{pin.name}" + (f"@{pin.version}" if pin.version else "")
    component: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": pin.name, "purl": purl}
    if pin.version:
        component["version"] = pin.version
    if pin.license:
        component["licenses"] = [{"expression": pin.license}]
    elif pin.license_name:
        component["licenses"] = [{"license": {"name": pin.license_name}}]
    return component
