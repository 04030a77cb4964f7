"""Which form of an artifact serves: what is known of it, and what must be compiled first."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import modelport
from modelport.artifacts.bundle import Bundle, check_files, is_bundle, read_bundle
from modelport.artifacts.digest import VERSION_LENGTH, digest_files, digest_path
from modelport.artifacts.override import override_path
from modelport.artifacts.pickles.stream import needs_library
from modelport.assembly.artifacts import (
    find_loader,
    helper_files,
    installed_version,
    load_artifact,
    other_version,
    pickle_in,
    read_head,
)
from modelport.assembly.bundles import open_bundle, refuse_code, report_facts
from modelport.assembly.signatures import check_signer
from modelport.compilation.cache import MODEL, REFUSED, About, Cache, default_folder, reads_text, runtime_version
from modelport.config import ServeOptions, to_plain
from modelport.errors import ArtifactError, ConfigError, MissingExtra
from modelport.kernel.placement import Placement, place
from modelport.kernel.ports import Cost, Loader, Model
from modelport.native.early import told_path
from modelport.native.locks import hold
from modelport.native.proofs import NATIVE, Proof, Proofs, read_proof
from modelport.runtime.forms import COMPILE_SECONDS, COMPILED, ORIGINAL, TOO_LONG, UNKNOWN, Form

NOT_WANTED = "as configured (--no-compile)"
BUNDLE_AND_SIGN = "write one with  modelport build,  sign it with  modelport sign,  and serve that"
SERVE_ANEW = "send SIGHUP to the service, or start it again, to serve what lies there now"
NOT_INSTALLED = "what compiles it is not installed: pip install 'modelport[compile]'"


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of an artifact before it is loaded. `why`: the reason that its original serves, where it could be compiled."""

    form: str
    placement: Placement
    why: str = ""
    folder: str = ""
    signed: str = ""
    """The version of the bundle whose signature was checked."""
    version: str = ""
    """The digest of what was looked at: whoever loads it later must find the same, or serve what was compiled from it."""
    native: Mapping[str, str] = field(default_factory=dict)
    """Where a native environment answers: its `folder`, the `file` that it is to read, empty where that is handed to it, and which
    `imports` it does then."""
    late: tuple[str, ...] = ()
    """Libraries that a holder imports when they are used: see `Proof.untouched`."""
    rests_on: tuple[str, ...] = ()
    """Files of the cache by which it was decided: if one goes, it is to be decided anew."""

    def plain(self) -> Form:
        """For another process."""
        return {
            "form": self.form,
            "executor": self.placement.executor,
            "reason": self.placement.reason,
            "why": self.why,
            "folder": self.folder,
            "signed": self.signed,
            "version": self.version,
            "native": dict(self.native),
            "late": list(self.late),
        }


def look_up(artifact: Path, options: ServeOptions) -> Look:
    """What serves, as far as it is known without loading anything. Raises ArtifactError for what cannot be read."""
    if is_bundle(artifact):
        _refuse_helpers(artifact, options)
        return _look_at_bundle(read_bundle(artifact), options)
    if options.must_be_signed:
        raise ArtifactError(f"{artifact} is no bundle, so it bears no signature: {BUNDLE_AND_SIGN}")
    digest = digest_files(artifact, helper_files(options))
    return replace(_look_at_file(artifact, options, digest), version=digest)


def _look_at_file(artifact: Path, options: ServeOptions, digest: str) -> Look:
    loader = find_loader(artifact)
    planned = place(Cost(_size(artifact), getattr(loader, "compiled", False), False), options.executor)
    if not getattr(loader, "compilable", False):
        _refuse_uncompiled(loader, options)
        return Look(ORIGINAL, planned)
    if is_unproven(artifact, options):
        look = _look_at_old(artifact, options, digest, planned)
        if look.form == UNKNOWN:
            _screen(loader, artifact, options)
        return look
    if options.no_compile or not runtime_version():
        _screen(loader, artifact, options)
        return Look(ORIGINAL, planned, NOT_WANTED if options.no_compile else NOT_INSTALLED)
    cache = Cache(options.cache_dir)
    key = cache_key(cache, artifact, options, digest)
    folder = cache.compiled(key)
    if folder is not None:
        return compiled_look(folder, options)
    if find_spec("onnx") is None:
        return Look(ORIGINAL, planned, NOT_INSTALLED)
    refused = cache.refused(key)
    if refused is not None:
        return Look(ORIGINAL, planned, refused.reason, rests_on=(str(cache.folder / key / REFUSED),))
    _screen(loader, artifact, options)
    return Look(UNKNOWN, planned)


