"""What a saved model is made of, as far as it decides how it answers: classes, words among their parameters, numbers of classes.

Read from the outline of a pickle, so nothing of the file is run. The same description is written into the table of what has been
compared and looked up in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PLAIN = (
    "numpy",
    "scipy",
    "builtins",
    "collections",
    "copyreg",
    "copy_reg",
    "_codecs",
    "joblib",
    "pandas",
    "__builtin__",
    "functools",
)
"""Libraries whose objects are data, or functions that a parameter names."""

_TRAINING_ONLY = frozenset(
    [
        "alpha_per_target",
        "bootstrap",
        "bootstrap_features",
        "C",
        "cache_size",
        "ccp_alpha",
        "class_weight",
        "compute_full_tree",
        "compute_labels",
        "compute_score",
        "copy",
        "copy_X",
        "copy_x",
        "copy_X_train",
        "criterion",
        "cv",
        "dual",
        "early_stopping",
        "eps",
        "error_score",
        "fit_inverse_transform",
        "fit_path",
        "fit_prior",
        "gcv_mode",
        "iid",
        "init_params",
        "jitter",
        "l1_ratio",
        "l2_regularization",
        "learning_rate",
        "learning_rate_init",
        "max_depth",
        "max_features",
        "max_fun",
        "max_iter",
        "max_leaf_nodes",
        "max_samples",
        "max_trials",
        "memory",
        "min_df",
        "max_df",
        "min_impurity_decrease",
        "min_impurity_split",
        "min_samples_leaf",
        "min_samples_split",
        "min_weight_fraction_leaf",
        "n_estimators",
        "n_init",
        "n_iter",
        "n_iter_no_change",
        "n_jobs",
        "normalize",
        "oob_score",
        "optimizer",
        "pos_label",
        "pre_dispatch",
        "precompute",
        "presort",
        "random_state",
        "refit",
        "return_train_score",
        "scoring",
        "selection",
        "shrinking",
        "shuffle",
        "solver_options",
        "splitter",
        "store_cv_values",
        "store_cv_results",
        "store_covariance",
        "store_precision",
        "subsample",
        "svd_solver",
        "tol",
        "validation_fraction",
        "verbose",
        "verbose_feature_names_out",
        "verbosity",
        "warm_start",
        "xp",
        "device",
        "power_t",
        "average",
        "beta_1",
        "beta_2",
        "epsilon",
        "momentum",
        "nesterovs_momentum",
        "batch_size",
        "positive",
        "reduce_threshold",
        "assume_centered",
        "support_fraction",
        "n_bins_max",
        "stack_method",
        "prefit",
        "cross_val_method",
    ]
)
"""Parameters that training reads, and answering does not."""


SEARCHED = "neighbors=searched"
"""Of neighbours that are found by looking at all rows, not in a tree that the model stores."""

_SEARCHED = frozenset([SEARCHED, "rows=sparse", "algorithm=brute"])


@dataclass(frozen=True, slots=True)
class Kind:
    """A class with what of its state matters: words such as `kernel=rbf` or `classes=2`."""

    name: str
    words: frozenset[str]

    @property
    def searches(self) -> bool:
        """Whether it looks for neighbours among all rows."""
        return not _SEARCHED.isdisjoint(self.words)


def kinds_of(objects: Iterable[Any]) -> tuple[set[Kind], set[str]]:
    """The kinds in an outline, and the names of whatever is of other libraries."""
    found: set[Kind] = set()
    foreign: set[str] = set()
    for thing in objects:
        library = thing.name.partition(".")[0]
        if library in ("sklearn", "_loss"):
            found.add(Kind(thing.name.rpartition(".")[2], frozenset(_words(thing))))
        elif library not in PLAIN:
            foreign.add(thing.name)
    return found, foreign


def _words(thing: Any) -> Iterable[str]:
    state = thing.attributes
    for name, value in state.items():
        if name in _TRAINING_ONLY or name.endswith("_") or name.startswith("_"):
            continue
        changed = _CHANGED_SCALES.get(thing.name.rpartition(".")[2]) == name
        weighs = changed and isinstance(value, (int, float)) and value != 0
        yield f"{name}=more than zero" if weighs else f"{name}={_word(value)}"
    if "_fit_X" in state:
        stored = getattr(state["_fit_X"], "name", "")
        yield f"rows={'sparse' if stored.endswith(('_matrix', '_array')) else 'dense'}"
    if state.get("_fit_method") == "brute":
        yield SEARCHED
    for name, trait in _TRAITS.items():
        if name in state and (name != "outlier_label" or isinstance(state[name], int)):
            yield f"{trait}={_count(state[name])}"


_TRAITS = {"classes_": "classes", "n_outputs_": "outputs", "_sparse": "sparse", "outlier_label": "outliers"}


_CHANGED_SCALES = {"NMF": "alpha"}
"""Weights that are measured otherwise since, so that nothing but zero means the same, and zero is what was compared."""


def _word(value: Any) -> str:
    """Texts, switches and None as they are; of numbers and objects, that they are such."""
    if value is None or isinstance(value, (bool, str)):
        return str(value)[:40]
    if isinstance(value, (int, float)):
        return "a number"
    if hasattr(value, "attributes") and not value.made:
        return "a function" if value.name.partition(".")[0] in PLAIN else value.name.rpartition(".")[2]
    return "an object"


def _count(value: Any) -> str:
    """Two classes or outputs are another case than one, and than more."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(value) if value < 2 else "2+"
    try:
        size = len(value)
    except TypeError:
        size = _size_of(value)
    return str(size) if size < 3 else "3+"


def _size_of(value: Any) -> int:
    """The length of an array that the outline holds as what NumPy would make it of."""
    for part in (
        *getattr(value, "arguments", ()),
        *(value.state if isinstance(getattr(value, "state", None), tuple) else ()),
    ):
        if isinstance(part, tuple) and len(part) == 1 and isinstance(part[0], int) and part[0]:
            return part[0]
    return 0
