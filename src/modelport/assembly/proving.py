"""Whether a model that another version saved answers here as it did there, and by which way of serving it.

The oracle is the model in its native environment. It answers every kind of checked row; the first way that agrees on all of them
serves: loaded as it is, repaired, compiled; and where none does, the native environment itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from modelport.artifacts.loaders.skops import trusted_types
from modelport.artifacts.pickles.loading import screen_pickle
from modelport.artifacts.pickles.outline import read_outline
from modelport.artifacts.pickles.saved_by import names_companions
from modelport.artifacts.pickles.telling import is_pickle
from modelport.artifacts.sample import read_records
from modelport.assembly.artifacts import installed_version, load_artifact, other_version, pickle_in, read_head
from modelport.assembly.native import boosters_in, cache_folder, load_native, objects_in, open_native, read_stored
from modelport.assembly.origins import SCIKIT_LEARN, OtherVersion
from modelport.assembly.rehearsal import Predict, rehearse
from modelport.assembly.tabled import prove_by_table
from modelport.compilation.cache import runtime_version
from modelport.config import ServeOptions
from modelport.errors import ArtifactError, MissingExtra, SetupError, UnprovenVersion, UntrustedPickle
from modelport.kernel.ports import Model
from modelport.kernel.signature import Signature
from modelport.kernel.values import Record
from modelport.native.environments import Environment, Progress, provide
from modelport.native.kinds import kinds_of
from modelport.native.proofs import AS_IT_IS, COMPILED, NATIVE, REPAIRED, Proof, saved_with
from modelport.native.repairs.kit import RepairKit
from modelport.native.ties import objections
from modelport.native.versions import Need, StoredVersions, needed

SAMPLE_ROWS = 20_000
LIMIT_S = 20.0
"""How long the oracle is asked; fewer rows are checked where it is slow."""

FEWEST_ROWS = 100
WAYS = (AS_IT_IS, REPAIRED, COMPILED)
PROVEN = "proven to answer as the version that saved it"
HERE = "the installed version"


@dataclass(slots=True)
class Proven:
    """A model that answers as the version that saved it, and how that is known.

    `model` is the installed one where that agrees, else the native one; `compiled` is what was made of it, or why there is none.
    """

    proof: Proof
    model: Model
    compiled: Any
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Case:
    """What is to be proven, and what was found so far."""

    artifact: Path
    options: ServeOptions
    stored: str
    need: Need
    environment: Environment
    oracle: Any
    notes: tuple[str, ...]
    sample: Sequence[Record]
    progress: Progress
    ways: Collection[str]
    others: list[str] = field(default_factory=list)
    expected: Any = None
    beside: str = ""
    """The boosters in it, with their versions in the environment."""

    @property
    def there(self) -> str:
        """What the answers are held against."""
        return saved_with(self.stored, self.beside)


def prove(
    artifact: Path, options: ServeOptions, progress: Progress = lambda _, __: None, ways: Collection[str] = WAYS
) -> Proven:
    """Build the environment where it is not there, ask, compare. `ways` are those that are tried before that itself serves.

    Raises UntrustedPickle for what could run code, and UnprovenVersion where nothing can be shown.
    """
    stored, installed = read_stored(artifact, options.with_ or ()), installed_version(SCIKIT_LEARN)
    version = stored.versions.get(SCIKIT_LEARN, "")
    other = other_version(artifact, options) or OtherVersion(SCIKIT_LEARN, version or "an unknown version", installed)
    _refuse_hostile(artifact, options, other)
    try:
        need = _needed(artifact, stored)
        environment = provide(need, cache_folder(options), lambda what, done: progress(what, done * 0.6))
        version = version or environment.versions.get(SCIKIT_LEARN, installed)
        progress(f"loading {artifact.name} in {other}", 0.6)
        oracle, notes = load_native(artifact, options, environment, PROVEN)
    except MissingExtra:
        raise
    except SetupError as error:
        tabled = prove_by_table(artifact, options, version, installed)
        if not isinstance(tabled, str):
            proof, model, notes = tabled
            progress(f"no environment, so by the table that ships: {error}", 0.8)
            proof = replace(proof, others=(f"held against that version itself: {error}",))
            return Proven(proof, model, _compile(model, options, []), notes)
        why = f"it cannot be held against that version: {error}; and by the table that ships, {tabled}"
        raise other.unproven(str(artifact), why, True) from None
    sample = read_records(options.data, oracle.signature.inputs, SAMPLE_ROWS) if options.data else []
    case = _Case(artifact, options, version, need, environment, oracle, notes, sample, progress, ways)
    case.beside = boosters_in(stored, environment)
    with warnings.catch_warnings():  # rows at the edges make libraries complain of what is done on purpose
        warnings.simplefilter("ignore")
        return _first_way(case)


def _needed(artifact: Path, stored: StoredVersions) -> Need:
    """The environment. Raises ArtifactError for a booster without its wrapper, too: it takes rows in a class of its library."""
    need = needed(stored)
    root = read_outline(pickle_in(artifact)).root
    if getattr(root, "name", "") == "xgboost.core.Booster":
        raise ArtifactError(
            "it is a Booster without its wrapper: let the XGBoost that wrote it save it with save_model, as .ubj"
        )
    return need


def _refuse_hostile(artifact: Path, options: ServeOptions, other: OtherVersion) -> None:
    """What could run code is refused before anything is installed for it, and what is in no environment before it is looked for."""
    for path in (pickle_in(artifact), *(options.with_ or ())):
        try:
            if path.suffix.lower() == ".skops":
                trusted_types(path, False)
            elif is_pickle(read_head(path)):
                _refuse_incomplete(path)
                screen_pickle(path)
        except UntrustedPickle as error:
            if not options.allow_pickle:
                raise
            why = f"it holds {error.name[:100]}, which is of no library, and so in no environment of that version"
            raise other.unproven(str(artifact), why, True) from None


def _refuse_incomplete(path: Path) -> None:
    """An array of which nothing is here is told before an environment is built to miss it there."""
    for missing in read_outline(path).missing if names_companions(path) else ():
        raise ArtifactError(missing)


def _first_way(case: _Case) -> Proven:
    from modelport.compilation.compiler import Original, answered_rows

    case.progress(f"asking {case.there} the checked rows", 0.65)
    original = Original(case.oracle.estimator, case.oracle.signature, case.oracle.predict)
    case.expected = answered_rows(original, case.sample, LIMIT_S)
    undecided = _undecided(case)
    if undecided:  # which rows are equally near to two things is not known, so they are not among those that were asked
        case.others.append(f"any but that version itself: {undecided}")
        return _native(case, undecided)
    case.progress("loading it as it is", 0.8)
    for way, kit in ((AS_IT_IS, None), (REPAIRED, RepairKit(case.stored, installed_version("scikit-learn")))):
        here = _here(case, way, kit) if way in case.ways else None
        if here is not None:
            case.progress("compiling", 0.85)
            repairs = tuple(kit.applied) if kit is not None else ()
            proof = replace(_proof(case, way), repairs=repairs)
            compiled = _agreeing(case, _compile(here, case.options, case.sample))
            if isinstance(compiled, str):
                proof = replace(proof, untouched=_untouched(case, proof))
            return Proven(proof, here, compiled, case.notes)
    case.progress("compiling what the native environment tells of it", 0.85)
    compiled = _compile(case.oracle, case.options, case.sample) if COMPILED in case.ways else "not tried"
    if isinstance(compiled, str):
        case.others.append(f"compiled: {compiled}")
        return _native(case, compiled)
    return Proven(_proof(case, COMPILED), case.oracle, compiled, case.notes)


def _undecided(case: _Case) -> str:
    """Why rows that are equally near to two things may be answered otherwise here, whatever the checked rows show; else empty."""
    kinds, _ = kinds_of(o for path in (pickle_in(case.artifact), *(case.options.with_ or ())) for o in objects_in(path))
    return next(objections(kinds, case.stored, installed_version(SCIKIT_LEARN), asked=True), "")


def _native(case: _Case, uncompiled: str) -> Proven:
    return Proven(replace(_proof(case, NATIVE), late=_answers_late(case)), case.oracle, uncompiled, case.notes)


def _answers_late(case: _Case) -> bool:
    """Whether the environment gives the same answers with some of its libraries imported when they are used, as later starts do."""
    inputs = case.oracle.signature.inputs
    try:
        model, _ = load_native(case.artifact, case.options, case.environment, PROVEN, inputs, late=True)
    except SetupError:
        return False
    return shape_of(model.signature) == shape_of(case.oracle.signature) and _agrees(case, model.predict, "late imports")


def _untouched(case: _Case, proof: Proof) -> tuple[str, ...]:
    """The libraries that later starts may put off, as a start that puts all of them off gives the same answers."""
    case.progress("loading it as later starts will", 0.95)
    shape = shape_of(case.oracle.signature)
    return rehearse(case.artifact, case.options, proof, shape, lambda predict: _agrees(case, predict, "late imports"))


def _here(case: _Case, way: str, kit: RepairKit | None) -> Model | None:
    """The model as the installed version loads it, as it is or repaired, if that answers alike."""
    try:
        inputs = case.oracle.signature.inputs
        repairs = None if kit is None else lambda _: kit
        model, _ = load_artifact(case.artifact, case.options, known=inputs, other_version=PROVEN, repairs=repairs)
    except UnprovenVersion as error:
        case.others.append(f"{way}: {error.differs}")
        return None
    except SetupError as error:
        case.others.append(f"{way}: {error}")
        return None
    if shape_of(model.signature) != shape_of(case.oracle.signature):
        case.others.append(f"{way}: the installed version tells other inputs or outputs of it")
        return None
    return model if _agrees(case, model.predict, way) else None


def shape_of(signature: Signature) -> Any:
    """What two readings of a model must tell alike: names and kinds, no notes."""
    inputs = [(f.name, f.kind, f.categories, f.nullable, f.closed) for f in signature.inputs]
    return inputs, [(o.name, o.classes, o.probabilities) for o in signature.outputs], signature.task


def _agrees(case: _Case, predict: Predict, way: str) -> bool:
    """Whether it gives the oracle's answer to every row, and none where the oracle gives none."""
    said = _difference(case, predict)
    if said:
        case.others.append(f"{way}: {said}")
    return not said


