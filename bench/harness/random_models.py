"""Random data of the kinds that break converters, and random models for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

WORDS = ["Oslo", "oslo", "", " ", "né", "e\u0301", "🦊", "nan", "None", "a,b", "true", "日本", "x" * 40]


@dataclass
class Case:
    """A model that is not fitted yet, with the data to fit it on."""

    model: Any
    inputs: Any
    targets: Any

    def fit(self) -> None:
        """Raises whatever the model raises."""
        self.model.fit(self.inputs, self.targets)
        self.model.predict(self.inputs[:2])

    def records(self) -> list[tuple[Any, ...]]:
        """The training rows as plain values; None for gaps."""
        cells = (
            self.inputs.tolist()
            if isinstance(self.inputs, np.ndarray)
            else self.inputs.astype(object).to_numpy().tolist()
        )
        return [tuple(None if v is None or v != v else v for v in row) for row in cells]

    def __str__(self) -> str:
        shape = f"{type(self.inputs).__name__}{self.inputs.shape}"
        return f"{' '.join(repr(self.model).split())[:700]} on {shape}"


def draw_case(seed: int) -> Case:
    """The same one for the same seed."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(25, 220))
    numbers = np.column_stack([_column(rng, rows) for _ in range(rng.integers(1, 7))])
    gaps = rng.random() < 0.3
    if gaps:
        numbers[rng.random(numbers.shape) < 0.15] = np.nan
    targets, kind = _targets(rng, numbers, rows)
    if rng.random() < 0.35:
        inputs, before = _table(rng, numbers, gaps)
    else:
        inputs, before = _typed(rng, numbers, gaps), _preparation(rng, gaps)
    return Case(_assembled(rng, before, _last(rng, kind, gaps and not before)), inputs, targets)


# -- data ----------------------------------------------------------------------------------------------------------


def _column(rng: Any, rows: int) -> Any:
    """Numbers: plain, few different ones, constant, neighbours of each other, huge, tiny, or mostly zero."""
    kind = rng.integers(9)
    plain = rng.normal(size=rows)
    if kind == 0:
        return rng.integers(-3, 4, rows).astype(float)
    if kind == 1:
        return np.full(rows, rng.choice([0.0, 1.0, -2.5, 0.1]))
    if kind == 2:  # float32 tells some of them apart, float64 all
        return 1.0 + rng.integers(-4, 5, rows) * 2.0 ** -rng.choice([24, 25, 30, 52])
    if kind == 3:
        return plain * 10.0 ** rng.integers(-9, 10)
    if kind == 4:
        return np.where(rng.random(rows) < 0.8, 0.0, plain)
    if kind == 5:
        return np.round(plain, 1)
    if kind == 6:
        return np.exp(plain * 5)
    return plain * rng.choice([1.0, 0.1, 100.0]) + rng.choice([0.0, 1e4, -7.0])


