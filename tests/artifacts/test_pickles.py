"""What people really save goes through the allow-list: every estimator of the libraries, as pickle and joblib, packed and not."""

from __future__ import annotations

import collections
import datetime
import inspect
import pickle
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.artifacts.pickles.reader import read_pickle
from modelport.assembly import load_artifact
from modelport.config import resolve
from modelport.errors import ArtifactError, ConfigError, UntrustedPickle
from tests.artifacts.zoo import ROWS, check_served, numbers, own_answers, people, save, sums

joblib = pytest.importorskip("joblib")
pandas = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import scipy.sparse  # noqa: E402
import scipy.special  # noqa: E402
import scipy.stats  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.feature_selection import SelectKBest, mutual_info_classif  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import f1_score, make_scorer  # noqa: E402
from sklearn.model_selection import RandomizedSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402
from sklearn.utils import all_estimators  # noqa: E402

X = np.abs(np.random.default_rng(0).normal(size=(40, 4)))
Y = (X[:, 0] > X[:, 1]).astype(int)

WRITERS: dict[str, Callable[[Any, Path], None]] = {
    **{
        f"protocol {n}": partial(lambda n, thing, path: path.write_bytes(pickle.dumps(thing, n)), n)
        for n in (0, 2, 4, 5)
    },
    "joblib": lambda thing, path: joblib.dump(thing, path),
    **{
        kind: partial(lambda kind, thing, path: joblib.dump(thing, path, (kind, 1)), kind)
        for kind in ("zlib", "gzip", "bz2", "xz")
    },
    "lzma": lambda thing, path: joblib.dump(thing, path, ("lzma", 1)),
}