def _difference(case: _Case, predict: Predict) -> str:
    """What is not as the oracle has it, in words.

    Rows are drawn from the signature, so validation lets them pass: one that the oracle refuses was an error to callers there, and
    would be an answer here.
    """
    from modelport.compilation.parity import compare, first_answered
    from modelport.compilation.rows import USUAL

    report = compare(case.expected, predict, USUAL)
    if report.rows < FEWEST_ROWS:
        return f"only {report.rows} rows could be compared"
    if not report.full:
        there = f"{case.there} answers"
        return report.mismatch.tell(there, HERE) if report.mismatch else "it answers otherwise"
    more = report.excluded - report.refused_alike
    if not more:
        return ""
    first = first_answered(case.expected, predict)
    told = f": {first.tell(f'{case.there} says', HERE)}" if first else ""
    return f"it answers {more:,} of {report.excluded:,} rows that {case.there} refuses{told}"


def _compile(model: Any, options: ServeOptions, sample: Sequence[Record]) -> Any:
    """The compiled form, or why there is none."""
    if options.no_compile:
        return "as configured (--no-compile)"
    if not runtime_version():
        return "what compiles it is not installed: pip install 'modelport[compile]'"
    from modelport.compilation.compiler import NotCompiled, Original, compile_model

    try:
        made = compile_model(Original(model.estimator, model.signature, model.predict), sample)
    except MissingExtra as error:
        return str(error)
    if isinstance(made, NotCompiled):
        return made.reason
    more = made.report.excluded - made.report.refused_alike
    if more:
        return f"compiled it would answer {more:,} rows that the original refuses ({made.report.why_excluded})"
    return made


