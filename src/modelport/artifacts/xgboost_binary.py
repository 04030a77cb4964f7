"""XGBoost's first file format, a dump of its structures: written by every version up to 3.0, read by none since 3.1.

Read here and said again in JSON, which every version since 1.0 reads. Layout: the parameters of the learner (136 bytes), the names
of objective and booster, then the trees: 20 bytes per node, 16 of statistics; or the weights of a linear model. Little-endian.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

HEAD = b"binf"
_VERSION = (1, 7, 6)
"""Whose JSON this is: what was written before 1.6 is read with a warning, or not at all."""

_WORDS = "<i4"
_LEARNER = np.dtype(
    [
        ("base_score", "<f4"),
        ("features", "<u4"),
        *((name, _WORDS) for name in ("classes", "attributes", "metrics", "major", "minor")),
        ("reserved", _WORDS, 27),
    ]
)
_FOREST = np.dtype(
    [
        *((name, _WORDS) for name in ("trees", "roots", "features", "pad")),
        ("buffer", "<i8"),
        ("groups", _WORDS),
        ("leaf_vector", _WORDS),
        ("reserved", _WORDS, 32),
    ]
)
_TREE = np.dtype(
    [
        *((name, _WORDS) for name in ("roots", "nodes", "deleted", "depth", "features", "leaf_vector")),
        ("reserved", _WORDS, 31),
    ]
)
_NODE = np.dtype([("parent", "<i4"), ("left", "<i4"), ("right", "<i4"), ("feature", "<u4"), ("value", "<f4")])
_STATISTICS = np.dtype([("gain", "<f4"), ("hessian", "<f4"), ("weight", "<f4"), ("leaves", "<i4")])
_LINEAR = np.dtype([("features", "<u4"), ("groups", "<i4"), ("reserved", "<i4", 32)])

_HIGH = 2**31
_LONGEST_NAME, _MOST_NODES = 64, 2**28
_LOGISTIC = ("binary:logistic", "reg:logistic", "binary:logitraw")
_LOG = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox")
_NEW_NAMES = {
    "reg:linear": "reg:squarederror",
    "gpu:reg:linear": "reg:squarederror",
    "gpu:binary:logistic": "binary:logistic",
}
_PARAMETERS = {
    "multi:": ("softmax_multiclass_param", {"num_class": "{classes}"}),
    "count:poisson": ("poisson_regression_param", {"max_delta_step": "0.7"}),
    "reg:tweedie": ("tweedie_regression_param", {"tweedie_variance_power": "1.5"}),
    "rank:": ("lambdarank_param", {}),
    "reg:": ("reg_loss_param", {"scale_pos_weight": "1"}),
    "binary:log": ("reg_loss_param", {"scale_pos_weight": "1"}),
}
"""What an objective wants to read of itself, by how its name starts."""


class Unreadable(Exception):
    """It is no file of this format, it is damaged, or it holds what only its own version understands."""


@dataclass(slots=True)
class _Bytes:
    """A cursor that never reads past the end."""

    data: bytes
    place: int = 0

    def take(self, dtype: np.dtype[Any], count: int = 1) -> Any:
        """That many records."""
        size = dtype.itemsize * count
        if not 0 <= size <= len(self.data) - self.place:
            raise Unreadable("it ends too early")
        found = np.frombuffer(self.data, dtype, count, self.place)
        self.place += size
        return found

    def number(self) -> int:
        """A length, of 64 bits."""
        return int(self.take(np.dtype("<u8"))[0])

    def text(self) -> str:
        """With its length before it."""
        return bytes(self.take(np.dtype("u1"), self.number())).decode("utf-8", "replace")


def is_binary(head: bytes) -> bool:
    """Whether these are the first bytes of such a file: it has no magic number, but the objective's name at a fixed place."""
    start = len(HEAD) if head.startswith(HEAD) else 0
    place = start + _LEARNER.itemsize
    length = int.from_bytes(head[place : place + 8], "little")
    name = head[place + 8 : place + 8 + length]
    return 0 < length <= _LONGEST_NAME and len(name) == length and name.isascii() and b":" in name


def binary_version(data: bytes) -> str:
    """The version that wrote a model, as far as it is told: 1.1.* since 1.0, and for all before the last of them, 0.90."""
    start = len(HEAD) if data.startswith(HEAD) else 0
    if len(data) < start + _LEARNER.itemsize:
        return ""
    learner = np.frombuffer(data, _LEARNER, 1, start)[0]
    major, minor = int(learner["major"]), int(learner["minor"])
    if major == 0:
        return "0.90"
    return f"{major}.{minor}.*" if 0 < major < 100 and 0 <= minor < 100 else ""


