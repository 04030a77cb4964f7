"""How each kind of estimator is written in ONNX: one module for each family, and the table that they fill."""

from modelport.compilation.converters import (
    bayes,
    catboost,
    committees,
    compose,
    forests,
    kernels,
    lightgbm,
    linear,
    neighbors,
    prepare,
    project,
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
    kernels,
    lightgbm,
    linear,
    neighbors,
    prepare,
    project,
    xgboost,
)

__all__ = ["CLASSIFIERS", "FAMILIES", "REGRESSORS", "TRANSFORMERS", "classify", "name_of", "predict", "transform"]