def again(thing: Any, folder: Path, writer: str) -> Any:
    """Saved, and read through the allow-list."""
    path = folder / "thing"
    WRITERS[writer](thing, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return read_pickle(path)


# -- every estimator -------------------------------------------------------------------------------------------------


def _fitted(cls: type[Any]) -> Any:
    """Fitted where it takes numbers, labels or texts; as it is made otherwise."""
    given = {
        **dict.fromkeys(("estimator", "base_estimator"), LogisticRegression()),
        **{key: [("a", LogisticRegression())] for key in ("estimators", "steps")},
        **{key: {"C": [1.0, 2.0]} for key in ("param_grid", "param_distributions")},
        "transformers": [("a", "passthrough", [0])],
        "transformer_list": [("a", "passthrough")],
        "dictionary": X[:4],
    }
    wanted = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
    model = cls(**{name: given[name] for name in wanted if name in given})
    for attempt in ((X, Y), (X[:, 0], Y), (X, np.column_stack((Y, 1 - Y))), (["a b", "b c"], None), (["a", "b"],)):
        with suppress(Exception):  # it takes other data
            return model.fit(*attempt)
    return model


@pytest.fixture(scope="module")
def estimators() -> dict[str, Any]:
    """Every one that scikit-learn has, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: _fitted(cls) for name, cls in all_estimators()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of classes that are to go
@pytest.mark.parametrize("writer", ["protocol 2", "protocol 5", "joblib"])
def test_every_estimator_of_scikit_learn_is_read_as_it_was(
    writer: str, estimators: dict[str, Any], tmp_path: Path
) -> None:
    assert len(estimators) > 150
    refused = {}
    for name, model in estimators.items():
        try:
            read = again(model, tmp_path, writer)
        except Exception as error:
            refused[name] = repr(error)
            continue
        assert type(read) is type(model)
        assert read.__dict__.keys() == model.__dict__.keys()
        assert np.array_equal(_answers(read), _answers(model)), name
    assert refused == {}


def _answers(model: Any) -> Any:
    with warnings.catch_warnings(), suppress(Exception):  # of one that is not fitted, or takes other data
        warnings.simplefilter("ignore")
        return np.asarray(model.predict(X))
    return np.zeros(0)


def _boosted(library: str, name: str, **options: Any) -> Any:
    module = pytest.importorskip(library)
    return getattr(module, name)(**options).fit(X, Y)


BOOSTED: dict[str, Callable[[], Any]] = {
    "xgboost classifier": lambda: _boosted("xgboost", "XGBClassifier", n_estimators=3),
    "xgboost regressor": lambda: _boosted("xgboost", "XGBRegressor", n_estimators=3),
    "xgboost forest": lambda: _boosted("xgboost", "XGBRFClassifier", n_estimators=3),
    "xgboost booster": lambda: _boosted("xgboost", "XGBRegressor", n_estimators=3).get_booster(),
    "lightgbm classifier": lambda: _boosted("lightgbm", "LGBMClassifier", n_estimators=3, verbose=-1),
    "lightgbm regressor": lambda: _boosted("lightgbm", "LGBMRegressor", n_estimators=3, verbose=-1),
    "lightgbm booster": lambda: _boosted("lightgbm", "LGBMRegressor", n_estimators=3, verbose=-1).booster_,
    "catboost classifier": lambda: _boosted(
        "catboost", "CatBoostClassifier", iterations=3, verbose=0, allow_writing_files=False
    ),
    "catboost regressor": lambda: _boosted(
        "catboost", "CatBoostRegressor", iterations=3, verbose=0, allow_writing_files=False
    ),
}


@pytest.mark.parametrize("writer", ["protocol 2", "protocol 5", "joblib"])
@pytest.mark.parametrize("make", BOOSTED.values(), ids=BOOSTED.keys())
def test_boosters_and_their_wrappers_are_read(make: Callable[[], Any], writer: str, tmp_path: Path) -> None:
    model = make()
    read = again(model, tmp_path, writer)
    assert type(read) is type(model)
    if hasattr(model, "fit"):
        assert np.array_equal(np.asarray(read.predict(X)), np.asarray(model.predict(X)))


# -- every kind of data ----------------------------------------------------------------------------------------------

TABLE = people(20)
DATA: dict[str, Any] = {
    "plain data": [
        1,
        2.5,
        "text",
        b"bytes",
        None,
        True,
        (1, 2),
        {"a": {1, 2}},
        frozenset({3}),
        1j,
        range(3),
        slice(1, 2),
    ],
    "collections": [
        collections.OrderedDict(a=1),
        collections.defaultdict(list, a=[1]),
        collections.Counter("aab"),
        collections.deque([1]),
    ],
    "dates": [datetime.date(2026, 1, 2), datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), datetime.timedelta(1)],
    "numbers of NumPy": [
        np.float64(1.5),
        np.int8(3),
        np.str_("x"),
        np.str_(""),
        np.bool_(True),
        np.datetime64("2026-01-01"),
    ],
    "types": [float, str, np.float64, np.number, int],
    "arrays": [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.ones((2, 3))),
        np.zeros((0, 3)),
        np.array(1.5),
        np.arange(4)[::2],
    ],
    "arrays of texts": [np.array(["a", "bc"]), np.array(["a", None, 3], dtype=object), np.array([], dtype=object)],
    "arrays of records": [
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.zeros(2, dtype=[("a", "f4", (2,))]),
    ],
    "arrays in the other order of bytes": [np.arange(3, dtype=">i4"), np.arange(3, dtype=">f8")],
    "masked arrays": [np.ma.array([1.0, 2.0], mask=[False, True])],
    "sparse matrices": [
        scipy.sparse.random(3, 3, 0.5, format=f, random_state=0) for f in ("csr", "csc", "coo", "lil", "dia", "bsr")
    ],
    "frames": [
        TABLE,
        TABLE["city"],
        TABLE["age"],
        TABLE["city"].astype("category"),
        TABLE.dtypes,
        TABLE.columns,
        TABLE.index,
    ],
}


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, (pandas.DataFrame, pandas.Series, pandas.Index)):
        return bool(one.equals(other))
    if scipy.sparse.issparse(one):
        return bool(one.format == other.format and (one != other).nnz == 0)
    if isinstance(one, np.ma.MaskedArray):
        return bool(np.ma.allequal(one, other)) and np.array_equal(one.mask, other.mask)
    if isinstance(one, np.ndarray):
        return (
            one.dtype.newbyteorder("=") == other.dtype.newbyteorder("=")
            and np.array_equal(one, other)
            and type(one) is type(other)
        )
    return bool(one == other) and type(one) is type(other)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", DATA)
def test_data_is_read_as_it_was(name: str, writer: str, tmp_path: Path) -> None:
    things = DATA[name]
    read = again(things, tmp_path, writer)
    wrong = [(a, b) for a, b in zip(things, read, strict=True) if not _equal(a, b)]
    assert wrong == []


def test_random_generators_go_on_where_they_were(tmp_path: Path) -> None:
    for generator in (np.random.RandomState(3), np.random.default_rng(3), np.random.Generator(np.random.Philox(3))):
        generator.normal()
        read = again(generator, tmp_path, "protocol 5")
        assert read.normal() == generator.normal()


# -- models that keep functions --------------------------------------------------------------------------------------

TRAIN, TEST = numbers(), numbers(ROWS, seed=1)
GENRE = np.where(sums(TRAIN) > 0, "Rock", "Hip-Hop")
KEEPERS: dict[str, Callable[[], Any]] = {
    "a function of NumPy": lambda: make_pipeline(
        FunctionTransformer(np.arctan), FunctionTransformer(np.nan_to_num), LogisticRegression()
    ),
    "a function of SciPy": lambda: make_pipeline(FunctionTransformer(scipy.special.expit), LogisticRegression()),
    "a partial score": lambda: make_pipeline(
        SelectKBest(partial(mutual_info_classif, random_state=0), k=2), LogisticRegression()
    ),
    "a generator of random numbers": lambda: RandomForestClassifier(3, random_state=np.random.RandomState(0)),
    "distributions to search over": lambda: RandomizedSearchCV(
        LogisticRegression(),
        {"C": scipy.stats.uniform(0.1, 3)},
        n_iter=2,
        cv=2,
        scoring=make_scorer(f1_score, pos_label="Rock"),
        random_state=0,
    ),
}


@pytest.mark.parametrize("make", KEEPERS.values(), ids=KEEPERS.keys())
def test_a_model_that_keeps_a_function_is_served(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make().fit(TRAIN, GENRE)
    check_served(save(model, tmp_path), TEST, own_answers(model, TEST))


def test_a_transformer_of_somebodys_function_is_refused_by_the_functions_name(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(own_answers), LogisticRegression())
    with pytest.raises(
        UntrustedPickle, match=r"tests\.artifacts\.zoo\.own_answers is not on the list.*add --allow-pickle"
    ) as refused:
        load_artifact(save(model, tmp_path), resolve({}))
    assert refused.value.name == "tests.artifacts.zoo.own_answers"


def test_the_refusal_of_a_booster_names_its_own_format(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cxgboost.core\nDMatrix\n.")
    with pytest.raises(UntrustedPickle, match=r"xgboost\.core\.DMatrix .* with save_model\('model\.ubj'\)"):
        load_artifact(path, resolve({}))


def test_a_large_model_that_packs_well_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(np.tile(np.random.default_rng(0).normal(size=2000), 2000), path, ("zlib", 3))
    assert path.stat().st_size * 50 < 2000 * 2000 * 8
    assert read_pickle(path).shape == (4_000_000,)


# -- the option ------------------------------------------------------------------------------------------------------


def test_a_file_may_not_allow_pickles(tmp_path: Path) -> None:
    (tmp_path / "modelport.toml").write_text("allow_pickle = true\n")
    with pytest.raises(ConfigError, match=r"modelport\.toml: allow_pickle may not be said in a file"):
        resolve({}, {}, tmp_path)
    assert resolve({}, {"MODELPORT_ALLOW_PICKLE": "on"}, tmp_path / "none").allow_pickle


def test_pickles_are_allowed_for_local_files_only() -> None:
    import modelport

    with pytest.raises(
        ConfigError, match=r"--allow-pickle is for local files only, and https://example\.com/m\.pkl is none"
    ):
        modelport.app("https://example.com/m.pkl", allow_pickle=True)


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (b"csklearn.linear_model._logistic\nNoSuchRegression\n.", "sklearn.linear_model._logistic.NoSuchRegression"),
        (b"csklearn.ensemble.forest\nRandomForestClassifier\n.", "sklearn.ensemble.forest"),
        (b"csklearn.grid_search\nGridSearchCV\n.", "sklearn.grid_search"),
    ],
)
def test_a_part_of_another_version_is_named(content: bytes, missing: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    with pytest.raises(
        ArtifactError, match=f"needs {missing}, which the installed version of sklearn does not have: install the"
    ):
        load_artifact(path, resolve({}))
