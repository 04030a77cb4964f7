"""PyTorch's reader of exported files is held to its own allow-list. This needs no PyTorch."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from modelport.artifacts.loaders.torch import _only_weights, _refusal
from modelport.errors import UntrustedPickle

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


@pytest.mark.parametrize("before", [None, "0"])
def test_pickles_in_an_exported_file_are_limited_while_it_is_read(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FORCE, raising=False)
    if before is not None:
        monkeypatch.setenv(FORCE, before)
    with _only_weights(allow_pickle=False):
        assert os.environ[FORCE] == "1"
    assert os.environ.get(FORCE) == before
    with _only_weights(allow_pickle=True):
        assert os.environ.get(FORCE) == before


def test_what_pytorch_refuses_is_named() -> None:
    error = pickle.UnpicklingError(
        "Weights only load failed. … Unsupported global: GLOBAL posix.system was not an allowed global"
    )
    refused = _refusal(Path("model.pt2"), error)
    assert isinstance(refused, UntrustedPickle)
    assert refused.name == "posix.system"
    assert str(refused).startswith("model.pt2 was not loaded")
