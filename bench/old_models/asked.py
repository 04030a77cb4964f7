"""What a model is asked, and how its answers are written down. For Python 3.6 and newer: runs in the old release and in the new.

`usual` rows are asked together, `odd` ones alone: gaps, extremes, unseen categories, empty texts, both sides of every split. Where
the release itself refuses an odd row, that is its answer.
"""

from typing import Any

import numpy as np

METHODS = ("predict", "predict_proba", "decision_function", "transform")
MOST_SPLITS = 60


# -- rows --------------------------------------------------------------------------------------------------------------


def rows_for(model: Any, data: Any) -> Any:
    """The usual and the odd rows, of the same type as the data."""
    if isinstance(data, list):
        return (data[:25], _odd_texts()) if isinstance(data[0], str) else (data[:25], _odd_dicts(data))
    if hasattr(data, "iloc"):
        return data.iloc[:25], _odd_table(data)
    if data.dtype.kind in "OU":
        return data[:25], data[:0]
    if data.ndim == 1:
        low, high = float(data.min()), float(data.max())
        return data[:40], np.array([low, high, low - 1, high + 1, (low + high) / 2, 0.0, 1e6])
    return np.vstack([data[:30], _between(data), _splits(model, data)]), _odd_numbers(data)


def _between(data: Any) -> Any:
    """Half way between training rows, where neighbours tie, and the rows at other scales."""
    whole = np.nan_to_num(data)
    return np.vstack([(whole[:8] + whole[20:28]) / 2, whole[:4] * 1.37, whole[4:8] * -0.5, whole[8:12].round(0)])


def _odd_numbers(data: Any) -> Any:
    whole = np.nan_to_num(data)
    middle, spread = whole.mean(axis=0), whole.std(axis=0) + 1
    rows = [middle * 0, middle + 10 * spread, middle - 10 * spread, middle * 1e6, middle.copy(), middle.copy()]
    rows[4][1] = np.nan
    rows[5][-1] = np.inf
    return np.array(rows)


def _odd_texts() -> Any:
    return ["", "iris", "never seen words zqx", "iris Iris IRIS iris, (class) 1988!", "Größe ≥ 3 μm", "a b c"]


def _odd_dicts(data: Any) -> Any:
    return [{}, {"size": "unseen"}, {"never": 3.0}, dict(data[0], petal_length=1e6)]


def _odd_table(data: Any) -> Any:
    import pandas

    rows = pandas.concat([data.iloc[:1]] * 4, ignore_index=True)
    columns = list(rows.columns)
    rows.loc[0, columns[0]] = np.nan
    rows.loc[1, columns[-1]] = "unseen" if rows[columns[-1]].dtype.kind not in "fi" else 1e9
    rows.loc[2, columns[1]] = 1e6
    rows.loc[3, columns[2]] = -5.5
    return rows


def _splits(model: Any, data: Any) -> Any:
    """A training row on each side of the thresholds of trees that read the data themselves."""
    rows = [data[0]]
    for number, (feature, threshold) in enumerate(_thresholds(model, data.shape[1])[:MOST_SPLITS]):
        for value in (threshold, np.nextafter(threshold, np.inf), np.float32(threshold)):
            row = np.array(data[number % len(data)])
            row[feature] = value
            rows.append(row)
    return np.array(rows)


def _thresholds(model: Any, width: int) -> Any:
    found = []
    for part in parts_of(model):
        tree = getattr(part, "tree_", None)
        if tree is not None and getattr(tree, "n_features", 0) == width:
            splits = [(f, t) for f, t in zip(tree.feature, tree.threshold) if f >= 0]
            found += splits[:12]
        if type(part).__name__ == "TreePredictor":
            name = "num_threshold" if "num_threshold" in part.nodes.dtype.names else "threshold"
            inner = part.nodes[part.nodes["is_leaf"] == 0]
            found += [(int(n["feature_idx"]), float(n[name])) for n in inner if int(n["feature_idx"]) < width][:12]
    return [(int(f), float(t)) for f, t in found if np.isfinite(t)]


def parts_of(thing: Any) -> Any:
    """Every object inside a model, itself first."""
    seen = set()  # type: Any
    ahead, found = [thing], []  # type: Any, Any
    while ahead:
        part = ahead.pop(0)
        if id(part) in seen or len(found) > 5000:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            ahead += list(part.values())
        elif isinstance(part, (list, tuple)) or (isinstance(part, np.ndarray) and part.dtype == object):
            ahead += list(np.ravel(part)) if isinstance(part, np.ndarray) else list(part)
        elif hasattr(part, "__dict__") and not isinstance(part, type):
            found.append(part)
            ahead += list(vars(part).values())
        elif hasattr(part, "__reduce__") and "sklearn" in type(part).__module__:
            found.append(part)
    return found


# -- answers -----------------------------------------------------------------------------------------------------------


def answers_of(model: Any, usual: Any, odd: Any) -> Any:
    """By method: the answers to the usual rows together, and to each odd row alone."""
    found = {}
    for method in METHODS:
        if _has(model, method):
            alone = [_ask(model, method, odd[i : i + 1]) for i in range(len(odd))]
            found[method] = [_ask(model, method, usual)] + alone
    return found


def _has(model: Any, method: str) -> bool:
    try:
        return callable(getattr(model, method, None))
    except Exception:  # old releases raise whatever they like here
        return False


def _ask(model: Any, method: str, rows: Any) -> Any:
    if not len(rows):
        return {"nothing": True}
    try:
        return written(getattr(model, method)(rows))
    except Exception as error:
        return {"raises": type(error).__name__, "says": str(error)[:200]}


def written(answer: Any) -> Any:
    """An answer as JSON keeps it to the last bit."""
    if isinstance(answer, (list, tuple)) and len(answer) and hasattr(answer[0], "shape"):
        return {"list": [written(part) for part in answer]}
    if hasattr(answer, "toarray"):
        answer = answer.toarray()
    array = np.asarray(answer)
    if array.dtype.kind == "f":
        array = array.astype(float)
    return {"kind": array.dtype.kind, "shape": list(array.shape), "values": array.ravel().tolist()}


def packed_rows(rows: Any) -> Any:
    """Rows as JSON keeps them."""
    if isinstance(rows, list):
        return {"plain": rows}
    if hasattr(rows, "iloc"):
        columns = [[str(name), [v if isinstance(v, str) else float(v) for v in rows[name]]] for name in rows.columns]
        return {"table": columns}
    return {"array": rows.tolist(), "dtype": "O" if rows.dtype == object else rows.dtype.str, "shape": list(rows.shape)}


def unpacked_rows(packed: Any) -> Any:
    """The other way round."""
    if "plain" in packed:
        return packed["plain"]
    if "table" in packed:
        import pandas

        return pandas.DataFrame(
            {name: pandas.Series(values, dtype=_type_of(values)) for name, values in packed["table"]}
        )
    return np.array(packed["array"], dtype=packed["dtype"]).reshape(packed["shape"])


def _type_of(values: Any) -> Any:
    return object if any(isinstance(v, str) for v in values) else float