def _targets(rng: Any, numbers: Any, rows: int) -> tuple[Any, str]:
    """Labels or values that have to do with the numbers, and some noise."""
    ranks = np.argsort(np.argsort(np.nan_to_num(numbers).sum(axis=1) + rng.normal(size=rows) * 0.1))
    kind = rng.choice(["classes", "classes", "classes", "values", "values", "several classes", "several values"])
    if kind == "values":
        return ranks * 10.0 ** rng.integers(-6, 7) * rng.choice([1.0, 0.37]), kind
    if kind == "several values":
        return np.column_stack([ranks, rng.normal(size=rows)]).astype(float), kind
    if kind == "several classes":
        return np.column_stack([ranks % 2, ranks > rows // 2]).astype(int), kind
    classes = ranks * int(rng.choice([2, 2, 3, 5])) // rows
    names: list[Any] = [
        [0, 1, 2, 3, 4],
        [-1, 1, 5, 7, 9],
        ["no", "yes", "maybe", "Ü", ""],
        [False, True, False, True, False],
        [0.5, 1.0, 2.0, 3.0, 4.5],
    ][rng.integers(5)]
    return np.array(names)[classes], "classes"


def _typed(rng: Any, numbers: Any, gaps: bool) -> Any:
    kind = rng.integers(4)
    if kind == 0 and not gaps and np.abs(numbers).max() < 1e8:
        return np.round(numbers).astype(np.int64)
    if kind == 1:
        return numbers.astype(np.float32)
    return numbers


def _table(rng: Any, numbers: Any, gaps: bool) -> tuple[Any, Any]:
    """A frame with text, yes or no and perhaps sentences beside the numbers, and the columns' preparation."""
    import pandas
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    rows = len(numbers)
    names = [f"n{i}" for i in range(numbers.shape[1])]
    table = pandas.DataFrame(numbers, columns=names)
    known = rng.choice(WORDS, int(rng.integers(2, 7)), replace=False)
    table["word"] = pandas.Series(rng.choice(known, rows), dtype=object)
    table["grade"] = rng.integers(0, 4, rows)
    parts: list[Any] = [
        ("n", _preparation(rng, gaps) or "passthrough", names),
        ("w", _encoder(rng), ["word", "grade"] if rng.random() < 0.6 else ["word"]),
    ]
    if rng.random() < 0.25:
        table["yes"] = rng.random(rows) < 0.5
        parts.append(("y", "passthrough", ["yes"]))
    if rng.random() < 0.35:
        table["said"] = [
            " ".join(rng.choice(["The", "the", "fox's", "naïve", "ran", "2nd", "a", "x_y", "über"], rng.integers(0, 7)))
            for _ in range(rows)
        ]
        parts.append(("t", _vectorizer(rng), "said"))
    if gaps and rng.random() < 0.5:
        table.loc[table.index % 6 == 0, "word"] = None
        parts[1] = (
            "w",
            make_pipeline(SimpleImputer(strategy="most_frequent", missing_values=None), parts[1][1]),
            ["word"],
        )
    return table, ColumnTransformer(
        parts, remainder=str(rng.choice(["drop", "passthrough"])) if "grade" in parts[1][2] else "drop"
    )


# -- models --------------------------------------------------------------------------------------------------------


def _one(rng: Any, makers: list[Any]) -> Any:
    return makers[rng.integers(len(makers))]()


def _encoder(rng: Any) -> Any:
    from sklearn import preprocessing as p

    return _one(
        rng,
        [
            lambda: p.OneHotEncoder(handle_unknown="ignore"),
            lambda: p.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=int(rng.integers(2, 20))),
            lambda: p.OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=3, drop="first"),
            lambda: p.OneHotEncoder(drop="if_binary", handle_unknown="ignore"),
            lambda: p.OneHotEncoder(),
            lambda: p.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            lambda: p.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=99, max_categories=3),
            lambda: p.TargetEncoder(cv=2),
        ],
    )


def _vectorizer(rng: Any) -> Any:
    from sklearn.feature_extraction import text as t

    return _one(
        rng,
        [
            t.CountVectorizer,
            lambda: t.CountVectorizer(binary=True, lowercase=False, token_pattern=r"\S+"),
            lambda: t.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            lambda: t.TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), strip_accents="unicode"),
            lambda: t.TfidfVectorizer(analyzer="char", ngram_range=(1, 3), norm="l1", strip_accents="ascii"),
            lambda: t.TfidfVectorizer(use_idf=False, norm=None, stop_words="english"),
            lambda: t.HashingVectorizer(n_features=64),
        ],
    )


def _preparation(rng: Any, gaps: bool) -> Any:
    """Up to two steps for the numbers; None where there is none. Gaps are filled first, or left to what reads them."""
    from sklearn import decomposition as d
    from sklearn import impute as i
    from sklearn import preprocessing as p
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.pipeline import make_pipeline

    steps = []
    if gaps and rng.random() < 0.75:
        steps.append(
            _one(
                rng,
                [
                    i.SimpleImputer,
                    lambda: i.SimpleImputer(strategy="median", add_indicator=True),
                    lambda: i.SimpleImputer(strategy="constant", fill_value=-1),
                    lambda: i.KNNImputer(
                        n_neighbors=int(rng.integers(1, 6)), weights=str(rng.choice(["uniform", "distance"]))
                    ),
                    lambda: i.IterativeImputer(max_iter=3, random_state=0),
                ],
            )
        )
    makers = [
        p.StandardScaler, p.MinMaxScaler, lambda: p.MinMaxScaler(clip=True), p.MaxAbsScaler, p.RobustScaler, p.Normalizer,
        lambda: p.KBinsDiscretizer(n_bins=4), lambda: p.KBinsDiscretizer(n_bins=3, encode="ordinal", strategy="uniform"),
        lambda: p.PolynomialFeatures(2), lambda: p.PolynomialFeatures(3, interaction_only=True), p.SplineTransformer,
        lambda: p.SplineTransformer(n_knots=4, degree=2, extrapolation=str(rng.choice(["continue", "linear", "periodic"]))),
        lambda: p.QuantileTransformer(n_quantiles=10), p.PowerTransformer, p.Binarizer, VarianceThreshold,
        lambda: d.PCA(1), lambda: d.TruncatedSVD(1), lambda: p.FunctionTransformer(np.sqrt if rng.random() < 0.2 else np.abs),
    ]  # fmt: skip
    steps += [_one(rng, makers) for _ in range(rng.integers(0, 3))]
    return make_pipeline(*steps) if steps else None


