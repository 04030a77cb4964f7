"""What a training sample adds to a signature, seen at the running service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelport.assembly import load_artifact
from modelport.config import resolve
from modelport.errors import SetupError
from tests.artifacts.foreign import Shop
from tests.artifacts.zoo import numbers, people, save
from tests.serving import serving

pandas = pytest.importorskip("pandas")
pytest.importorskip("sklearn")

from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder  # noqa: E402

TABLE = numbers().round(3)
GENRE = np.where(TABLE["a"] > 0, "Rock", "Hip-Hop")


@pytest.fixture(params=["csv", "parquet"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of file; Parquet where it can be read."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return str(request.param)


def write(table: Any, folder: Path, kind: str = "csv", index: bool = False) -> Path:
    """A data file."""
    path = folder / f"data.{kind}"
    if kind == "csv":
        table.to_csv(path, index=index)
    else:
        table.to_parquet(path, index=index)
    return path


def load(path: Path, **options: Any) -> Any:
    """The model, and what is told about it."""
    return load_artifact(path, resolve(options))


def named(folder: Path) -> Path:
    """A model with names."""
    return save(LogisticRegression().fit(TABLE, GENRE), folder)


def unnamed(folder: Path) -> Path:
    """A model without."""
    return save(LogisticRegression().fit(TABLE.to_numpy(), GENRE), folder)


def test_ranges_come_from_the_data_and_what_lies_outside_is_flagged(kind: str, tmp_path: Path) -> None:
    with serving(named(tmp_path), data=write(TABLE, tmp_path, kind)) as service:
        for name in TABLE:
            assert service.field(name)["training_range"] == [TABLE[name].min(), TABLE[name].max()]
        response = service.post({"a": 99.5, "b": 0, "c": -99.5, "d": 0})
        assert response.status_code == 200
        assert response.headers["modelport-out-of-range"] == "a, c"


def test_the_example_is_a_row_of_the_data(kind: str, tmp_path: Path) -> None:
    table = TABLE.copy()
    table.loc[0, "a"] = np.nan
    with serving(named(tmp_path), data=write(table, tmp_path, kind)) as service:
        assert service.signature["example"] == TABLE.iloc[1].to_dict()


def test_types_categories_and_gaps_of_unknown_code_come_from_the_data(kind: str, tmp_path: Path) -> None:
    sample = pandas.DataFrame(
        {
            "city": ["Lima", "Osaka", None, "Lima"] * 5,
            "rooms": [1, 2, 3, 4] * 5,
            "garden": [True, False, True, False] * 5,
        }
    )
    with serving(save(Shop(), tmp_path), data=write(sample, tmp_path, kind), allow_pickle=True) as service:
        assert [f["type"] for f in service.signature["inputs"]] == ["string", "int", "bool"]
        assert [f["nullable"] for f in service.signature["inputs"]] == [True, False, False]
        assert service.field("city")["categories"] == ["Lima", "Osaka"]
        assert service.predict({"garden": True, "rooms": 2, "city": None}) == {"prediction": 71.0}
        assert service.post({"garden": 1, "rooms": 2, "city": "Lima"}).status_code == 422
        assert service.post({"garden": True, "rooms": 2.5, "city": "Lima"}).status_code == 422
        assert service.post({"garden": True, "rooms": 2, "city": "Rome"}).headers["modelport-out-of-range"] == "city"


def test_whole_numbers_in_the_data_are_wanted_whole(kind: str, tmp_path: Path) -> None:
    table = people()[["age", "income"]]
    model = HistGradientBoostingClassifier(max_iter=3).fit(table, table["income"] > 3000)
    with serving(save(model, tmp_path), data=write(table, tmp_path, kind)) as service:
        assert [f["type"] for f in service.signature["inputs"]] == ["int", "float"]
        assert service.post({"age": 30.0, "income": 3000}).status_code == 200
        assert service.post({"age": 30.5, "income": 3000}).status_code == 422


def test_booleans_in_the_data_are_wanted_as_booleans(kind: str, tmp_path: Path) -> None:
    table = people()[["income", "member"]]
    model = HistGradientBoostingClassifier(max_iter=3).fit(table, table["member"])
    with serving(save(model, tmp_path), data=write(table, tmp_path, kind)) as service:
        assert service.predict({"income": 1.0, "member": True})["prediction"] is True
        assert service.predict({"income": 1.0, "member": False})["prediction"] is False


def test_columns_that_the_model_does_not_know_are_reported_and_ignored(kind: str, tmp_path: Path) -> None:
    table = TABLE.assign(track_id=range(len(TABLE)), genre=GENRE)
    model, notes = load(named(tmp_path), data=write(table, tmp_path, kind), target="genre")
    assert model.signature.names == tuple("abcd")
    assert notes == ("columns of the data that the model does not know, ignored: track_id",)


def test_inputs_that_the_data_lacks_are_reported(tmp_path: Path) -> None:
    _, notes = load(named(tmp_path), data=write(TABLE[["a", "b"]], tmp_path))
    assert notes == ("inputs of the model that the data has no column for: c, d",)


def test_data_that_shares_no_column_with_the_model_is_refused(tmp_path: Path) -> None:
    data = write(TABLE.rename(columns=str.upper).assign(**{f"x{i}": 1 for i in range(20)}), tmp_path)
    with pytest.raises(SetupError) as refused:
        load(named(tmp_path), data=data)
    message = str(refused.value)
    assert "shares no column with the model: the model takes a, b, c, d; the data has A, B, C, D, x0" in message
    assert "… (24 in all)" in message
    assert "\n" not in message


@pytest.mark.parametrize("index", [TABLE.index, TABLE.index.astype(str)], ids=["numbers", "names"])
def test_the_index_that_pandas_writes_is_no_column(kind: str, index: Any, tmp_path: Path) -> None:
    data = write(TABLE.set_index(index), tmp_path, kind, index=True)
    model, notes = load(unnamed(tmp_path), data=data)
    assert model.signature.names == tuple("abcd")
    assert notes == ()


def test_unnamed_inputs_take_the_names_of_as_many_columns_without_the_target(kind: str, tmp_path: Path) -> None:
    data = write(TABLE.assign(genre=GENRE), tmp_path, kind)
    with serving(unnamed(tmp_path), data=data, target="genre") as service:
        assert service.predict({"d": 0, "c": 0, "b": 0, "a": 5})["prediction"] == "Rock"
        assert service.post([5, 0, 0, 0]).status_code == 422


def test_more_columns_than_inputs_ask_for_features(tmp_path: Path) -> None:
    data = write(TABLE.assign(track=range(len(TABLE)), genre=GENRE), tmp_path)
    with pytest.raises(SetupError) as asked:
        load(unnamed(tmp_path), data=data, target="genre")
    assert str(asked.value) == (
        "the model takes 4 inputs and stores no names, and the data has 5 candidate columns: a, b, c, d, track. "
        "Say which, in training order, for example  --features b,c,d,track"
    )
    with pytest.raises(SetupError, match="name the label with --target, too"):
        load(unnamed(tmp_path), data=data)
    model, _ = load(unnamed(tmp_path), data=data, target="genre", features="a,b,c,d")
    assert model.signature.names == tuple("abcd")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "a,b,c"}, "the model takes 4 inputs but --features names 3"),
        ({"features": "a,b,c,c"}, "--features names a column twice"),
        ({"features": "a,b,c,e"}, "--features names 'e', which is no column of the data"),
        ({"target": "genr"}, "--target 'genr' is no column of the data: a, b, c, d, genre"),
    ],
)
def test_a_wrong_name_on_the_command_line_is_told(options: dict[str, str], message: str, tmp_path: Path) -> None:
    data = write(TABLE.assign(genre=GENRE), tmp_path)
    with pytest.raises(SetupError, match=message):
        load(unnamed(tmp_path), data=data, **options)


def test_fewer_columns_than_inputs_are_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="the model takes 4 inputs but the data has only 2 columns: a, b"):
        load(unnamed(tmp_path), data=write(TABLE[["a", "b"]], tmp_path))


def test_features_for_a_model_that_has_names_are_refused_unless_they_agree(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="the model stores its own names, leave --features out: a, b, c, d"):
        load(named(tmp_path), features="w,x,y,z")
    assert load(named(tmp_path), features="d,c,b,a")[0].signature.names == tuple("abcd")


def test_text_in_a_column_of_numbers_changes_nothing(tmp_path: Path) -> None:
    with serving(named(tmp_path), data=write(TABLE.assign(a="loud"), tmp_path)) as service:
        assert service.field("a")["type"] == "float"
        service.predict(service.signature["example"])


def test_categories_of_the_encoder_stand_against_those_of_the_data(tmp_path: Path) -> None:
    table = people()
    encoder = ColumnTransformer([("c", OneHotEncoder(), ["city"])])
    model = make_pipeline(encoder, LogisticRegression()).fit(table[["city"]], table["member"])
    sample = table[["city"]].replace("Lima", "Rome")
    sample.loc[0, "city"] = "Rome"
    with serving(save(model, tmp_path), data=write(sample, tmp_path)) as service:
        assert service.field("city")["categories"] == ["Bergen", "Lima", "Nairobi", "Osaka"]
        service.predict(service.signature["example"])
        assert service.post({"city": "Rome"}).status_code == 422


def test_infinite_cells_do_not_become_a_range_or_an_example(kind: str, tmp_path: Path) -> None:
    table = TABLE.copy()
    table.loc[:3, "a"] = np.inf
    with serving(named(tmp_path), data=write(table, tmp_path, kind)) as service:
        assert service.field("a")["training_range"] == [table["a"][4:].min(), table["a"][4:].max()]
        service.predict(service.signature["example"])


def test_a_gap_in_every_row_leaves_an_example_of_the_fullest_row(kind: str, tmp_path: Path) -> None:
    table = TABLE.assign(empty=np.nan)
    table.loc[0, "a"] = np.nan
    with serving(named(tmp_path), data=write(table, tmp_path, kind)) as service:
        assert service.signature["example"] == TABLE.iloc[1].to_dict()


def test_a_value_of_the_data_that_the_model_cannot_take_is_no_example(kind: str, tmp_path: Path) -> None:
    table = people()[["age"]]
    encoder = ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["age"])])
    model = make_pipeline(encoder, LogisticRegression()).fit(table, table["age"] > 40)
    with serving(save(model, tmp_path), data=write(table + 0.5, tmp_path, kind)) as service:
        assert service.field("age")["type"] == "int"
        service.predict(service.signature["example"])


def test_decimals_and_integers_of_parquet_are_numbers(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    from decimal import Decimal

    table = pyarrow.table(
        {
            "a": pyarrow.array([Decimal("1.50"), Decimal("2.25")]),
            "b": pyarrow.array([1, 2], pyarrow.uint8()),
            "c": pyarrow.array([1.5, None], pyarrow.float32()),
            "d": pyarrow.array([2**63, 2**64 - 1], pyarrow.uint64()),
        }
    )
    parquet.write_table(table, tmp_path / "data.parquet")
    with serving(named(tmp_path), data=tmp_path / "data.parquet") as service:
        assert [f["type"] for f in service.signature["inputs"]] == ["float", "int", "float", "float"]
        assert service.field("a")["training_range"] == [1.5, 2.25]
        service.predict(service.signature["example"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.csv", b"a,b\n", "holds no rows under a header line"),
        ("data.csv", b"a,a\n1,2\n", "names the column 'a' twice"),
        ("data.csv", b"a,b\n1,2\n3\n", "row 3, has 1 cells where the header has 2"),
        ("data.csv", b"a,b\n\xff,2\n", "is not UTF-8"),
        ("data.csv", b"\x00\x01\x02", "is neither CSV nor Parquet"),
        ("data.parquet", b"PAR1 and no more", "is a damaged Parquet file"),
        ("data.parquet", b"\xff\xfe\x00 cut at both ends", "is a damaged Parquet file"),
        ("data.pq", b"", "is a damaged Parquet file"),
        ("data.bin", b"\xff\xfe written over at the head PAR1", "is a damaged Parquet file"),
    ],
)
def test_a_data_file_that_cannot_be_read_is_one_clear_line(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    if "Parquet file" in message:
        pytest.importorskip("pyarrow")
    data = tmp_path / name
    data.write_bytes(content)
    with pytest.raises(SetupError, match=message) as refused:
        load(named(tmp_path), data=data)
    assert "\n" not in str(refused.value)


def test_a_parquet_file_whose_pages_are_damaged_is_told_as_one(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    data = tmp_path / "data.parquet"
    TABLE.to_parquet(data)
    content = bytearray(data.read_bytes())
    content[4:2000] = b"\xff" * 1996
    data.write_bytes(content)
    with pytest.raises(SetupError, match=r"data\.parquet is a damaged Parquet file"):
        load(named(tmp_path), data=data)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_csv_file_may_have_any_usual_separator(separator: str, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    TABLE.to_csv(data, index=False, sep=separator, encoding="utf-8-sig")
    assert load(unnamed(tmp_path), data=data)[0].signature.names == tuple("abcd")
