"""How each kind of estimator is written in ONNX: one module for each family, and the table that they fill."""

from modelport.compilation.converters import (
    bayes,
    catboost,
    committees,
    compose,
    forests,
    impute,
    kernels,
    lightgbm,
    linear,
    neighbors,
    prepare,
    project,
    text,
    xgboost,
)
from modelport.compilation.converters.registry import (
    CLASSIFIERS,
    REGRESSORS,
    TRANSFORMERS,
    classify,
    name_of,
    predict,
    transform,
)

FAMILIES = (
    bayes,
    catboost,
    committees,
    compose,
    forests,
    impute,
    kernels,
    lightgbm,
    linear,
    neighbors,
    prepare,
    project,
    text,
    xgboost,
)

__all__ = ["CLASSIFIERS", "FAMILIES", "REGRESSORS", "TRANSFORMERS", "classify", "name_of", "predict", "transform"]