def _assembled(rng: Any, before: Any, last: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    return last if before is None else make_pipeline(before, last)


def _last(rng: Any, kind: str, gaps: bool) -> Any:
    if kind == "classes":
        return _classifier(rng, gaps)
    if kind == "values":
        return _regressor(rng, gaps)
    return _several(rng, kind, gaps)


def _trees(rng: Any) -> dict[str, Any]:
    return {
        "max_depth": rng.choice([None, 1, 2, 4, 9]),
        "random_state": 0,
        "min_samples_leaf": int(rng.choice([1, 1, 3])),
    }


def _classifier(rng: Any, gaps: bool) -> Any:
    from sklearn import calibration as c
    from sklearn import discriminant_analysis as da
    from sklearn import ensemble as e
    from sklearn import linear_model as lm
    from sklearn import naive_bayes as nb
    from sklearn import neighbors as n
    from sklearn import svm
    from sklearn.neural_network import MLPClassifier
    from sklearn.tree import DecisionTreeClassifier

    trees = [
        lambda: DecisionTreeClassifier(**_trees(rng)),
        lambda: e.RandomForestClassifier(int(rng.choice([2, 4, 10])), **_trees(rng)),
        lambda: e.ExtraTreesClassifier(int(rng.choice([2, 6])), **_trees(rng)),
        lambda: e.HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=5, min_samples_leaf=3),
        lambda: e.BaggingClassifier(
            DecisionTreeClassifier(max_depth=3), n_estimators=4, random_state=0, max_features=0.7
        ),
        *_boosters("Classifier"),
    ]
    if gaps:
        return _one(rng, trees)
    mixed = [("t", DecisionTreeClassifier(max_depth=2)), ("l", lm.LogisticRegression()), ("n", nb.GaussianNB())]
    rest = [
        lambda: e.GradientBoostingClassifier(n_estimators=6, random_state=0),
        lambda: e.AdaBoostClassifier(n_estimators=5, random_state=0),
        lambda: e.VotingClassifier(mixed, voting=str(rng.choice(["hard", "soft"]))),
        lambda: e.StackingClassifier([("t", DecisionTreeClassifier(max_depth=2)), ("l", lm.RidgeClassifier())], cv=2),
        lambda: lm.LogisticRegression(C=float(rng.choice([0.01, 1, 1e4]))),
        lambda: lm.SGDClassifier(loss=str(rng.choice(["hinge", "log_loss", "modified_huber"])), random_state=0),
        lm.RidgeClassifier, lambda: lm.Perceptron(random_state=0), svm.LinearSVC,
        lambda: svm.SVC(kernel=str(rng.choice(["rbf", "linear", "poly", "sigmoid"])), probability=False),
        lambda: svm.NuSVC(nu=0.1), nb.GaussianNB, nb.BernoulliNB,
        lambda: n.KNeighborsClassifier(int(rng.choice([1, 3, 4])), weights=str(rng.choice(["uniform", "distance"]))),
        n.NearestCentroid, da.LinearDiscriminantAnalysis, lambda: da.QuadraticDiscriminantAnalysis(reg_param=0.1),
        lambda: MLPClassifier((6,), max_iter=30, random_state=0, activation=str(rng.choice(["relu", "tanh"]))),
        lambda: c.CalibratedClassifierCV(_one(rng, [DecisionTreeClassifier, nb.GaussianNB, svm.LinearSVC]), cv=2),
        lambda: c.CalibratedClassifierCV(_one(rng, [DecisionTreeClassifier, svm.LinearSVC]), method="isotonic", cv=2),
        lambda: c.CalibratedClassifierCV(e.RandomForestClassifier(5, random_state=0), method="isotonic", cv=2, ensemble=False),
    ]  # fmt: skip
    return _one(rng, [*trees, *rest])


