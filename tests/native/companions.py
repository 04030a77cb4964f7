"""Models as joblib before 0.10 saved them: each array in a file beside the pickle, packed or not."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from joblib.numpy_pickle_compat import NDArrayWrapper, ZNDArrayWrapper, write_zfile


def with_companions(
    model: Any, path: Path, *names: str, packed: bool = False, version: str = sklearn.__version__
) -> Path:
    """Save a model with these of its arrays in files of their own; it says that this `version` of scikit-learn saved it."""
    stored = copy.copy(model)
    for number, name in enumerate(names, 1):
        vars(stored)[name] = (_packed if packed else _plain)(getattr(model, name), path, number)
    data = pickle.dumps(stored, 2).replace(b"joblib.numpy_pickle_compat\n", b"joblib.numpy_pickle\n")
    before, after = (len(v).to_bytes(4, "little") + v.encode() for v in (sklearn.__version__, version))
    assert before in data
    with path.open("wb") as file:
        (write_zfile if packed else _write)(file, data.replace(before, after))
    return path


def _write(file: Any, data: bytes) -> None:
    file.write(data)


def _plain(array: Any, path: Path, number: int) -> Any:
    name = f"{path.name}_{number:02d}.npy"
    np.save(path.with_name(name), array, allow_pickle=True)
    return NDArrayWrapper(name, type(array))


def _packed(array: Any, path: Path, number: int) -> Any:
    name = f"{path.name}_{number:02d}.npy.z"
    _, made_of, state = array.__reduce__()
    with path.with_name(name).open("wb") as file:
        write_zfile(file, state[-1])
    return ZNDArrayWrapper(name, made_of, state[:-1])
