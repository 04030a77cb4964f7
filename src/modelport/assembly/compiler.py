"""`python -m modelport.assembly.compiler CONFIG SLOT CHANNEL`: compiles one artifact, apart from what serves; keeps the result."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from modelport.artifacts.bundle import is_bundle
from modelport.artifacts.digest import digest_files
from modelport.artifacts.sample import read_records
from modelport.assembly.artifacts import helper_files, load_artifact, other_version
from modelport.assembly.forms import (
    SERVE_ANEW,
    Look,
    cache_key,
    check_bundle,
    compiled_look,
    is_unproven,
    look_up,
    proof_key,
)
from modelport.assembly.proving import prove
from modelport.assembly.starts import remember
from modelport.compilation.cache import Cache, Refused, default_folder, write_about
from modelport.config import ServeOptions, from_plain
from modelport.errors import ArtifactError, MissingExtra, ModelportError
from modelport.kernel.isolate import cause_of
from modelport.kernel.ports import Model
from modelport.native.environments import Progress
from modelport.native.proofs import Proofs
from modelport.observe.log import configure_logging
from modelport.observe.memory import memory_bytes
from modelport.runtime.channel import Channel
from modelport.runtime.children import end_with_parent
from modelport.runtime.forms import ORIGINAL, UNKNOWN

SAMPLE_ROWS = 20_000
"""Of the data, that are offered to the comparison; it takes what it has the time for."""

log = logging.getLogger("modelport.compiler")


def compile_artifact(
    artifact: Path,
    options: ServeOptions,
    begin: Callable[[], None] = lambda: None,
    begin_proof: Callable[[str], None] = lambda _: None,
) -> Look:
    """Compile, compare, keep the result or the reason. Raises ModelportError where the original cannot be loaded either.

    Of several processes that want the same at once, one does it and the others find it done. `begin` is called when the
    original has loaded, and what takes long begins; `begin_proof`, where another version saved it, with what is done then.
    """
    cache = Cache(options.cache_dir)
    digest = digest_files(artifact, helper_files(options))
    key = cache_key(cache, artifact, options, digest)
    with cache.lock(key):
        known = look_up(artifact, options)
        if known.form != UNKNOWN:
            return known
        _refuse_replaced(artifact, digest, known.version)
        if is_unproven(artifact, options):
            begin_proof(_told_of_proof(artifact, options))
            return _prove_and_keep(artifact, options, (cache, key), known, begin_proof)
        model, notes = load_artifact(artifact, options)
        _refuse_replaced(artifact, digest, digest_files(artifact, helper_files(options)))
        begin()
        return _compile_and_keep(model, notes, options, cache, key, known)


def _refuse_replaced(artifact: Path, before: str, now: str) -> None:
    """Nothing false in the cache."""
    if before != now:
        raise ArtifactError(f"{artifact} was replaced while it was loaded; {SERVE_ANEW}")


def _told_of_proof(artifact: Path, options: ServeOptions) -> str:
    other = other_version(artifact, options)
    assert other is not None
    return f"{artifact.name} was saved by {other}, here is {other.installed}: holding its answers against {other.told}, once"


def _prove_and_keep(
    artifact: Path, options: ServeOptions, place: tuple[Cache, str], known: Look, tell: Callable[[str], None]
) -> Look:
    """Find the way of serving it that answers as the version that saved it. Raises UnprovenVersion."""
    proven = prove(artifact, options, _each_step(tell))
    _refuse_replaced(artifact, known.version, digest_files(artifact, helper_files(options)))
    Proofs(options.cache_dir or default_folder()).keep(proof_key(artifact, options, known.version), proven.proof)
    told = str(proven.proof)
    if isinstance(proven.compiled, str):
        return replace(known, form=ORIGINAL, why=told)
    try:
        folder = _keep(*place, proven.compiled, (told, *proven.notes), 0)
    except OSError as error:
        raise ArtifactError(f"what was compiled cannot be kept: {error}; say --cache-dir FOLDER") from None
    return replace(compiled_look(folder, options), version=known.version)


def _each_step(tell: Callable[[str], None]) -> Progress:
    """Tells what is being done once for each step: it can take a minute, and somebody looks at the log."""
    told: set[str] = set()

    def step(what: str, _: float) -> None:
        if what not in told:
            told.add(what)
            tell(what)

    return step


def _compile_and_keep(
    model: Model, notes: tuple[str, ...], options: ServeOptions, cache: Cache, key: str, known: Look
) -> Look:
    weight = memory_bytes(os.getpid()) or 0
    try:
        with warnings.catch_warnings():  # rows at the edges make libraries complain of what we do on purpose
            warnings.simplefilter("ignore")
            made = _compile(model, options)
    except MissingExtra as error:  # nothing to remember: it may be installed tomorrow
        return replace(known, form=ORIGINAL, why=str(error))
    if isinstance(made, str):
        _remember(cache, key, Refused(made, notes))
        return replace(known, form=ORIGINAL, why=made)
    try:
        folder = _keep(cache, key, made, notes, weight)
    except OSError as error:
        why = f"what was compiled cannot be kept: {error}; say --cache-dir FOLDER"
        return replace(known, form=ORIGINAL, why=why)
    return replace(compiled_look(folder, options), version=known.version)


def _compile(model: Model, options: ServeOptions) -> Any:
    """The compiled model, or why there is none."""
    from modelport.compilation.compiler import NotCompiled, Original, compile_model

    original = Original(model.estimator, model.signature, model.predict)  # type: ignore[attr-defined]
    sample = read_records(options.data, model.signature.inputs, SAMPLE_ROWS) if options.data else None
    made = compile_model(original, sample)
    return made.reason if isinstance(made, NotCompiled) else made


def _remember(cache: Cache, key: str, refused: Refused) -> None:
    try:
        cache.keep_refusal(key, refused)
    except OSError as error:
        log.warning("the cache at %s cannot be written: %s", cache.folder, error)


def _keep(cache: Cache, key: str, made: Any, notes: tuple[str, ...], weight: int) -> Path:
    draft = cache.draft()
    try:
        made.save(draft)
        if cache.is_elsewhere(draft):
            what = f"the cache {cache.folder} cannot be written: what was compiled is kept in {draft.parent}"
            notes = (*notes, f"{what}, as long as temporary files are; say --cache-dir FOLDER")
        write_about(draft, notes, weight, _weigh(draft))
        return cache.keep(draft, key)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


# -- what a process weighs that holds it ---------------------------------------------------------------------------


def _weigh(folder: Path) -> int:
    """The memory of a process that has answered one record with the compiled model, in bytes; 0 where it cannot be told."""
    command = [sys.executable, "-P", "-m", "modelport.assembly.compiler", "--weigh", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else 0


def print_weight(folder: Path) -> int:
    """The other side of `_weigh`."""
    from modelport.compilation.compiled import open_compiled
    from modelport.kernel.signature import example_value

    model = open_compiled(folder)
    model.predict([tuple(example_value(f) for f in model.signature.inputs)])
    sys.stdout.write(f"{memory_bytes(os.getpid()) or 0}\n")
    return 0


# -- the process ---------------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Compile and tell the supervisor what became of it."""
    if arguments[0] == "--weigh":
        return print_weight(Path(arguments[1]))
    if arguments[0] == "--print":
        sys.stdout.write(f"\n{json.dumps(_outcome(arguments[1]))}\n")
        return 0
    config, _, channel_fd = arguments
    end_with_parent(int(channel_fd))
    channel = Channel(int(channel_fd))
    said = _outcome(config, lambda: channel.tell(event="begun"), lambda what: channel.tell(event="proving", what=what))
    channel.tell(event="failed" if "error" in said else "compiled", **said)
    return 0


def _outcome(
    config: str, begin: Callable[[], None] = lambda: None, begin_proof: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The form that serves, or `error` where the artifact cannot be loaded at all."""
    parsed = json.loads(config)
    options = from_plain(parsed["options"])
    configure_logging(options.log_format)
    if options.allow_pickle:
        sys.path.append(parsed.get("folder") or os.getcwd())
    try:
        if is_bundle(Path(parsed["target"])):  # nothing to compile: its signature is to be checked
            return check_bundle(Path(parsed["target"]), options).plain()
        look = compile_artifact(Path(parsed["target"]), options, begin, begin_proof)
        _remember_start(Path(parsed["target"]), options)
        return look.plain()
    except ModelportError as known:
        return {"error": str(known)}
    except SystemExit:  # it is code, after all
        return {"error": f"{parsed['target']} ends the process that loads it: its code calls exit()"}
    except BaseException as unknown:  # whatever a model's code raises must be told
        return {"error": f"loading failed: {cause_of(unknown)}"}


def _remember_start(artifact: Path, options: ServeOptions) -> None:
    """As a start that finds everything done would decide."""
    with suppress(ModelportError):
        remember(artifact, options, look_up(artifact, options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
