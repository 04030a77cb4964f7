"""What is said beside the work of `modelport ship`: what the image will be otherwise than it was here, what lies in the way."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from modelport.deploy.requirements import (
    Pin,
    accelerators,
    from_other_indexes,
    installed_from_folder,
    needed_by,
    not_here,
    other_than_here,
    without_hashes,
)
from modelport.deploy.subject import Subject

WITHOUT_CUDA = {
    "torch": "the build of torch for processors, which PyTorch has on an index of its own",
    "xgboost": "xgboost-cpu",
}


def tell(line: str) -> None:
    """Progress is not output: whoever pipes the output away still sees it."""
    print(line, file=sys.stderr, flush=True)


def warn(subject: Subject, cuda: bool, wheels: bool) -> None:
    """What the image will be otherwise than it was here, or larger than it has to be."""
    pins = subject.pins
    if cuda and not accelerators(pins):
        tell(f"note: nothing that {subject.target} needs uses a GPU: without --cuda its image is gigabytes smaller")
    if not cuda:
        _warn_of_cuda(pins)
    if (elsewhere := from_other_indexes(pins)) and not wheels:
        tell(
            f"note: {_some(elsewhere)} is a build that the default index does not have; say where it is when you build: "
            "--build-arg PIP_EXTRA_INDEX_URL=…"
        )
    if others := other_than_here(pins):
        tell(
            f"note: the image has {_some(others)}: what was measured is not what it will be; install that here, and ship again"
        )
    if unknown := not_here(pins):
        tell(
            f"note: {_some(unknown)} is not installed here, so nothing that it needs comes with it: install it, and ship again"
        )
    if bare := without_hashes(pins):
        tell(
            f"note: {_some(bare)} has no hash in your list, so all are left out: pip takes them for every package or for none"
        )
    if not wheels and installed_from_folder():
        tell(
            "note: this Modelport was installed from a folder; the image takes the release of the same version, unless you say "
            "--wheels and put everything it needs into the folder wheels"
        )


def _warn_of_cuda(pins: tuple[Pin, ...]) -> None:
    """Each package that brings it has builds that do not, under names of their own."""
    heavy = accelerators(pins)
    if not heavy:
        return
    why = [name for name in dict.fromkeys(n for h in heavy for n in needed_by(h, pins)) if name not in heavy]
    wanted = f", which {' and '.join(why)} asked for" if why else ""
    lighter = [WITHOUT_CUDA[name] for name in why if name in WITHOUT_CUDA]
    tell(
        f"note: {_some(heavy)} brings CUDA, gigabytes that a CPU image cannot use{wanted}: install "
        f"{' and '.join(lighter) or 'builds without it'} here and ship again, or say --cuda"
    )


def _some(names: Sequence[str]) -> str:
    return names[0] + (f" (and {len(names) - 1} more)" if len(names) > 1 else "")


def tell_of_others(folder: Path, written: list[Path], layout: str) -> None:
    """What an earlier run has left would be applied, too: another autoscaler, say."""
    if layout == "kustomize":  # names its files
        return
    read = folder / "templates" if layout == "helm" else folder
    for path in sorted({*read.glob("*.yaml"), *read.glob("*.yml"), *read.glob("*.json")} - {*written}):
        tell(
            f"note: {path} is none of these files, and would be applied with them: remove it, if it is of an earlier run"
        )
