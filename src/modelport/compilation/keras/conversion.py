"""`python -m modelport.compilation.keras.conversion PATH FOLDER [--allow-code]`: writes FOLDER/model.onnx.

TensorFlow takes seconds and hundreds of megabytes, and what it loads may be code: so this is a process of its own, and
ends when it is done. Its last line is JSON: what was compared, or the `error`.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from modelport.compilation.keras.passing import may_pass
from modelport.compilation.keras.rows import Array, Compared, Spec, compare
from modelport.compilation.keras.screening import NoModelError, find_code, is_hdf5, read_config

MODEL = "model.onnx"
OPSET = 18
DEFAULT_SIGNATURE = "serving_default"
MOST_NAMED = 3
SETTINGS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",  # it rounds otherwise from machine to machine
    "CUDA_VISIBLE_DEVICES": "-1",
    "ORT_DISABLE_TELEMETRY": "1",
}


class NotConvertedError(Exception):
    """Why there is no converted model; the message goes on after the file's name."""


class NothingError(NotConvertedError):
    """The file holds no whole model, so nothing converts it."""


class ShortError(NotConvertedError):
    """There was not enough of something, memory say, to compare it."""


class CodeError(NotConvertedError):
    """The file holds code, or names some."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model as a function of tensors: its inputs, the names of its outputs, and what has to live as long as it."""

    call: Callable[..., Sequence[Any]]
    specs: tuple[Any, ...]
    outputs: tuple[str, ...]
    owner: Any


def convert(path: Path, folder: Path, allow_code: bool) -> Compared:
    """Write the graph and hold it against the original. Raises NotConvertedError."""
    model = _open_saved_model(path) if path.is_dir() else _open_keras(path, allow_code)
    function = _as_function(model)
    import tf2onnx

    try:
        tf2onnx.convert.from_function(
            function, input_signature=model.specs, opset=OPSET, output_path=str(folder / MODEL)
        )
    except Exception as error:  # of the converter
        raise NotConvertedError(f"is not converted by tf2onnx: {_first_line(error)}") from None
    specs = [Spec(s.name, tuple(s.shape), "object" if s.dtype.name == "string" else s.dtype.name) for s in model.specs]
    found = compare(_asks_original(function), _asks_converted(folder / MODEL, model), specs)
    if found.mismatch:
        raise NotConvertedError(f"answers otherwise after its conversion: {found.mismatch}")
    if not found.rows:
        error_of_no_rows = ShortError if found.short else NotConvertedError
        raise error_of_no_rows("answers none of the rows that were drawn to compare its conversion")
    return found


# -- the originals -------------------------------------------------------------------------------------------------


def _open_keras(path: Path, allow_code: bool) -> Opened:
    try:
        config = read_config(path)
    except NoModelError as error:
        raise NothingError(str(error)) from None
    if not allow_code and (found := sorted(set(find_code(config)))):
        raise CodeError(f"holds {', '.join(found[:MOST_NAMED])}")
    model = _load_keras(path, allow_code)
    if not getattr(model, "inputs", None):
        raise NotConvertedError(
            "does not say which inputs it takes: call it once before you save it, or give it an Input"
        )
    import tensorflow as tf

    names = _plain_names([tensor.name for tensor in model.inputs], "input")
    specs = [tf.TensorSpec(t.shape, t.dtype, name=n) for t, n in zip(model.inputs, names, strict=True)]
    last = [model.layers[-1].name] if len(model.outputs) == 1 and model.layers else []
    wanted = getattr(model, "output_names", None) or last or [tensor.name for tensor in model.outputs]
    outputs = _plain_names(wanted, "output", names)

    def call(*values: Any) -> Sequence[Any]:
        found = model(values[0] if len(values) == 1 else list(values), training=False)
        return tf.nest.flatten(found)  # type: ignore[no-any-return]

    return Opened(call, tuple(specs), outputs, model)


def _load_keras(path: Path, allow_code: bool) -> Any:
    """By Keras 3, else by tf_keras, where that is installed: Keras 3 does not read all that Keras 2 has saved."""
    import keras

    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / ("model.h5" if is_hdf5(path) else "model.keras")  # Keras goes by the name
        link.symlink_to(path.resolve())
        try:
            return keras.saving.load_model(str(link), compile=False, safe_mode=not allow_code)
        except Exception as error:  # Keras raises whatever its layers raise
            first = error
        with suppress(Exception):
            import tf_keras

            return tf_keras.models.load_model(str(link), compile=False, safe_mode=not allow_code)
    raise NotConvertedError(
        f"is not read by Keras {_version('keras')}: {_first_line(first)}"
        + ("" if _version("tf_keras") else ". If Keras 2 saved it, try again after  pip install tf_keras")
    ) from first


