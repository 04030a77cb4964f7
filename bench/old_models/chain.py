"""Files of one release through the chain that `modelport serve` goes, and rows that no proof has seen put to what serves.

    python -m bench.old_models.chain CACHE FOLDER NAMES …

Prints a line of JSON for each. Run by `bench.old_models.end_to_end`.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.old_models.comparing import read_case
from bench.old_models.heldout import Asked, asked_rows, hold
from modelport.assembly.compiler import compile_artifact
from modelport.assembly.forms import find_proof, open_form
from modelport.assembly.native import cache_folder, load_native, read_stored
from modelport.assembly.proving import PROVEN, prove
from modelport.codecs.json import compile_decoder, encode
from modelport.config import ServeOptions
from modelport.errors import CallError, SetupError
from modelport.kernel.ports import Model
from modelport.native.environments import provide
from modelport.native.proofs import COMPILED, NATIVE, REPAIRED
from modelport.native.versions import needed

REFUSED = "refused"

Outcome = dict[str, Any]
Ask = Callable[[bytes], Any]


def main() -> int:
    """Each of the names; one that ends this process costs only itself, since lines are flushed."""
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    cache, folder = Path(sys.argv[1]), Path(sys.argv[2])
    for name in sys.argv[3:]:
        print(json.dumps({"started": name}), flush=True)
        print(json.dumps({"name": name, **follow(folder / name.replace("/", "."), cache)}), flush=True)
        gc.collect()  # the processes of native environments end with what stood for them
    return 0


def artifact_of(stem: Path) -> Path:
    """Of the two forms in which each model was saved the one or the other: half of each."""
    return Path(f"{stem}{('.pkl', '.joblib')[len(stem.name) % 2]}")


def follow(stem: Path, cache: Path) -> Outcome:
    """Through the chain, as it is; and, where repairs serve it, what would become of it without any."""
    path, options, began = artifact_of(stem), ServeOptions(cache_dir=cache), time.monotonic()
    asked = asked_rows(read_case(stem))
    try:
        look = compile_artifact(path, options)
        opened = open_form(look.plain(), path, options)
        alone = answers_of(_native(path, options))
    except SetupError as error:
        return {"way": REFUSED, "why": str(error), "seconds": time.monotonic() - began}
    proof = find_proof(path, options, look.version)
    assert proof is not None
    seconds = time.monotonic() - began
    outcome = {"way": proof.way, "form": look.form, "rows": proof.rows, "others": proof.others, "seconds": seconds}
    outcome |= {"repairs": proof.repairs, "held": _held(opened.model, asked, alone)}
    if proof.way == REPAIRED:
        outcome["unrepaired"] = _unrepaired(path, options, asked, alone)
    elif proof.way in (COMPILED, NATIVE):
        outcome["unrepaired"] = {"way": proof.way, "held": outcome["held"]}
    return outcome


def _unrepaired(path: Path, options: ServeOptions, asked: Sequence[Asked], alone: Ask) -> Outcome:
    """By the native environment alone: compiled there, or answering itself."""
    try:
        proven = prove(path, options, ways=(COMPILED,))
    except SetupError as error:
        return {"way": REFUSED, "why": str(error)}
    model = proven.compiled if proven.proof.way == COMPILED else proven.model
    return {"way": proven.proof.way, "others": proven.proof.others, "held": _held(model, asked, alone)}


def _native(path: Path, options: ServeOptions) -> Model:
    """The model in the release that saved it."""
    environment = provide(needed(read_stored(path)), cache_folder(options))
    return load_native(path, options, environment, PROVEN)[0]


def _held(model: Any, asked: Sequence[Asked], alone: Ask) -> Outcome:
    return hold(asked, model.signature.names, answers_of(model), alone).plain()


def answers_of(model: Any) -> Ask:
    """What the service answers to a body, with its own decoder and encoder; None where it refuses."""
    decode = compile_decoder(model.signature)

    def ask(body: bytes) -> Any:
        try:
            decoded = decode(body)
        except CallError:
            return None
        try:
            answers = [json.loads(encode(answer)) for answer in model.predict(decoded.records)]
            return answers if decoded.batch else answers[0]
        except Exception:  # whatever the model raises becomes an error for the caller
            return None

    return ask


if __name__ == "__main__":
    sys.exit(main())