def _agreeing(case: _Case, compiled: Any) -> Any:
    """The compiled form, if the oracle agrees with it as well as the model that it was made of."""
    if isinstance(compiled, str) or _agrees(case, compiled.predict, "compiled"):
        return compiled
    return case.others[-1]


def _told_of_refused(expected: Any) -> str:
    """What kind of row the first one is that the oracle refuses, and what it says."""
    if not expected.refused:
        return ""
    (kind, _), why = expected.refused[0]
    return f"{kind}: {why}"


def _proof(case: _Case, way: str) -> Proof:
    return Proof(
        way,
        case.stored,
        installed_version("scikit-learn"),
        len(case.expected.rows),
        len(case.expected.refused),
        _told_of_refused(case.expected),
        tuple(case.others),
        (),
        case.environment.versions,
        case.environment.digest,
        case.need.requirements,
        case.need.pythons,
        case.oracle.signature.inputs,
        beside=case.beside,
    )


# -- later -----------------------------------------------------------------------------------------------------------


def load_proven(artifact: Path, options: ServeOptions, proof: Proof) -> tuple[Model, tuple[str, ...]]:
    """The model by the way that was proven. Raises ArtifactError where that is not open any more."""
    if proof.way == AS_IT_IS:
        return load_artifact(artifact, options, known=proof.inputs, other_version=str(proof))
    if proof.way == REPAIRED:
        kit = RepairKit(proof.stored, proof.installed)
        return load_artifact(artifact, options, known=proof.inputs, other_version=str(proof), repairs=lambda _: kit)
    return open_native(artifact, options, proof)
