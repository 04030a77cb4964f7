"""A bundle of a model that another version saved: proven once, served without that version wherever that is possible."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelport.artifacts.bundle import Bundle, is_bundle, read_bundle
from modelport.artifacts.digest import digest_files
from modelport.assembly.artifacts import helper_files, installed_version, other_version, pickle_in
from modelport.assembly.bundles import Content, build_bundle, refuse_what_is_there, write_bundle
from modelport.assembly.native import cache_folder
from modelport.assembly.origins import untold_in
from modelport.assembly.proving import Proven, prove
from modelport.config import ServeOptions, model_name
from modelport.errors import ArtifactError
from modelport.native.environments import Progress, find, provide
from modelport.native.proofs import NATIVE, Proof, saved_with


@dataclass(frozen=True, slots=True)
class Rescued:
    """The bundle, and the report of how its answers were held against those of the version that saved the model."""

    bundle: Bundle
    report: str
    proof: dict[str, Any]


def rescue(source: Path, out: Path, options: ServeOptions, force: bool, progress: Progress) -> Rescued:
    """Prove the model and write a bundle of it. Raises UnprovenVersion where nothing can be shown, SetupError for all else."""
    if is_bundle(source):
        return _rescue_bundle(source, options, progress)
    refuse_what_is_there(source, out, options, force)
    if not other_version(source, options):
        bundle = build_bundle(source, out, options, force)
        return Rescued(bundle, _told_of_nothing(source), {})
    proven = prove(source, options, progress)
    report = write_report(source, digest_files(source, helper_files(options)), proven)
    progress("writing the bundle", 0.95)
    notes = (str(proven.proof), *(n for n in proven.notes if n not in str(proven.proof)))
    plain: dict[str, Any] = msgspec.to_builtins(proven.proof)
    content = Content(model_name(source, options), proven.model, notes, plain, report, proven.compiled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the loader silences was told within the comparison, and is forgotten
        bundle = write_bundle(source, out, content, options)
    progress("done", 1.0)
    return Rescued(bundle, report, plain)


def _told_of_nothing(source: Path) -> str:
    """Of a file that names no other version than the installed ones; it may leave some open."""
    untold = untold_in(pickle_in(source), installed_version)
    if untold:
        return (
            f"{source} names no other version than the installed ones, so nothing was compared; {'; '.join(untold)}.\n"
        )
    return f"{source} was saved by the installed version: nothing had to be rescued.\n"


def _rescue_bundle(path: Path, options: ServeOptions, progress: Progress) -> Rescued:
    """Of one that is served from a native environment: build that here. Raises ArtifactError for any other."""
    bundle = read_bundle(path)
    proof = msgspec.convert(bundle.manifest.proof, Proof) if bundle.manifest.proof else None
    if proof is None or proof.way != NATIVE:
        raise ArtifactError(f"{path} is a bundle that needs no environment of another version: serve it")
    environment = find(proof.need, cache_folder(options)) or provide(proof.need, cache_folder(options), progress)
    there = saved_with(proof.stored, proof.beside)
    report = f"{path} is served by {there} in {environment.folder} ({environment.size / 1e6:,.0f} MB).\n"
    return Rescued(bundle, report, asdict(proof))


def write_report(source: Path, digest: str, proven: Proven) -> str:
    """What a person files: which file, what was asked of whom, what agreed and what did not."""
    proof = proven.proof
    found = proven.compiled
    compiled = f"not compiled: {found}" if isinstance(found, str) else f"compiled: {found.report}"
    lines = [
        f"# {source.name}",
        "",
        f"- SHA-256: {digest}",
        f"- saved by: {saved_with(proof.stored, proof.beside)}",
        "- installed: " + ", ".join([f"scikit-learn {proof.installed or 'none'}", *_installed_boosters(proof)]),
        *_told_of_oracle(proof),
        f"- result: {proof}",
        f"- {compiled}",
        *(f"- not taken: {other}" for other in proof.others),
    ]
    return "\n".join(lines) + "\n"


def _installed_boosters(proof: Proof) -> list[str]:
    """Those that the model holds."""
    names = [told.partition(" ")[0] for told in proof.beside.split(", ") if told]
    return [f"{name} {installed_version(name) or 'none'}" for name in names]


def _told_of_oracle(proof: Proof) -> list[str]:
    """What the answers were held against."""
    if proof.by_table:
        return ["- held against: the table of models that were compared, which ships; no row of this one was asked"]
    there = ", ".join(f"{name} {version}" for name, version in sorted(proof.environment.items()))
    first = f", the first of {proof.refusal}" if proof.refusal else ""
    return [
        f"- held against: {there}",
        f"- digest of that environment: {proof.digest}",
        f"- built of: {', '.join(proof.requirements)}",
        f"- checked rows: {proof.rows:,}",
        f"- refused there, and so by what serves: {proof.refused:,} rows{first}",
    ]
