"""Names that have moved: modules that got an underscore, parts that were renamed, and helpers that are gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from modelport.errors import ArtifactError
from modelport.native.repairs.former import Forgotten


@dataclass(frozen=True, slots=True)
class Found:
    """`instead` is the new place of a name, or what takes its place."""

    name: str
    reason: str
    instead: Any


def find(module: str, name: str) -> Found | None:
    """What stands for a global; None where it is still in its place."""
    helper = _HELPERS.get(name)
    if helper is not None and module.startswith(helper.module):
        return Found(helper.repair, helper.reason, helper.make)
    place = _place_of(module, name)
    if name in ("_passthrough_scorer", "FutureWarning", "DeprecationWarning"):
        return Found("forgotten-parts", _FORGOTTEN, Forgotten())
    if name.startswith("__pyx_unpickle_Cy"):
        return Found("compiled-losses", "losses in compiled code are made in another way since 1.8", _make_loss)
    if (place or (module, name))[0] in _EMPTIED and not _is_there(*(place or (module, name))):
        return Found(
            "forgotten-parts", "losses and starting points that training used, and answering does not", Forgotten
        )
    if place is None:
        return None
    return Found(
        "moved-modules", "modules of scikit-learn were renamed, most of them in 0.22; the classes are the same", place
    )


# -- places ------------------------------------------------------------------------------------------------------------

_UNDERSCORED = {
    "cluster": "birch hierarchical",
    "covariance": "elliptic_envelope robust_covariance",
    "decomposition": "base factor_analysis incremental_pca kernel_pca nmf pca sparse_pca truncated_svd dict_learning",
    "ensemble": "bagging base forest iforest voting weight_boosting",
    "feature_extraction": "dict_vectorizer",
    "feature_selection": "base from_model rfe univariate_selection variance_threshold",
    "gaussian_process": "gpc gpr",
    "linear_model": "base bayes coordinate_descent huber least_angle logistic omp passive_aggressive perceptron ransac ridge "
    "sgd_fast stochastic_gradient theil_sen",
    "metrics": "classification ranking regression scorer",
    "mixture": "base bayesian_mixture gaussian_mixture",
    "neighbors": "ball_tree base classification kd_tree kde lof nearest_centroid regression unsupervised",
    "neural_network": "multilayer_perceptron rbm",
    "preprocessing": "data label discretization function_transformer",
    "semi_supervised": "label_propagation",
    "svm": "base classes",
}
"""Modules that got an underscore in 0.22, by package."""

_RENAMED = {
    "sklearn.cluster.affinity_propagation_": "sklearn.cluster._affinity_propagation",
    "sklearn.cluster.hierarchical": "sklearn.cluster._agglomerative",
    "sklearn.cluster._hierarchical": "sklearn.cluster._agglomerative",
    "sklearn.cluster.k_means_": "sklearn.cluster._kmeans",
    "sklearn.cluster.mean_shift_": "sklearn.cluster._mean_shift",
    "sklearn.covariance.empirical_covariance_": "sklearn.covariance._empirical_covariance",
    "sklearn.covariance.graph_lasso_": "sklearn.covariance._graph_lasso",
    "sklearn.covariance.shrunk_covariance_": "sklearn.covariance._shrunk_covariance",
    "sklearn.cross_decomposition.pls_": "sklearn.cross_decomposition._pls",
    "sklearn.decomposition.cdnmf_fast": "sklearn.decomposition._cdnmf_fast",
    "sklearn.decomposition.fastica_": "sklearn.decomposition._fastica",
    "sklearn.decomposition.online_lda": "sklearn.decomposition._lda",
    "sklearn.decomposition._online_lda": "sklearn.decomposition._lda",
    "sklearn.ensemble.gradient_boosting": "sklearn.ensemble._gb",
    "sklearn.ensemble.voting_classifier": "sklearn.ensemble._voting",
    "sklearn.covariance.outlier_detection": "sklearn.covariance._elliptic_envelope",
    "sklearn.feature_extraction.hashing": "sklearn.feature_extraction._hash",
    "sklearn.feature_extraction._hashing": "sklearn.feature_extraction._hash",
    "sklearn.feature_selection.mutual_info_": "sklearn.feature_selection._mutual_info",
    "sklearn.neighbors.dist_metrics": "sklearn.metrics._dist_metrics",
    "sklearn.neighbors._dist_metrics": "sklearn.metrics._dist_metrics",
    "sklearn.tree.tree": "sklearn.tree._classes",
    "sklearn.utils.seq_dataset": "sklearn.utils._seq_dataset",
    "sklearn.utils.weight_vector": "sklearn.utils._weight_vector",
    "_loss": "sklearn._loss._loss",
}

_SEARCH_TREES = {"sklearn.neighbors._kd_tree": "KDTree", "sklearn.neighbors._ball_tree": "BallTree"}
"""Until 0.20 both were restored by the name of what they derive from."""

_METRICS = ["EuclideanDistance", "ManhattanDistance", "MinkowskiDistance", "ChebyshevDistance", "DistanceMetric"]
"""Compiled distances exist for 32 and 64 bits since 1.3, and say so in their names."""


def _place_of(module: str, name: str) -> tuple[str, str] | None:
    package, _, last = module.removeprefix("sklearn.").partition(".")
    place = _RENAMED.get(module)
    if place is None and last in _UNDERSCORED.get(package, "").split() and module.startswith("sklearn."):
        place = f"sklearn.{package}._{last}"
    place = place or module
    if name == "BinaryTree" and place in _SEARCH_TREES:
        return place, _SEARCH_TREES[place]
    if name == "Imputer" and package == "preprocessing":
        return "sklearn.impute._base", "SimpleImputer"
    if name == "PolynomialFeatures" and place == "sklearn.preprocessing._data":
        return "sklearn.preprocessing._polynomial", name
    if place == "sklearn.metrics._dist_metrics" and name in _METRICS:
        return place, f"{name}64"
    return (place, name) if place != module else None


_FORGOTTEN = "scores, losses and starting points that training used, and answering does not"
_EMPTIED = (
    "sklearn.linear_model._sgd_fast",
    "sklearn.ensemble._gb",
    "sklearn.ensemble._gb_losses",
    "sklearn.ensemble._hist_gradient_boosting.loss",
    "sklearn._loss.glm_distribution",
    "sklearn.linear_model._glm.link",
)
"""Modules of which some classes are gone, or which are gone themselves."""


def _is_there(module: str, name: str) -> bool:
    try:
        return hasattr(import_module(module), name)
    except ModuleNotFoundError:
        return False


def _make_loss(permit: Any, _: Any, state: Any = None) -> Any:
    """Its only state are the numbers that it is made of."""
    if not permit.cls.__module__.endswith("_loss._loss"):
        raise ArtifactError(f"{permit.name} is restored as a loss, and is none")
    return permit.cls(*(state or ())[:1])


# -- helpers that are gone ---------------------------------------------------------------------------------------------


class RemainderColumns(list[Any]):
    """Stands for the list of columns of 1.5 to 1.6 that warned when it was read; its columns are its `data`."""

    data: list[Any]


@dataclass(frozen=True, slots=True)
class _Helper:
    module: str
    repair: str
    reason: str
    make: type[Any] | Callable[..., Any]


class WarningDict(dict[Any, Any]):
    """Stands for the dict of 0.19 to 0.21 that warned when some of its keys were read."""


_HELPERS = {
    "DeprecationDict": _Helper(
        "sklearn.utils", "warning-dicts", "a dict that only warned when some of its keys were read", WarningDict
    ),
    "_RemainderColsList": _Helper(
        "sklearn.compose",
        "remainder-columns",
        "a list of columns that only warned about its future type",
        RemainderColumns,
    ),
}

NAMES = frozenset(
    {"moved-modules", "compiled-losses", "forgotten-parts", *(helper.repair for helper in _HELPERS.values())}
)
"""The repairs of names, as reports call them."""
