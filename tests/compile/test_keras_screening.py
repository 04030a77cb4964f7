"""Code in files of Keras is found before anything of them is loaded, and what is none is let through."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from modelport.compilation.keras.screening import NoModelError, find_code, read_config

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3, "activation": "relu"}}


def network(*layers: Any, **more: Any) -> dict[str, Any]:
    """The description of a model with these layers."""
    return {"module": "keras", "class_name": "Sequential", "config": {"layers": list(layers)}, **more}


def archived(content: bytes, folder: Path, name: str = "config.json") -> Path:
    """A `.keras` file with this description."""
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr(name, content)
    return folder / "model.keras"


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ({"class_name": "Lambda", "config": {"function": ["4wEA", None, None]}}, "Lambda"),
        ({"class_name": "Dense", "config": {"activation": {"class_name": "__lambda__", "config": {}}}}, "Lambda"),
        ({"class_name": "TorchModuleWrapper", "module": "keras.layers", "config": {}}, "pickle"),
        ({"class_name": "TFSMLayer", "module": "keras.layers", "config": {"filepath": "/x"}}, "TFSMLayer"),
        ({"class_name": "Dense", "module": "os", "config": {}}, r"os\.Dense"),
        ({"class_name": "Popen", "module": "keras.src.utils.subprocess", "config": {}}, "Popen"),
        ({"class_name": "get_file", "module": "keras.utils", "config": {"origin": "x"}}, "function"),
        ({"class_name": "function", "module": "builtins", "config": "scale", "registered_name": "function"}, "'scale'"),
        ({"class_name": "Own", "module": None, "config": {}, "registered_name": "shop>Own"}, "shop>Own"),
        ({"class_name": "StringLookup", "module": "keras.layers", "config": {"vocabulary": "/etc/passwd"}}, "passwd"),
        (network(DENSE, compile_config={"loss": {"class_name": "Lambda", "config": {}}}), "Lambda"),
    ],
)
def test_code_is_found_wherever_it_is_named(layer: dict[str, Any], told: str) -> None:
    found = list(find_code(network(DENSE, layer)))
    assert len(found) == 1
    assert re.search(told, found[0])


def test_a_model_of_layers_alone_holds_none() -> None:
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
    inner = network({"class_name": "InputLayer", "config": {"dtype": policy, "sparse": False}}, DENSE)
    words = {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": ["a", "b"]}}
    added = {"module": "keras.src.ops.numpy", "class_name": "Add", "config": {}}
    old = {"class_name": "Dense", "config": {"kernel_initializer": {"class_name": "GlorotUniform", "config": {}}}}
    assert list(find_code(network(inner, words, added, old))) == []


def test_losses_of_the_model_itself_are_not_read_and_so_not_refused() -> None:
    own = {"module": "builtins", "class_name": "function", "config": "my_loss"}
    assert list(find_code(network(DENSE, compile_config={"loss": own}))) == []


def test_the_description_is_read_from_the_archive(tmp_path: Path) -> None:
    assert read_config(archived(json.dumps(network(DENSE)).encode(), tmp_path)) == network(DENSE)


@pytest.mark.parametrize(("content", "name"), [(b"{", "config.json"), (b"[" * 10**5, "config.json"), (b"{}", "x.json")])
def test_what_is_damaged_is_told_so(content: bytes, name: str, tmp_path: Path) -> None:
    with pytest.raises(NoModelError, match="damaged"):
        read_config(archived(content, tmp_path, name))


def test_half_an_archive_is_told_so(tmp_path: Path) -> None:
    path = archived(json.dumps(network(DENSE)).encode(), tmp_path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(NoModelError, match="damaged"):
        read_config(path)
