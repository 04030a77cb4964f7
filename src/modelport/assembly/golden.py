"""Golden cases: records with the answers that the original gave, which are asked again before a bundle serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import msgspec

from modelport.artifacts.bundle import Bundle, GoldenCase
from modelport.errors import ArtifactError
from modelport.kernel.ports import Model
from modelport.kernel.signature import Field, Kind, Task, example_value
from modelport.kernel.values import Record

GOLDEN_CASES = 100
TENSOR_CASES, MOST_VALUES = 4, 20_000
"""Records of tensors that are drawn beside the example, where one has no more numbers than this."""
MOST_BYTES = 4 * 2**20
"""Of cases with tensors, as JSON: the one that passes it is the last."""
TOLERANCE = 1e-5
"""Of 1, or of the greatest number in an answer of tensors: they are of 32 bits, and each machine adds up in an order of its own."""
LONGEST = 160


def golden_cases(model: Model, sample: Sequence[Record]) -> Iterator[GoldenCase]:
    """Records with the original's answers: the example, rows of the data and made ones; what it refuses is left out."""
    size = 0
    for record in _records(model, sample):
        try:
            (answer,) = model.predict([record])
        except Exception:  # whatever the model's library raises
            continue
        yield GoldenCase(record, answer)
        if model.signature.task is Task.TENSOR:
            size += len(msgspec.json.encode((record, answer), enc_hook=listed))
        if size > MOST_BYTES:
            return


def _records(model: Model, sample: Sequence[Record]) -> list[Record]:
    example = tuple(example_value(f) for f in model.signature.inputs)
    if any(f.kind is Kind.TENSOR for f in model.signature.inputs):
        return [example, *_drawn_tensors(model.signature.inputs)]
    wanted = GOLDEN_CASES * 4 // 5 if sample else 0
    spread = [sample[i * len(sample) // wanted] for i in range(min(wanted, len(sample)))]
    return list(dict.fromkeys([example, *spread, *_made_records(model, sample)[: GOLDEN_CASES - len(spread)]]))


def _made_records(model: Model, sample: Sequence[Record]) -> list[Record]:
    """Of every kind that compilation checks: at scales, with gaps, with categories that nobody has seen.

    Of what answers with tensors only usual ones: a network far outside of its training answers as the machine rounds.
    """
    from modelport.compilation.rows import USUAL, Budget, RowMaker

    rows = RowMaker(model.signature, sample, {}, Budget()).rows()
    return [record for kind, record in rows if kind in USUAL or model.signature.task is not Task.TENSOR]


def _drawn_tensors(fields: Sequence[Field]) -> list[Record]:
    """The same ones each time."""
    import numpy as np

    if sum(prod(_shape(f)) for f in fields) > MOST_VALUES:
        return []
    random = np.random.default_rng(0)
    return [tuple(_draw(random, f) for f in fields) for _ in range(TENSOR_CASES)]


def _draw(random: Any, f: Field) -> Any:
    shape = _shape(f)
    if f.dtype == "string":
        return example_value(f)
    if f.dtype == "bool" or "int" in f.dtype:
        drawn = random.integers(0, 2, (*shape, 1)).reshape(shape)
        return (drawn > 0).tolist() if f.dtype == "bool" else drawn.tolist()
    return random.normal(size=(*shape, 1)).round(4).reshape(shape).tolist()


def _shape(f: Field) -> tuple[int, ...]:
    return tuple(1 if length is None else length for length in f.shape)


# -- asked again -----------------------------------------------------------------------------------------------------


def replay(bundle: Bundle, model: Model) -> int:
    """Ask the golden cases; how many. Raises ArtifactError with the first that is answered otherwise."""
    cases = bundle.golden()
    mismatch = _of_tensors(cases, model) if bundle.manifest.signature.task is Task.TENSOR else _of_values(cases, model)
    if mismatch:
        raise ArtifactError(f"{bundle.path}: a golden case is answered otherwise than when it was built: {mismatch}")
    return len(cases)


def _of_values(cases: Sequence[GoldenCase], model: Model) -> str:
    from modelport.compilation.parity import Expected, compare

    expected = Expected([("golden case", c.record) for c in cases], [c.answer for c in cases])
    report = compare(expected, lambda records: [_plain(answer) for answer in model.predict(records)], ("golden case",))
    return "" if report.mismatch is None else report.mismatch.tell("recorded", "now")


def _of_tensors(cases: Sequence[GoldenCase], model: Model) -> str:
    for number, case in enumerate(cases):
        try:
            (got,) = map(_plain, model.predict([case.record]))
        except Exception as error:  # whatever the model's library raises
            return f"case {number} fails: {type(error).__name__}: {str(error)[:LONGEST]}"
        if not _near(case.answer, got, TOLERANCE * max([1.0, *map(abs, _numbers(case.answer))])):
            return f"case {number}: recorded {str(case.answer)[:LONGEST]}, now {str(got)[:LONGEST]}"
    return ""


def _near(wanted: Any, got: Any, margin: float) -> bool:
    if isinstance(wanted, dict):
        known = isinstance(got, dict) and wanted.keys() == got.keys()
        return known and all(_near(value, got[key], margin) for key, value in wanted.items())
    if isinstance(wanted, list):
        alike = isinstance(got, list) and len(wanted) == len(got)
        return alike and all(_near(w, g, margin) for w, g in zip(wanted, got, strict=True))
    if isinstance(wanted, float):
        return isinstance(got, float) and abs(wanted - got) <= margin
    return bool(wanted == got)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _numbers(inner)


def _plain(answer: Any) -> Any:
    """As JSON gives it back."""
    return msgspec.json.decode(msgspec.json.encode(answer, enc_hook=listed))


def listed(value: Any) -> Any:
    """Arrays and numbers of NumPy's as JSON has them. Raises TypeError for anything else."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"JSON has no form for a {type(value).__name__}")