def _screen(loader: Loader, artifact: Path, options: ServeOptions) -> None:
    """What is hostile is told before a process is started for it."""
    screen = getattr(loader, "screen", None)
    if screen is not None and not options.allow_pickle:
        screen(artifact)


def is_unproven(artifact: Path, options: ServeOptions) -> bool:
    """Whether another version saved it, and the user wants to see that it answers alike."""
    return not options.trust_version and bool(other_version(artifact, options))


def _look_at_old(artifact: Path, options: ServeOptions, digest: str, planned: Placement) -> Look:
    """Of what another version saved: compiled and proven, proven in another way, or to be proven now."""
    cache = Cache(options.cache_dir)
    folder = cache.compiled(cache_key(cache, artifact, options, digest)) if not options.no_compile else None
    if folder is not None and runtime_version():
        return compiled_look(folder, options)
    proof = find_proof(artifact, options, digest)
    if proof is None:
        return Look(UNKNOWN, planned)
    native = _native_process(proof, pickle_in(artifact), options)
    kept = _proofs(options).place(proof_key(artifact, options, digest))
    rests_on = (str(kept), *_places(native))
    return Look(ORIGINAL, planned, str(proof), native=native, late=proof.untouched, rests_on=rests_on)


def _places(native: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(native[name] for name in ("folder", "file") if native.get(name))


def _native_process(proof: Proof, file: Path, options: ServeOptions) -> dict[str, str]:
    """What a holder starts before all else; nothing where the model is served in another way, or its environment is gone."""
    if proof.way != NATIVE:
        return {}
    from modelport.native.environments import find  # and what builds them: other workers do without

    environment = find(proof.need, options.cache_dir or default_folder())
    if environment is None:
        return {}
    told = "" if needs_library(read_head(file)) else told_path(file)  # what is unpacked here is handed over later
    return {"folder": str(environment.folder), "file": told, "imports": "late" if proof.late else "all"}


DECIDING = ("scikit-learn", "numpy", "scipy", "pandas", "xgboost", "lightgbm", "catboost", "imbalanced-learn")
"""Libraries whose installed versions decide whether a proof still holds."""


def find_proof(artifact: Path, options: ServeOptions, digest: str) -> Proof | None:
    """What was shown of a model that another version saved, for what is installed now."""
    return _proofs(options).find(proof_key(artifact, options, digest))


def _proofs(options: ServeOptions) -> Proofs:
    return Proofs(options.cache_dir or default_folder())


def proof_key(artifact: Path, options: ServeOptions, digest: str) -> str:
    """What decides which way of serving it was proven: the model, what was said about it, and what would load it here."""
    installed = [installed_version(name) for name in DECIDING]
    switches = [str(options.no_compile)]
    known = cache_key(Cache(options.cache_dir), artifact, options, digest)
    return _proofs(options).key([known, *installed, *switches])


def refuse_original(look: Look, options: ServeOptions) -> None:
    """Raise ArtifactError where the user wants the compiled form or nothing."""
    if options.require_compiled and look.form == ORIGINAL and look.why:
        raise ArtifactError(f"--require-compiled: {look.why}")


def _refuse_helpers(bundle: Path, options: ServeOptions) -> None:
    if options.with_:
        raise ConfigError(f"--with is for model files; {bundle} is a bundle, and holds all of its own: build it anew")


def _look_at_bundle(bundle: Bundle, options: ServeOptions) -> Look:
    """A bundle says itself which form it has. Where it must be signed, that is for `check_bundle` to say, once for all processes.

    Its files are hashed by whoever loads it. Raises ArtifactError where one is missing or cannot be read.
    """
    try:
        look = _form_of_bundle(bundle, options)
    except Exception:  # of a damaged file anything may come
        check_files(bundle)
        raise
    return replace(look, form=UNKNOWN) if options.must_be_signed else look


def check_bundle(artifact: Path, options: ServeOptions) -> Look:
    """The form of a bundle that must be signed, after its files and its signature were checked. Raises SetupError."""
    bundle = read_bundle(artifact)
    check_files(bundle)
    check_signer(bundle, options)
    return replace(_form_of_bundle(bundle, options), signed=bundle.version)


def _form_of_bundle(bundle: Bundle, options: ServeOptions) -> Look:
    manifest, here = bundle.manifest, runtime_version()
    why = NOT_WANTED if options.no_compile else manifest.not_compiled_because
    if not why and manifest.runtime != here:
        install = f"pip install onnxruntime=={manifest.runtime}"
        why = f"it was proven with ONNX Runtime {manifest.runtime}, here is {here or 'none'}: {install}"
    if not why:
        return replace(compiled_look(bundle.compiled, options), version=bundle.version)
    refuse_code(bundle, options)
    loader = find_loader(bundle.original)
    planned = place(Cost(_size(bundle.original), loader.compiled, False), options.executor)
    proof = bundle.manifest.proof
    native = _native_process(read_proof(proof), pickle_in(bundle.original), options) if "way" in proof else {}
    return Look(ORIGINAL, planned, why, version=bundle.version, native=native, rests_on=_places(native))


def compiled_look(folder: Path, options: ServeOptions) -> Look:
    """A compiled form that lies ready."""
    cost = Cost((folder / MODEL).stat().st_size, compiled=True, releases_gil=True, reads_text=reads_text(folder))
    return Look(COMPILED, place(cost, options.executor), folder=str(folder), rests_on=(str(folder),))


def cache_key(cache: Cache, artifact: Path, options: ServeOptions, digest: str) -> str:
    """Everything that decides what an artifact compiles to, and whether it was proven with what runs it here.

    `digest`: of the artifact, see `digest_files`.
    """
    override = override_path(artifact)
    return cache.key(
        [
            digest,
            override.read_text(encoding="utf-8", errors="replace") if override else "",
            digest_path(options.data) if options.data else "",
            ",".join(options.features or ()),
            options.target or "",
            modelport.__version__,
            runtime_version(),
            *(["trusted"] if options.trust_version and other_version(artifact, options) else []),
        ]
    )


def _size(artifact: Path) -> int:
    return artifact.stat().st_size if artifact.is_file() else sum(p.stat().st_size for p in artifact.rglob("*"))


def _refuse_uncompiled(loader: Loader, options: ServeOptions) -> None:
    if options.require_compiled and not getattr(loader, "compiled", False):
        raise ArtifactError(
            f"--require-compiled: models of the kind {loader.extra} are not compiled; leave the option out"
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A model in the form that was decided on, with what is told of it."""

    model: Model
    version: str
    notes: tuple[str, ...]
    form: dict[str, Any]


def open_form(form: Form | None, artifact: Path, options: ServeOptions) -> Opened:
    """Load what was decided on; None where nothing was to be decided."""
    if is_bundle(artifact):
        _refuse_helpers(artifact, options)
        return _open_bundled(form, read_bundle(artifact), options)
    if form is None or form["form"] != COMPILED:
        version = digest_files(artifact, helper_files(options))
        _refuse_replaced(artifact, version, form)
        model, notes = _load_original(artifact, options, version)
        why = (form or {}).get("why")
        told: dict[str, Any] = {"form": ORIGINAL, "why": why} if why else {}
        return Opened(model, version[:VERSION_LENGTH], notes, {**told, **_trusted(artifact, options)})
    from modelport.compilation.compiled import open_compiled

    folder = Path(form["folder"])
    hold(folder)
    compiled, about = open_compiled(folder), Cache(options.cache_dir).about(folder)
    facts = {**_facts(compiled.report, about), **_trusted(artifact, options)}
    return Opened(compiled, form["version"][:VERSION_LENGTH], about.notes, facts)


def _load_original(artifact: Path, options: ServeOptions, digest: str) -> tuple[Model, tuple[str, ...]]:
    """As it is, or by the way that was proven, where another version saved it."""
    if is_unproven(artifact, options):
        proof = find_proof(artifact, options, digest)
        if proof is not None:
            from modelport.assembly.proving import load_proven

            hold(_proofs(options).place(proof_key(artifact, options, digest)))
            return load_proven(artifact, options, proof)
    return load_artifact(artifact, options)


def _trusted(artifact: Path, options: ServeOptions) -> dict[str, str]:
    """What every answer of a model says that is served though nothing was shown of it."""
    other = other_version(artifact, options) if options.trust_version else None
    return {"trusted": str(other)} if other else {}


def _refuse_replaced(artifact: Path, version: str, form: Form | None) -> None:
    """Processes of one service serve one file: what is loaded must be what was looked at, in another one and a while ago."""
    if form is not None and form["version"] != version:
        raise ArtifactError(f"{artifact} was replaced since the start or the last reload; {SERVE_ANEW}")


def _open_bundled(form: Form | None, bundle: Bundle, options: ServeOptions) -> Opened:
    if form is None:
        look = check_bundle(bundle.path, options) if options.must_be_signed else _look_at_bundle(bundle, options)
        form = look.plain()
    if options.must_be_signed:
        _refuse_unsigned(bundle, form)
    else:
        _refuse_replaced(bundle.path, bundle.version, form)
    check_files(bundle)
    compiled = form["form"] == COMPILED
    try:
        model = open_bundle(bundle, options, compiled)
    except MissingExtra as error:
        raise ArtifactError(f"{bundle.path}: the compiled form does not serve ({form['why']}), and {error}") from None
    facts: dict[str, Any] = {"form": ORIGINAL, "why": form["why"]}
    if compiled:
        facts = {"form": COMPILED, **{k: v for k, v in bundle.measured().items() if k in FACTS}}
    trusted = bundle.manifest.proof.get("trusted")
    facts |= {"trusted": trusted} if trusted else {}
    return Opened(model, bundle.version[:VERSION_LENGTH], bundle.manifest.notes, facts)


def _refuse_unsigned(bundle: Bundle, form: Form) -> None:
    """The same where what was looked at is what bore the signature."""
    if form.get("signed") != bundle.version:
        why = form["why"] if not form.get("signed") else "it was replaced after that; start or reload again"
        raise ArtifactError(f"{bundle.path} is not served, because its signature was not checked: {why}")


FACTS = ("parity", "record_microseconds", "memory_bytes")


def _facts(report: Any, about: About) -> dict[str, Any]:
    memory = {"memory_bytes": {"original": about.memory_before, "compiled": about.memory_after}}
    return {"form": COMPILED, **report_facts(report), **memory}


def compile_beside(
    artifact: Path,
    options: ServeOptions,
    limit_s: float | None = COMPILE_SECONDS,
    begin: Callable[[], None] = lambda: None,
) -> Look:
    """Look, and compile in a process of its own where nothing is known. Past the limit the original serves.

    `begin` is called where it has to be compiled. Raises ArtifactError where the original cannot be loaded either.
    """
    look = look_up(artifact, options)
    if look.form != UNKNOWN:
        return look
    begin()
    if is_unproven(artifact, options):  # the original is no way out
        limit_s = None
    config = json.dumps({"target": str(artifact), "options": to_plain(options)})
    command = [sys.executable, "-P", "-m", "modelport.assembly.compiler", "--print", config]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:  # it goes on, for the next start
        return replace(look, form=ORIGINAL, why=TOO_LONG)
    if not said.strip():
        return replace(look, form=ORIGINAL, why=f"the compiler ended with exit code {process.returncode}")
    form = json.loads(said.strip().splitlines()[-1])  # a model that is loaded may print, too
    if "error" in form:
        raise ArtifactError(form["error"])
    return look_from(form, look)


def look_from(form: Form, look: Look) -> Look:
    """What another process found."""
    placement = replace(look.placement, executor=form["executor"], reason=form["reason"])
    decided = (form["form"], placement, form["why"], form["folder"], form["signed"], form["version"])
    return Look(*decided, native=form["native"], late=tuple(form["late"]))
