"""The bill of materials is CycloneDX 1.6, and lists what the image holds."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT7

from modelport.deploy.sbom import bill_of_materials
from modelport.deploy.subject import read_subject
from tests.deploy.test_manifests import SCHEMAS


def faults(document: Any) -> list[str]:
    """What the schema of CycloneDX finds, and those of licenses and signatures that it refers to."""
    schemas = json.loads(gzip.decompress((SCHEMAS / "cyclonedx-1.6.json.gz").read_bytes()))
    registry = Registry().with_resources(
        (f"http://cyclonedx.org/schema/{name}", DRAFT7.create_resource(schema)) for name, schema in schemas.items()
    )
    checker = jsonschema.Draft7Validator(schemas["bom-1.6.schema.json"], registry=registry)
    return [f"{list(fault.absolute_path)}: {fault.message[:200]}" for fault in checker.iter_errors(document)]


@pytest.mark.parametrize("kind", ["bundle", "service"])
def test_the_bill_is_one_that_cyclonedx_takes(kind: str, bundle: Path, app: Path) -> None:
    subject = read_subject(str(bundle if kind == "bundle" else app), "genre")
    document = json.loads(bill_of_materials(subject, "0.1.0"))
    assert faults(document) == []
    listed = {component["name"]: component for component in document["components"]}
    assert listed.keys() == {pin.name for pin in subject.pins}
    assert listed["numpy"]["purl"] == f"pkg:pypi/numpy@{listed['numpy']['version']}"
    licensed = [name for name, component in listed.items() if "licenses" in component]
    assert len(licensed) > len(listed) * 0.8
    depends = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert depends[document["metadata"]["component"]["bom-ref"]] == [c["bom-ref"] for c in document["components"]]


def test_the_schema_would_see_a_fault(bundle: Path) -> None:
    document = json.loads(bill_of_materials(read_subject(str(bundle)), "0.1.0"))
    document["components"][0]["type"] = "thing"
    document["components"][1]["licenses"] = [{"license": {"id": "no such license"}}]
    assert len(faults(document)) == 2


def test_the_same_bundle_gives_the_same_bill(bundle: Path) -> None:
    subject = read_subject(str(bundle))
    assert bill_of_materials(subject, "0.1.0") == bill_of_materials(subject, "0.1.0")
