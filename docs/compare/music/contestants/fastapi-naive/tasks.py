"""What work.py of each contestant does when it is asked: the same functions for all."""

import ctypes
import os
import time
from pathlib import Path

import numpy as np

WAIT_S = float(os.environ.get("WAIT_S", "0.05"))
VECTORS = np.random.default_rng(0).random((128, 1536), dtype=np.float32)
COMPUTED = Path(__file__).with_name("computed").open("ab", buffering=0)
"""One byte for each run of `release_gil`, from all processes: it shows what is computed for clients that have left."""

_HOLDING, _RELEASING = ctypes.PyDLL(None), ctypes.CDLL(None)  # calls through a PyDLL keep the interpreter's lock


def wait():
    """An upstream that answers after 50 ms, asked by code that blocks its thread meanwhile."""
    time.sleep(WAIT_S)


def hold_gil():
    """A model of 50 ms that keeps the interpreter to itself, as much Python code and some C code does."""
    _HOLDING.usleep(int(WAIT_S * 1e6))


def release_gil():
    """A model of 50 ms that leaves the interpreter to others, as one on a GPU does."""
    COMPUTED.write(b".")
    _RELEASING.usleep(int(WAIT_S * 1e6))


def mean(values):
    """A number from many."""
    return float(np.mean(values))
