"""Whether the converted model answers as the original does: arrays drawn at several scales, asked of both.

A difference is allowed up to 1e-5: of 1, or of the greatest answer to rows of that scale, since both reckon in 32 bits. Where
a change of its inputs in their last bit moves the original further than that, so may the converted one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelport.compilation.keras.passing import may_pass

Array = NDArray[Any]
Answer = Callable[[Sequence[Array]], Mapping[str, Array]]

TOLERANCE = 1e-5
NOISE_FACTOR = 4.0
"""Times what the last bit of the inputs moves: the two add up in other orders."""
ROWS, ROWS_OF_LARGE, LARGE = 16, 4, 20_000
"""Of each scale; fewer where a row has more values than `LARGE`."""
LENGTHS = (8, 32, 224)
"""Of axes that may have any: the first at which the original answers."""
SCALES = {"around 0": 1.0, "close to 0": 0.1, "3 times": 3.0, "10 times": 10.0, "0 to 255": -255.0, "zeros": 0.0}
"""Standard deviations of the numbers; below 0, the end of an even range."""
BOUNDS = (2, 10, 100, 1000)
"""Whole numbers lie below these: where they index something, the original refuses those that are too great."""
WORDS = ("", "a", "yes", "no", "The cat sat on the mat.", "Ünseen ✓", "12", "-1.5")


@dataclass(frozen=True, slots=True)
class Spec:
    """An input: its name, its shape with the batch (None: of any length), its NumPy type; `object` for texts."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Compared:
    """How many rows agreed, how many the original refused, and how far apart answers were at most, of 1 or of the greatest.

    `mismatch`: in words, the first row on which they differ; empty where all agree.
    """

    rows: int = 0
    worst: float = 0.0
    refused: int = 0
    mismatch: str = ""
    short: bool = False
    """Whether rows were refused for want of memory, or of something else that may be there another time."""


def compare(original: Answer, converted: Answer, specs: Sequence[Spec]) -> Compared:
    """Ask both. Stops at the first difference. Without a row that the original answers, `rows` is 0."""
    for length in LENGTHS:
        found = _compare(original, converted, specs, length)
        if found.rows or not any(None in spec.shape[1:] for spec in specs):
            break
    return found


def _compare(original: Answer, converted: Answer, specs: Sequence[Spec], length: int) -> Compared:
    rows, worst, refused, short = 0, 0.0, 0, False
    for kind, arrays in draw(specs, length):
        asked = [(f"a row drawn {kind}", arrays)]
        if all(spec.shape and spec.shape[0] is None for spec in specs):  # servers ask one at a time, too
            asked.append((f"a row drawn {kind}, asked alone,", [array[:1] for array in arrays]))
        count = len(arrays[0]) if arrays[0].ndim else 1
        for told, part in asked:
            try:
                wanted, nudged = original(part), original([_nudge(array) for array in part])
            except Exception as error:  # TensorFlow raises a dozen types of its own
                refused, count, short = refused + count, 0, short or may_pass(error)
                break
            apart, differs = _judge(wanted, nudged, converted, part)
            if differs:
                return Compared(rows, worst, refused, f"for {told} {differs}")
            worst = max(worst, apart)
        rows += count
    return Compared(rows, worst, refused, short=short)


def draw(specs: Sequence[Spec], length: int) -> Iterator[tuple[str, list[Array]]]:
    """Arrays for all inputs, with the words for their kind; the same ones each time."""
    random = np.random.default_rng(20_240_229)
    shapes = [_shape(spec, length) for spec in specs]
    count = ROWS if max(int(np.prod(shape[1:])) for shape in shapes) <= LARGE else ROWS_OF_LARGE
    whole = any(np.dtype(spec.dtype).kind in "iu" for spec in specs)
    for (kind, scale), bound in product(SCALES.items(), BOUNDS if whole else (0,)):
        arrays = [_draw(random, spec, shape, count, (scale, bound)) for spec, shape in zip(specs, shapes, strict=True)]
        yield (f"{kind}, whole numbers below {bound}" if whole else kind), arrays


def _shape(spec: Spec, length: int) -> tuple[int, ...]:
    first = 0 if not spec.shape or spec.shape[0] is None else spec.shape[0]
    return (first, *(length if axis is None else axis for axis in spec.shape[1:]))


def _draw(
    random: np.random.Generator, spec: Spec, shape: tuple[int, ...], count: int, size: tuple[float, int]
) -> Array:
    shape, (scale, bound) = (shape[0] or count, *shape[1:]), size
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        values = random.uniform(0, -scale, shape) if scale < 0 else random.normal(0.0, scale, shape)
        return values.astype(dtype)
    if dtype.kind in "iu":
        return random.integers(0, min(bound, np.iinfo(dtype).max), shape).astype(dtype)
    if dtype.kind == "b":
        return random.random(shape) < 0.5
    return random.choice(np.array(WORDS, dtype=object), shape)


# -- the verdict ---------------------------------------------------------------------------------------------------


def _judge(
    wanted: Mapping[str, Array], nudged: Mapping[str, Array], converted: Answer, arrays: Sequence[Array]
) -> tuple[float, str]:
    """The greatest difference, and in words where it is too great."""
    try:
        got = converted(arrays)
    except Exception as error:  # ONNX Runtime raises a dozen types of its own
        return 0.0, f"the original answers, and the converted model fails: {str(error)[:200]}"
    if wanted.keys() != got.keys():
        return 0.0, f"the original gives {', '.join(wanted)}, the converted model {', '.join(got)}"
    worst = 0.0
    for name, value in wanted.items():
        if value.shape != got[name].shape:
            return worst, f"{name} has the shape {list(value.shape)}, and {list(got[name].shape)} after the conversion"
        three = [np.atleast_1d(each) for each in (value, got[name], nudged[name])]
        apart, row = _apart(*three)
        if row is not None:
            return worst, f"the original answers {_cut(three[0][row])}, the converted model {_cut(three[1][row])}"
        worst = max(worst, apart)
    return worst, ""


def _nudge(array: Array) -> Array:
    return np.nextafter(array, np.array(np.inf, array.dtype)) if array.dtype.kind == "f" else array


def _apart(wanted: Array, got: Array, nudged: Array) -> tuple[float, int | None]:
    """How far apart at most, as a part of 1 or of the greatest answer, and the first row that is too far."""
    if wanted.dtype.kind != "f":
        differ = np.flatnonzero((wanted != got).reshape(len(wanted), -1).any(axis=1))
        return 0.0, int(differ[0]) if len(differ) else None
    flat = [np.asarray(a, np.float64).reshape(len(wanted), -1) for a in (wanted, got, nudged)]
    alike = (flat[0] == flat[1]) | (np.isnan(flat[0]) & np.isnan(flat[1]))
    with np.errstate(invalid="ignore"):
        apart = np.where(alike, 0.0, np.abs(flat[0] - flat[1]))
        noise = np.nan_to_num(np.abs(flat[0] - flat[2]), posinf=0.0)
    finite = np.abs(flat[0][np.isfinite(flat[0])])
    limit = TOLERANCE * max(1.0, float(finite.max(initial=0.0)))
    far = ~(apart <= limit + NOISE_FACTOR * noise.max(axis=1, keepdims=True, initial=0.0))
    rows = np.flatnonzero(far.any(axis=1))
    return float(apart.max(initial=0.0)) * TOLERANCE / limit, int(rows[0]) if len(rows) else None


def _cut(value: Any) -> str:
    text = " ".join(str(np.asarray(value).tolist()).split())
    return text if len(text) <= 160 else text[:159] + "…"