def to_json(data: bytes) -> bytes:
    """The model in XGBoost's JSON. Raises Unreadable."""
    source = _Bytes(data, len(HEAD) if data.startswith(HEAD) else 0)
    learner = source.take(_LEARNER)[0]
    objective, booster = source.text(), source.text()
    objective = _NEW_NAMES.get(objective, objective)
    old = int(learner["major"]) < 1
    model = _booster(source, booster, int(learner["features"]), old)
    attributes = _attributes(source) if learner["attributes"] else {}
    told = attributes.pop("objective", "")
    whole = {
        "learner": {
            "attributes": attributes,
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": model,
            "learner_model_param": {
                "base_score": repr(_base_score(float(learner["base_score"]), objective, old)),
                "boost_from_average": "1",
                "num_class": str(int(learner["classes"])),
                "num_feature": str(int(learner["features"])),
                "num_target": "1",
            },
            "objective": json.loads(told) if told else _objective(objective, int(learner["classes"])),
        },
        "version": list(_VERSION),
    }
    return json.dumps(whole).encode()


def _base_score(score: float, objective: str, old: bool) -> float:
    """Before 1.0 it was stored as it is added to the sum of the trees, since then as the prediction that it stands for."""
    if not old:
        return score
    if objective in _LOGISTIC:
        return 1 / (1 + math.exp(-score))
    return math.exp(score) if objective in _LOG else score


def _objective(name: str, classes: int) -> dict[str, Any]:
    key, values = next((found for start, found in _PARAMETERS.items() if name.startswith(start)), ("", {}))
    described = {k: v.format(classes=classes) for k, v in values.items()}
    return {"name": name, key: described} if key else {"name": name}


def _attributes(source: _Bytes) -> dict[str, str]:
    return {source.text(): source.text() for _ in range(min(source.number(), 10_000))}


# -- boosters ----------------------------------------------------------------------------------------------------------


def _booster(source: _Bytes, name: str, features: int, old: bool) -> dict[str, Any]:
    if name == "gblinear":
        source.take(_LINEAR)
        weights = source.take(np.dtype("<f4"), source.number())
        return {"model": {"weights": weights.astype(float).tolist()}, "name": name}
    if name not in ("gbtree", "dart"):
        raise Unreadable(f"its booster is called {name[:40]!r}")
    forest = _forest(source, features)
    if name == "gbtree":
        return {"model": forest, "name": name}
    if old:
        raise Unreadable("its booster is dart, whose answers before XGBoost 1.0 left out trees at random")
    dropped = source.take(np.dtype("<f4"), source.number())
    return {"gbtree": {"model": forest, "name": "gbtree"}, "name": name, "weight_drop": dropped.astype(float).tolist()}


def _forest(source: _Bytes, features: int) -> dict[str, Any]:
    about = source.take(_FOREST)[0]
    count = int(about["trees"])
    if not 0 <= count <= _MOST_NODES:
        raise Unreadable("it says that it has an impossible number of trees")
    trees = [_tree(source, number, features) for number in range(count)]
    groups = source.take(np.dtype("<i4"), count).tolist()
    return {
        "gbtree_model_param": {"num_parallel_tree": str(max(1, int(about["roots"]))), "num_trees": str(count)},
        "tree_info": groups,
        "trees": trees,
    }


def _tree(source: _Bytes, number: int, features: int) -> dict[str, Any]:
    about = source.take(_TREE)[0]
    count = int(about["nodes"])
    if not 0 < count <= _MOST_NODES or about["leaf_vector"]:
        raise Unreadable(f"its tree {number} is of no kind that is known")
    nodes, statistics = source.take(_NODE, count), source.take(_STATISTICS, count)
    parents = nodes["parent"].astype(np.int64)
    found = {
        "left_children": nodes["left"],
        "right_children": nodes["right"],
        "parents": np.where(parents == -1, _HIGH - 1, parents & (_HIGH - 1)),
        "split_indices": nodes["feature"] & np.uint32(_HIGH - 1),
        "default_left": (nodes["feature"] >> np.uint32(31)),
        "split_conditions": nodes["value"].astype(float),
        "base_weights": statistics["weight"].astype(float),
        "loss_changes": statistics["gain"].astype(float),
        "sum_hessian": statistics["hessian"].astype(float),
        "split_type": np.zeros(count, int),
    }
    _refuse_loops(nodes, features, number)
    parameters = {
        "num_deleted": int(about["deleted"]),
        "num_feature": features,
        "num_nodes": count,
        "size_leaf_vector": 1,
    }
    empty: dict[str, Any] = {f"categories{end}": [] for end in ("", "_nodes", "_segments", "_sizes")}
    return {
        **{key: value.tolist() for key, value in found.items()},
        **empty,
        "id": number,
        "tree_param": {key: str(value) for key, value in parameters.items()},
    }


def _refuse_loops(nodes: Any, features: int, number: int) -> None:
    """XGBoost follows children without a look: they must lie in the tree, and behind their parent."""
    inner = np.flatnonzero(nodes["left"] != -1)
    left, right = nodes["left"][inner], nodes["right"][inner]
    inside = (left > inner) & (right > inner) & (left < len(nodes)) & (right < len(nodes))
    used = (nodes["feature"][inner] & np.uint32(_HIGH - 1)) < features
    if not (inside.all() and used.all()):
        raise Unreadable(f"its tree {number} is damaged")