def _open_saved_model(path: Path) -> Opened:
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises a dozen types of its own
        raise NotConvertedError(f"is not read by TensorFlow {_tensorflow()}: {_first_line(error)}") from None
    signatures = dict(loaded.signatures)
    name = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in signatures else next(iter(signatures), "")
    if not name or (name != DEFAULT_SIGNATURE and len(signatures) > 1):
        known = ", ".join(signatures) or "none"
        raise NotConvertedError(f"has no signature {DEFAULT_SIGNATURE} (it has: {known}): save it with one")
    signature = signatures[name]
    given = signature.structured_input_signature[1]
    if any(spec.shape.rank is None for spec in given.values()):
        raise NotConvertedError(
            "takes tensors of any rank, which no request can be checked against: save it with shapes"
        )
    keys = list(given)
    names = _plain_names(keys, "input")
    specs = [tf.TensorSpec(given[k].shape, given[k].dtype, name=n) for k, n in zip(keys, names, strict=True)]
    wanted = list(signature.structured_outputs)

    def call(*values: Any) -> Sequence[Any]:
        found = signature(**dict(zip(keys, values, strict=True)))
        return [found[key] for key in wanted]

    return Opened(call, tuple(specs), _plain_names(wanted, "output", names), loaded)


def _plain_names(names: Sequence[str], otherwise: str, taken: Sequence[str] = ()) -> tuple[str, ...]:
    """Names that callers can send: of letters, digits and underscores, each once."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W+", "_", name.partition(":")[0]).strip("_") or otherwise
        plain = plain if plain not in taken else f"{plain}_{otherwise}"
        number, once = 2, plain
        while once in found:
            number, once = number + 1, f"{plain}_{number}"
        found.append(once)
    return tuple(found)


# -- asking both ---------------------------------------------------------------------------------------------------


def _as_function(model: Opened) -> Any:
    import tensorflow as tf

    def answer(*values: Any) -> dict[str, Any]:
        return dict(zip(model.outputs, model.call(*values), strict=True))

    return tf.function(answer, input_signature=model.specs, autograph=False)


def _asks_original(function: Any) -> Callable[[Sequence[Array]], Mapping[str, Array]]:
    import tensorflow as tf

    def ask(arrays: Sequence[Array]) -> Mapping[str, Array]:
        found = function(*map(tf.constant, arrays))
        return {name: _texts(np.asarray(value.numpy())) for name, value in found.items()}

    return ask


def _texts(array: Array) -> Array:
    """TensorFlow's are bytes."""
    if array.dtype.kind != "O":
        return array
    return np.array([t.decode() if isinstance(t, bytes) else t for t in array.ravel()], object).reshape(array.shape)


def _asks_converted(path: Path, model: Opened) -> Callable[[Sequence[Array]], Mapping[str, Array]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [spec.name for spec in model.specs]
    known = {i.name for i in session.get_inputs()}  # an input that decides nothing is left out of the graph

    def ask(arrays: Sequence[Array]) -> Mapping[str, Array]:
        given = {name: array for name, array in zip(names, arrays, strict=True) if name in known}
        return dict(zip(model.outputs, session.run(list(model.outputs), given), strict=True))

    return ask


# -- the process ---------------------------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Convert and tell what became of it."""
    path, folder, *rest = arguments
    os.environ.update(SETTINGS)  # before TensorFlow is imported
    warnings.simplefilter("ignore")
    sys.stdout.write(f"\n{json.dumps(_outcome(Path(path), Path(folder), '--allow-code' in rest))}\n")
    return 0


def _outcome(path: Path, folder: Path, allow_code: bool) -> dict[str, Any]:
    try:
        return asdict(convert(path, folder, allow_code)) | {"by": _told_of_makers()}
    except CodeError as error:
        return {"error": str(error), "code": True}
    except NotConvertedError as error:
        passing = isinstance(error, ShortError) or may_pass(error)
        return {"error": str(error), "nothing": isinstance(error, NothingError), "passing": passing}
    except ImportError as error:
        return {"error": f"is not converted, since a library is missing or broken: {error}", "passing": True}
    except Exception as error:  # whatever else TensorFlow raises must be told
        told = f"is not converted: {type(error).__name__}: {_first_line(error)}"
        return {"error": told, "passing": may_pass(error)}


def _told_of_makers() -> str:
    return f"tf2onnx {_version('tf2onnx')} with TensorFlow {_tensorflow()}"


def _tensorflow() -> str:
    return _version("tensorflow") or _version("tensorflow-cpu")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0][:300].rstrip(" .")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
