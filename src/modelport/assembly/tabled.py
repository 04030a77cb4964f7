"""The proof where no other environment can be had: a table of what was compared, which ships with the package."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

from modelport.artifacts.pickles.loading import load_pickle
from modelport.artifacts.pickles.outline import read_outline
from modelport.assembly.artifacts import load_artifact, pickle_in
from modelport.config import ServeOptions
from modelport.errors import SetupError
from modelport.kernel.ports import Model
from modelport.kernel.signature import example_value
from modelport.native import offline
from modelport.native.proofs import AS_IT_IS, REPAIRED, Proof
from modelport.native.repairs.kit import RepairKit
from modelport.native.widths import names_of, width_of


def prove_by_table(
    artifact: Path, options: ServeOptions, stored: str, installed: str
) -> tuple[Proof, Model, tuple[str, ...]] | str:
    """The model as models of its kind were compared, and how that is known; else why it is refused, as the end of a sentence."""
    if options.with_:
        return "it has other files beside it, and models in one file alone were compared"
    skops = pickle_in(artifact).suffix.lower() == ".skops"
    judgement = offline.judge(read_outline(pickle_in(artifact)).objects(), stored, installed, mendable=not skops)
    if judgement.way == offline.REFUSED:
        return judgement.reason
    way = REPAIRED if judgement.way == offline.REPAIRED else AS_IT_IS
    kit = RepairKit(stored, installed) if way == REPAIRED else None
    repairs = None if kit is None else lambda _: kit
    proof = Proof(way, stored, installed, by_table=True)
    try:
        given = _with_inputs(artifact, options, kit)
        model, notes = load_artifact(artifact, given, other_version=str(proof), repairs=repairs)
        answers = model.predict([tuple(example_value(f) for f in model.signature.inputs)])
    except SetupError as error:
        return str(error)
    except Exception as error:  # of a part that the table has not asked: methods that are newer than the file
        return f"it loads, and then fails at its own example: {type(error).__name__}: {str(error)[:200]}"
    if not answers:
        return "it loads, and gives no answer to its own example"
    applied = () if kit is None else tuple(kit.applied)
    return Proof(way, stored, installed, repairs=applied, inputs=model.signature.inputs, by_table=True), model, notes


def _with_inputs(artifact: Path, options: ServeOptions, kit: RepairKit | None) -> ServeOptions:
    """With what releases before 0.24 did not store: the names of the inputs, or their number."""
    if options.features or options.data or pickle_in(artifact).suffix.lower() == ".skops":
        return options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that another version saved it is what this is about
        estimator = load_pickle(pickle_in(artifact), options.allow_pickle, repairs=kit)
    if hasattr(estimator, "n_features_in_"):
        return options
    names = names_of(estimator) or [f"x{i}" for i in range(width_of(estimator))]
    return replace(options, features=tuple(names)) if names else options
