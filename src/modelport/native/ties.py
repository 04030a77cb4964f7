"""Models that choose between what is equally near: that differs from release to release, and no comparison of others shows it.

Such rows are rare among those that models are compared by, and not among those that callers send: whole numbers, empty texts, and
values so great that all distances round to the same. Since when each class computes as today is from the sources of the releases
that the table was written with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from modelport.native.kinds import Kind
from modelport.native.repairs.repair import within

_NEIGHBOURS = ("KNeighbors", "RadiusNeighbors", "NearestNeighbors", "LocalOutlierFactor")
"""What their names begin with. Those that look in a tree take it from the file, and go through it as ever."""

_SEARCHES = "looks for neighbours among all rows, and each release takes others of those at equal distances, or right at the radius"

_ONE_SEARCH = "1.3"
"""Since then all rows are searched in one way, but for an imputer's, whose way is that of its NumPy."""

_MAKES_SPARSE = frozenset(
    [
        "CountVectorizer",
        "DictVectorizer",
        "FeatureHasher",
        "HashingVectorizer",
        "KBinsDiscretizer",
        "KNeighborsTransformer",
        "OneHotEncoder",
        "RadiusNeighborsTransformer",
        "RandomTreesEmbedding",
        "SparseRandomProjection",
        "SplineTransformer",
        "TfidfTransformer",
        "TfidfVectorizer",
    ]
)


@dataclass(frozen=True, slots=True)
class _Formula:
    """Since which release distances to centres are computed as today, of rows that are dense, and of sparse ones."""

    dense: str
    sparse: str


_CENTRES = {
    # The square of the row itself was added to dense rows until 0.22, and to sparse ones until 1.1; 0.23 and 0.24 round otherwise.
    "KMeans": _Formula("1.0", "1.2"),
    "MiniBatchKMeans": _Formula("1.0", "1.2"),
    "BisectingKMeans": _Formula("1.0", "1.2"),
    # The square of the row was left out until 0.22, and the root was drawn from 0.23 to 1.0.
    "Birch": _Formula("1.1", "1.1"),
    # The root was drawn, which numbers next to each other share, and the sum was another.
    "AffinityPropagation": _Formula("1.1", "1.1"),
    "MeanShift": _Formula("1.1", "1.1"),
    "NearestCentroid": _Formula("1.2", "1.2"),
    "OutputCodeClassifier": _Formula("1.3", "1.3"),
}


def objection(kind: Kind, beside: Collection[str], saved: str, installed: str, *, asked: bool = False) -> str:
    """Why nothing shows that a model of this kind decides as it did, whatever was compared, as the end of a sentence; else empty.

    `beside`: the names of all classes in its file, which tell whether it may be given sparse rows. `asked`: whether the model
    itself has answered rows in both versions, which is enough where both search in the same way.
    """
    if kind.name == "KNNImputer" or (kind.searches and kind.name.startswith(_NEIGHBOURS)):
        return "" if asked and _search_alike(kind, saved, installed) else f"{kind.name} {_SEARCHES}"
    formula = _CENTRES.get(kind.name)
    if formula is None:
        return ""
    since = formula.dense if _MAKES_SPARSE.isdisjoint(beside) else formula.sparse
    if not within(saved, f"<{since}") or within(installed, f"<{since}"):
        return ""
    return f"{kind.name} measured distances by another formula before {since}, which decides where two are equal or very great"


def _search_alike(kind: Kind, saved: str, installed: str) -> bool:
    return kind.name != "KNNImputer" and not any(within(release, f"<{_ONE_SEARCH}") for release in (saved, installed))


def objections(kinds: Collection[Kind], saved: str, installed: str, *, asked: bool = False) -> Iterator[str]:
    """Those against all that is in a file."""
    beside = {kind.name for kind in kinds}
    for kind in sorted(kinds, key=lambda kind: kind.name):
        if said := objection(kind, beside, saved, installed, asked=asked):
            yield said
