"""Everything known of an artifact as plain data: what `modelport inspect` prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelport.assembly.artifacts import installed_version, pickle_in
from modelport.assembly.forms import compile_beside, is_unproven, look_up, open_form, refuse_original
from modelport.assembly.origins import untold_in
from modelport.codecs.json import encode, encode_record
from modelport.config import ServeOptions, from_plain
from modelport.errors import ArtifactError, ModelportError, SetupError, UntrustedPickle
from modelport.fronts.describe import describe_signature
from modelport.kernel.isolate import cause_of
from modelport.kernel.placement import place
from modelport.kernel.signature import example_value
from modelport.runtime.forms import UNKNOWN, Source
from modelport.service import Service


def inspect_service(target: str, options: ServeOptions) -> list[dict[str, Any]]:
    """The same for each model that a Python file declares, by name. Raises SetupError with file and line of a declaration."""
    from modelport.assembly.handlers import check_service, import_service  # and Pydantic: the workers do without

    try:
        service = import_service(target)
    except ModelportError:
        raise
    except Exception as error:  # of the user's own file
        raise ArtifactError(f"{target} cannot be imported: {cause_of(error)}") from None
    sources = check_service(service, options)
    return [{"name": name, **_inspect_declared(service, name, sources)} for name in service.names]


def _inspect_declared(service: Service, name: str, sources: Mapping[str, Source]) -> dict[str, Any]:
    from modelport.assembly.answers import body_type
    from modelport.assembly.handlers import type_with_place

    if name in sources:
        given = from_plain(sources[name]["options"])
        if given.allow_pickle and sources[name]["folder"] not in sys.path:
            sys.path.append(sources[name]["folder"])
        try:
            return inspect_artifact(Path(sources[name]["target"]), given)
        except SetupError as error:
            raise type_with_place(error, service.saved[name].place) from None
    spec = service.models[name]
    schemas = body_type(spec).schemas(name)
    described = {"declared": spec.place, "executor": "process (written in Python)", "example": spec.example, **schemas}
    plain: dict[str, Any] = json.loads(encode_record(described))
    return plain


def inspect_artifact(path: Path, options: ServeOptions) -> dict[str, Any]:
    """What the file is, its signature with the reason for each guess, where it runs and in which form. Of one that another version
    saved, and that nobody has compared: what it is and what serving will do. Raises SetupError like `load_artifact`."""
    from modelport.assembly.diagnosis import diagnose, tells_no_version  # and the readers of pickles

    if is_unproven(path, options) and not _is_known(path, options):
        return diagnose(path, options)
    try:
        return _inspect_served(path, options)
    except UntrustedPickle:
        raise
    except ArtifactError:
        if not tells_no_version(path):
            raise
        return diagnose(path, options)


def _inspect_served(path: Path, options: ServeOptions) -> dict[str, Any]:
    look = compile_beside(path, options, None)
    refuse_original(look, options)
    opened = open_form(look.plain(), path, options)
    signature = opened.model.signature
    placement = place(opened.model.cost, options.executor)
    described = describe_signature(signature)
    for entry, f in zip(described["inputs"], signature.inputs, strict=True):
        entry |= {"example": example_value(f), "reasons": list(f.reasons)}
    head = {
        "artifact": str(path),
        **_facts(path),
        "version": opened.version,
        "executor": f"{placement.executor} ({placement.reason})",
    }
    notes = [*opened.notes, *untold_in(pickle_in(path), installed_version)]
    plain: dict[str, Any] = json.loads(encode({**head, **opened.form, **described, "notes": notes}))
    return plain


def _facts(path: Path) -> dict[str, str]:
    from modelport.assembly.facts import tell_file  # and the readers of every kind

    try:
        return tell_file(path)
    except ArtifactError:  # it is served, so there is no need to fail for what is only told
        return {}


def _is_known(path: Path, options: ServeOptions) -> bool:
    """Whether it was shown before how a model of another version is to be served."""
    try:
        return look_up(path, options).form != UNKNOWN
    except UntrustedPickle:
        return False
