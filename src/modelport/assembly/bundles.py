"""Building bundles, opening them, and verifying that they are what they were."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

import modelport
from modelport.artifacts.bundle import (
    CODE,
    COMPILED,
    FORMAT,
    GOLDEN,
    HELPERS,
    MANIFEST,
    MEASURED,
    ORIGINAL,
    PROFILE,
    REPORT,
    Bundle,
    Manifest,
    check_files,
    copy_artifact,
    is_bundle,
    list_files,
    read_bundle,
    was_built,
    write_manifest,
)
from modelport.artifacts.code.importing import install_code
from modelport.artifacts.override import override_path
from modelport.artifacts.sample import profile_sample, read_records
from modelport.assembly.artifacts import helper_files, installed_version, load_artifact, other_version
from modelport.assembly.folders import FolderKind, new_folder, refuse_place
from modelport.assembly.golden import golden_cases, listed, replay
from modelport.assembly.keras import converted_of
from modelport.assembly.signatures import tell_signer
from modelport.compilation.cache import runtime_version
from modelport.config import ServeOptions, model_name
from modelport.errors import ArtifactError, ConfigError, MissingExtra, NotCompiledError
from modelport.kernel.ports import Model
from modelport.kernel.values import Record

SAMPLE_ROWS = 20_000
LIBRARIES = (
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas",
    "joblib",
    "xgboost",
    "lightgbm",
    "catboost",
    "onnxruntime",
    "torch",
    "lz4",
)
"""Whose versions a bundle records, where they are installed."""

BUNDLE = FolderKind("bundle", was_built)


# -- building ------------------------------------------------------------------------------------------------------


def build_bundle(
    source: Path, out: Path, options: ServeOptions, force: bool = False, code: Mapping[str, str] | None = None
) -> Bundle:
    """Write a bundle. Raises SetupError for what cannot be loaded, or lies there already.

    `code` are source files that the model needs, by path; they can be imported already.
    """
    refuse_what_is_there(source, out, options, force)
    name = model_name(source, options)
    model, notes = load_artifact(source, options, modules_of(code or ()))
    network = converted_of(source, options)
    if network is not None:
        notes = tuple(network.told if note == network.note else note for note in notes)
    with new_folder(out) as draft:
        for file, text in (code or {}).items():
            (draft / CODE / file).parent.mkdir(parents=True, exist_ok=True)
            (draft / CODE / file).write_text(text, encoding="utf-8")
        other = other_version(source, options)  # it is only here because the user trusts it
        trusted = {"trusted": str(other)} if other else {}
        content = Content(name, model, tuple(notes), trusted, network=network.path if network else None)
        _fill(draft, source, content, options)
    return read_bundle(out)


@dataclass(frozen=True, slots=True)
class Content:
    """What a bundle is filled with. Of a model that another version saved: its `proof`, the report of it, and what was `compiled`
    while it was proven, or why nothing was. Of one that the user trusts unproven, `proof` says which version saved it. Of a network
    `network` is the ONNX file that was made of it, which the bundle holds instead."""

    name: str
    model: Model
    notes: tuple[str, ...]
    proof: Mapping[str, Any] = field(default_factory=dict)
    report: str = ""
    compiled: Any = None
    network: Path | None = None


def write_bundle(source: Path, out: Path, content: Content, options: ServeOptions) -> Bundle:
    """Of a model that was proven already, whose place was looked at already."""
    with new_folder(out) as draft:
        (draft / REPORT).write_text(content.report, encoding="utf-8")
        _fill(draft, source, content, options)
    return read_bundle(out)


def refuse_what_is_there(
    source: Path, out: Path, options: ServeOptions, force: bool, kind: FolderKind = BUNDLE
) -> None:
    """Before anything is loaded. Raises ConfigError where something would be lost, ArtifactError where there is nothing to read."""
    if source.name in ("", ".."):
        raise ConfigError(f"{source} has no name that the model could have: give the folder by its name")
    if is_bundle(source):
        raise ArtifactError(f"{source} is a bundle already: serve it, or give the model that it was built from")
    data = (options.data,) if options.data else ()
    refuse_place(out, kind, force, (source, override_path(source) or source, *(options.with_ or ()), *data))
    if not source.exists():
        raise ArtifactError(f"the model file {source} does not exist")


def _fill(draft: Path, source: Path, content: Content, options: ServeOptions) -> None:
    model = content.model
    (draft / ORIGINAL).mkdir()
    original = draft / ORIGINAL / (source.name if content.network is None else f"{source.stem}.onnx")
    copy_artifact(content.network or source, original)
    helpers = _copy_helpers(draft, helper_files(options))
    override = override_path(source)
    if override is not None:
        shutil.copyfile(override, draft / ORIGINAL / override.name)
    sample = read_records(options.data, model.signature.inputs, SAMPLE_ROWS) if options.data else []
    if content.compiled is None:
        why, measured = _compile(model, sample, draft / COMPILED, options)
    else:
        why, measured = _keep(content.compiled, draft / COMPILED, options)
    _write_golden(draft, source, model, sample)
    _write(draft / PROFILE, profile_sample(options.data) if options.data else {})
    _write(draft / MEASURED, measured)
    compiled = not why
    manifest = Manifest(
        format=FORMAT,
        name=content.name,
        built_by=f"modelport {modelport.__version__}",
        original=f"{ORIGINAL}/{original.name}",
        signature=model.signature if content.network is None else replace(model.signature, notes=content.notes),
        files=list_files(draft),
        compiled=compiled,
        not_compiled_because=why,
        runtime=runtime_version() if compiled else "",
        target=options.target,
        features=options.features or (),
        helpers=helpers,
        code=tuple(path.relative_to(draft).as_posix() for path in sorted((draft / CODE).rglob("*.py"))),
        notes=content.notes,
        environment=environment(),
        proof=dict(content.proof),
    )
    write_manifest(draft, manifest)


def _write_golden(draft: Path, source: Path, model: Model, sample: Sequence[Record]) -> None:
    try:
        golden = list(golden_cases(model, sample))
        _write(draft / GOLDEN, golden)
    except TypeError:
        raise ArtifactError(
            f"{source} answers with something that JSON has no form for, so no golden case of a bundle can hold it: serve the "
            "file as it is"
        ) from None
    if not golden:
        raise ArtifactError(
            f"{source} answers none of the records that were tried; give rows that it takes with --data"
        )


def _copy_helpers(draft: Path, helpers: Sequence[Path]) -> tuple[str, ...]:
    """Each in a folder of its own: two may have the same name."""
    names = [f"{ORIGINAL}/{HELPERS}/{i}/{helper.name}" for i, helper in enumerate(helpers, 1)]
    for name, helper in zip(names, helpers, strict=True):
        (draft / name).parent.mkdir(parents=True)
        copy_artifact(helper, draft / name)
    return tuple(names)


def _compile(model: Model, sample: Sequence[Record], folder: Path, options: ServeOptions) -> tuple[str, dict[str, Any]]:
    """Why there is no compiled form, empty where there is one; and what was measured."""
    why = _reason_not_to(model, options)
    if not why:
        from modelport.compilation.compiler import NotCompiled, Original, compile_model

        made = compile_model(Original(model.estimator, model.signature, model.predict), sample)  # type: ignore[attr-defined]
        return _keep(made.reason if isinstance(made, NotCompiled) else made, folder, options)
    return _keep(why, folder, options)


def _keep(made: Any, folder: Path, options: ServeOptions) -> tuple[str, dict[str, Any]]:
    """Of what was compiled, or why nothing was."""
    if not isinstance(made, str):
        made.without_report().save(folder)
        return "", report_facts(made.report)
    if options.require_compiled:
        raise NotCompiledError(f"--require-compiled: {made}")
    return made, {}


def _reason_not_to(model: Model, options: ServeOptions) -> str:
    if options.no_compile:
        return "as configured (--no-compile)"
    if not hasattr(model, "estimator"):
        return "compiled already" if model.cost.compiled else "models of this kind are not compiled"
    return "" if runtime_version() else "ONNX Runtime is not installed: pip install 'modelport[compile]'"


def report_facts(report: Any) -> dict[str, Any]:
    """What is told of a comparison."""
    return {
        "parity": {"rows": report.rows, "equal": report.agreed, "left_out": report.excluded},
        "record_microseconds": {"original": report.row_us_before, "compiled": report.row_us_after},
    }


def copy_bundle(source: Path, out: Path, force: bool = False) -> None:
    """A whole copy, unless one of the same version lies there. Raises ConfigError where anything else does.

    With `force`, another bundle is replaced. Raises ArtifactError for one that is damaged.
    """
    bundle = read_bundle(source)
    if not force and was_built(out) and read_bundle(out).version == bundle.version:
        check_files(read_bundle(out))
        return
    refuse_place(out, BUNDLE, force, (source,))
    check_files(bundle)
    with new_folder(out) as draft:
        copy_artifact(source, draft)


def environment() -> dict[str, str]:
    """Python and the libraries that decide what a model answers."""

    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _write(path: Path, content: Any) -> None:
    text = msgspec.json.encode(content, order="sorted", enc_hook=listed)
    path.write_bytes(msgspec.json.format(text, indent=1) + b"\n")


# -- opening -------------------------------------------------------------------------------------------------------


def open_bundle(bundle: Bundle, options: ServeOptions, compiled: bool) -> Model:
    """The compiled form or the original, after its files were checked and its golden cases replayed. Raises ArtifactError."""
    if compiled:
        from modelport.compilation.compiled import open_compiled

        model: Model = open_compiled(bundle.compiled)
    else:
        refuse_code(bundle, options)
        modules = modules_of(name.partition("/")[2] for name in bundle.manifest.code)
        if modules:
            install_code(bundle.path / CODE, modules)
        model = _open_original(bundle, bundled_options(bundle, options), modules)
    replay(bundle, model)
    return model


def _open_original(bundle: Bundle, options: ServeOptions, modules: frozenset[str]) -> Model:
    """By the way that was proven, or as it is: then the golden cases are the proof, as the version that saved it answered them."""
    proof = bundle.manifest.proof
    if "way" in proof:
        from modelport.assembly.proving import load_proven
        from modelport.native.proofs import Proof

        found = msgspec.convert(proof, Proof)
        _refuse_other_installed(bundle, found, options)
        return load_proven(bundle.original, options, found)[0]
    inputs = bundle.manifest.signature.inputs
    told = "its golden cases are answered as when it was built"
    return load_artifact(bundle.original, options, modules, inputs, other_version=told)[0]


def _refuse_other_installed(bundle: Bundle, proof: Any, options: ServeOptions) -> None:
    """What was shown of one installed release is not shown of another. Raises ArtifactError."""
    here = installed_version("scikit-learn")
    if proof.way in ("as it is", "repaired") and proof.installed != here and not options.trust_version:
        raise ArtifactError(
            f"{bundle.path} was saved by scikit-learn {proof.stored} and proven to answer alike with {proof.installed}, here is "
            f"{here or 'none'}: pip install scikit-learn=={proof.installed},  or rescue the original model again; who has "
            "compared the answers adds --trust-version"
        )


def refuse_code(bundle: Bundle, options: ServeOptions) -> None:
    """Raise ArtifactError where a bundle has source in it that would run, and the user has not said that it may."""
    if bundle.manifest.code and not options.allow_code:
        files = ", ".join(bundle.manifest.code[:4])
        raise ArtifactError(
            f"{bundle.path} holds Python source that runs when it is served ({files}): look at it, and if you trust whoever "
            f"saved it, say so:  modelport serve {bundle.path} --allow-code"
        )


def modules_of(files: Iterable[str]) -> frozenset[str]:
    """The modules that source files are imported as, by their paths."""
    return frozenset(name.partition("/")[0].removesuffix(".py") for name in files)


def bundled_options(bundle: Bundle, options: ServeOptions) -> ServeOptions:
    """What was said when the bundle was built, where nothing else is said now."""
    manifest = bundle.manifest
    helpers = tuple(bundle.path / name for name in manifest.helpers)
    features = options.features or manifest.features or None
    return replace(options, features=features, target=options.target, with_=helpers or None)


def _tell_files(bundle: Bundle) -> str:
    """How many have a digest, and that nothing but a signature tells whether the others were written anew."""
    others = [name for name in (MANIFEST, MEASURED) if (bundle.path / name).exists()]
    listed = len(bundle.manifest.files)
    return (
        f"{listed} of {listed + len(others)} files are what they were, by their digests in {MANIFEST}; "
        f"{' and '.join(others)} {'is' if len(others) == 1 else 'are'} covered by a signature alone"
    )


def verify_bundle(path: Path, options: ServeOptions) -> list[str]:
    """Check everything that can be checked here; what was found, line by line. Raises ArtifactError at the first fault."""
    bundle = read_bundle(path)
    check_files(bundle)
    found = [_tell_files(bundle), f"version {bundle.version[:12]}", tell_signer(bundle, options)]
    if bundle.manifest.compiled:
        found.append(
            f"{replay(bundle, open_bundle(bundle, options, compiled=True))} golden cases answered by the compiled form"
        )
    try:
        original = open_bundle(bundle, options, compiled=False)
    except MissingExtra as error:
        found.append(f"the original was not asked: {error}")
    else:
        found.append(f"{replay(bundle, original)} golden cases answered by the original")
    return found