def _boosters(kind: str) -> list[Any]:
    import catboost
    import lightgbm
    import xgboost

    quiet = {"n_jobs": 1, "random_state": 0}
    return [
        lambda: getattr(xgboost, f"XGB{kind}")(n_estimators=7, max_depth=3, **quiet),
        lambda: getattr(xgboost, f"XGB{kind}")(n_estimators=7, max_depth=3, booster="dart", rate_drop=0.4, **quiet),
        lambda: getattr(lightgbm, f"LGBM{kind}")(n_estimators=7, min_child_samples=3, verbose=-1, **quiet),
        lambda: getattr(lightgbm, f"LGBM{kind}")(
            n_estimators=7, boosting_type="dart", drop_rate=0.5, verbose=-1, **quiet
        ),
        lambda: getattr(catboost, f"CatBoost{kind}")(iterations=7, depth=3, verbose=False, allow_writing_files=False),
    ]


def _regressor(rng: Any, gaps: bool) -> Any:
    from sklearn import compose, svm
    from sklearn import ensemble as e
    from sklearn import gaussian_process as gp
    from sklearn import linear_model as lm
    from sklearn import neighbors as n
    from sklearn.neural_network import MLPRegressor
    from sklearn.tree import DecisionTreeRegressor

    trees = [
        lambda: DecisionTreeRegressor(**_trees(rng)),
        lambda: e.RandomForestRegressor(4, **_trees(rng)),
        lambda: e.HistGradientBoostingRegressor(max_iter=8, max_leaf_nodes=5, min_samples_leaf=3),
        *_boosters("Regressor"),
    ]
    if gaps:
        return _one(rng, trees)
    rest = [
        lm.LinearRegression, lm.Ridge, lm.Lasso, lm.HuberRegressor, lm.BayesianRidge, lm.TheilSenRegressor,
        lambda: lm.RANSACRegressor(random_state=0), lambda: lm.PoissonRegressor(), lambda: lm.SGDRegressor(random_state=0),
        lambda: e.GradientBoostingRegressor(n_estimators=6, random_state=0),
        lambda: e.AdaBoostRegressor(n_estimators=5, random_state=0),
        lambda: e.VotingRegressor([("t", DecisionTreeRegressor(max_depth=2)), ("l", lm.Ridge())]),
        lambda: e.StackingRegressor([("t", DecisionTreeRegressor()), ("l", lm.Ridge())], cv=2, passthrough=True),
        lambda: compose.TransformedTargetRegressor(lm.Ridge()), svm.SVR, svm.LinearSVR,
        lambda: n.KNeighborsRegressor(int(rng.choice([1, 3])), weights=str(rng.choice(["uniform", "distance"]))),
        lambda: gp.GaussianProcessRegressor(alpha=1e-3), lambda: MLPRegressor((6,), max_iter=30, random_state=0),
    ]  # fmt: skip
    return _one(rng, [*trees, *rest])


def _several(rng: Any, kind: str, gaps: bool) -> Any:
    from sklearn import ensemble as e
    from sklearn import linear_model as lm
    from sklearn import multioutput as m
    from sklearn import neighbors as n
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    values = kind == "several values"
    trees = (
        [DecisionTreeRegressor, lambda: e.RandomForestRegressor(4)]
        if values
        else [DecisionTreeClassifier, lambda: e.RandomForestClassifier(4)]
    )
    if gaps:
        return _one(rng, trees)
    rest: list[Any] = (
        [
            lm.Ridge,
            lambda: m.MultiOutputRegressor(e.GradientBoostingRegressor(n_estimators=4)),
            lambda: m.RegressorChain(lm.Ridge()),
            n.KNeighborsRegressor,
        ]
        if values
        else [
            lambda: m.MultiOutputClassifier(lm.LogisticRegression()),
            lambda: m.ClassifierChain(lm.LogisticRegression()),
            n.KNeighborsClassifier,
        ]
    )
    return _one(rng, [*trees, *rest])
