"""What a fitted transformer takes and gives: widths and names, as far as it stores them."""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelport.artifacts.helpers.codes import is_label_encoder
from modelport.artifacts.helpers.members import Member
from modelport.artifacts.loaders.sklearn_parts import first_step, has_method, is_vectorizer, stored
from modelport.errors import ArtifactError


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A transformer. `takes` is None for one that reads texts, `gives` None where nobody can tell."""

    member: Member
    takes: int | None
    gives: int | None
    reads: tuple[str, ...] | None
    makes: tuple[str, ...] | None

    @property
    def keeps_columns(self) -> bool:
        """Whether each column that it makes is one that it reads."""
        return self.reads is not None and self.makes == self.reads

    def __str__(self) -> str:
        takes = "texts" if self.takes is None else f"{self.takes} columns"
        gives = "?" if self.gives is None else str(self.gives)
        return f"{self.member} takes {takes} and gives {gives}"


def is_step(thing: Any) -> bool:
    """Whether it changes columns, and predicts nothing. A LabelEncoder changes labels: it knows no columns."""
    if is_label_encoder(thing) or isinstance(thing, type):
        return False
    return all(has_method(thing, name) for name in ("fit", "transform")) and not has_method(thing, "predict")


def read_step(member: Member, names: tuple[str, ...] | None = None) -> Step:
    """Its widths and names. `names` are for one that stores none. Raises ArtifactError where it is not fitted."""
    thing = member.thing
    refuse_unfitted(member)
    reads = names_of(thing) or names
    if is_vectorizer(first_step(thing)):
        return Step(member, None, _width_after(thing, ["text"]), None, _makes(thing, None))
    takes = width_of(thing)
    if takes is None:
        raise ArtifactError(f"{member} does not say how many columns it takes, so there is no place for it")
    makes = _makes(thing, reads)
    return Step(member, takes, len(makes) if makes else _width_after(thing, np.zeros((1, takes))), reads, makes)


def refuse_unfitted(member: Member) -> None:
    """Raise ArtifactError for a transformer or encoder that was saved before fit."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(member.thing)
    except NotFittedError:
        raise ArtifactError(f"{member} is not fitted: save it after fit, as it was used to train the model") from None
    except Exception:  # what does not follow scikit-learn's conventions shows itself when it transforms
        return


def width_of(thing: Any) -> int | None:
    """How many columns it was fitted on, where it says so."""
    count = stored(thing, "n_features_in_")
    if isinstance(count, (int, np.integer)) and count:
        return int(count)
    names = names_of(thing) or stored(thing, "feature_names_")  # the latter is CatBoost's
    return None if names is None else len(names)


def names_of(thing: Any) -> tuple[str, ...] | None:
    """The columns that it was fitted on, where they had names."""
    names = stored(thing, "feature_names_in_")
    return None if names is None else tuple(str(name) for name in names)


def _makes(thing: Any, reads: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for given in ((list(reads),) if reads else (), ()):
        with suppress(Exception):  # of a transformer that has no names for what it makes
            return tuple(str(name) for name in thing.get_feature_names_out(*given))
    return None


def _width_after(thing: Any, example: Any) -> int | None:
    with warnings.catch_warnings(), suppress(Exception):  # one that does not take zeros
        warnings.simplefilter("ignore")
        return int(thing.transform(example).shape[1])
    return None
