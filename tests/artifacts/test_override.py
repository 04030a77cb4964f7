"""The TOML file beside a model: each key changes what callers see, and what is wrong in it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modelport.assembly import load_artifact
from modelport.config import resolve
from modelport.errors import SignatureError
from tests.artifacts.zoo import numbers, people, save
from tests.serving import serving

pytest.importorskip("sklearn")

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression

TABLE = numbers()


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A model that reads gaps and booleans, with names and without categories."""
    table = people()[["age", "income", "member"]]
    return save(HistGradientBoostingClassifier(max_iter=3).fit(table, table["income"] > 3000), tmp_path)


def correct(artifact: Path, text: str) -> Path:
    """The artifact, with a TOML file beside it."""
    artifact.with_suffix(".toml").write_text(text, encoding="utf-8")
    return artifact


def field(artifact: Path, name: str, **options: Any) -> Any:
    """One input of the signature."""
    model, _ = load_artifact(artifact, resolve(options))
    return next(f for f in model.signature.inputs if f.name == name)


BODY = {"age": 30, "income": 3000.0, "member": 1}


def test_a_corrected_type_is_what_callers_must_send(artifact: Path) -> None:
    with serving(correct(artifact, '[fields.age]\ntype = "int"\n[fields.member]\ntype = "bool"')) as service:
        assert [f["type"] for f in service.signature["inputs"]] == ["int", "float", "bool"]
        assert service.post({**BODY, "member": True}).status_code == 200
        assert service.post({**BODY, "member": True, "age": 30.5}).status_code == 422
        assert service.post(BODY).status_code == 422


def test_a_corrected_nullability_lets_null_through_or_refuses_it(artifact: Path) -> None:
    with serving(correct(artifact, "[fields.age]\nnullable = false")) as service:
        assert service.post({**BODY, "age": None}).status_code == 422
        assert service.post({**BODY, "income": None}).status_code == 200


def test_null_is_not_promised_where_the_model_fails_on_it(tmp_path: Path) -> None:
    artifact = save(LinearRegression().fit(TABLE, TABLE["a"]), tmp_path)
    corrected = field(correct(artifact, "[fields.a]\nnullable = true"), "a")
    assert not corrected.nullable
    assert corrected.reasons[-1] == "null refused: the model fails on it"


def test_a_corrected_range_is_what_is_flagged(artifact: Path) -> None:
    with serving(correct(artifact, "[fields.age]\nrange = [18, 80]")) as service:
        assert service.field("age")["training_range"] == [18, 80]
        assert service.post({**BODY, "age": 81}).headers["modelport-out-of-range"] == "age"


def test_corrected_categories_are_flagged_or_refused(artifact: Path) -> None:
    with serving(correct(artifact, "[fields.member]\ncategories = [0, 1]")) as service:
        assert service.post({**BODY, "member": 2}).headers["modelport-out-of-range"] == "member"
    with serving(correct(artifact, "[fields.member]\ncategories = [0, 1]\nclosed = true")) as service:
        assert service.post({**BODY, "member": 2}).status_code == 422


def test_a_corrected_example_and_description_are_shown(artifact: Path) -> None:
    toml = '[fields.age]\nexample = 33\ndescription = "in years"'
    with serving(correct(artifact, toml)) as service:
        assert service.signature["example"]["age"] == 33
        assert service.field("age")["description"] == "in years"


def test_features_and_target_may_stand_in_the_file_and_the_command_line_wins(tmp_path: Path) -> None:
    artifact = save(LinearRegression().fit(TABLE.to_numpy(), TABLE["a"]), tmp_path)
    data = tmp_path / "data.csv"
    TABLE.assign(e=0, y=1).to_csv(data, index=False)
    correct(artifact, 'features = ["a", "b", "c", "d"]\ntarget = "y"')
    model, notes = load_artifact(artifact, resolve({"data": data}))
    assert model.signature.names == tuple("abcd")
    assert notes == ("columns of the data that the model does not know, ignored: e",)
    model, notes = load_artifact(artifact, resolve({"data": data, "features": "e,d,c,b", "target": "a"}))
    assert model.signature.names == tuple("edcb")
    assert notes == ("columns of the data that the model does not know, ignored: y",)


def test_the_file_wins_over_the_data(artifact: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    people()[["age", "income", "member"]].to_csv(data, index=False)
    correct(artifact, '[fields.age]\ntype = "float"\nrange = [0, 120]')
    age, member = field(artifact, "age", data=data), field(artifact, "member", data=data)
    assert (age.kind, age.low, age.high) == ("float", 0, 120)
    assert member.kind == "bool"
    assert age.reasons[-1] == "type, range set in the TOML file beside the model"


def test_an_example_of_the_data_that_the_correction_forbids_is_dropped(artifact: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    people()[["age", "income", "member"]].to_csv(data, index=False)
    with serving(correct(artifact, "[fields.age]\ncategories = [1, 2]\nclosed = true"), data=data) as service:
        assert service.signature["example"]["age"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes = 'yes'", "classes wants different names"),
        ("classes = []", "classes wants different names"),
        ("classes = ['a', 'a']", "classes wants different names"),
        ("classes = ['a', 1]", "classes wants different names"),
        ("classes = ['no', 'yes']", "the model stores its classes itself: False, True; leave classes out"),
        ("[fields.age]\nrnage = [1, 2]", "'rnage' is not a key of this file; did you mean 'range'?"),
        ("[fields.age]\nzzz = 1", "'zzz' is not a key of this file; known are type, nullable"),
        ("feature = []", "'feature' is not a key of this file; did you mean 'features'?"),
        ("[fields.aeg]\ntype = 'int'", "the model has no input of this name; did you mean 'age'?"),
        ("[fields.age]\ntype = 'integer'", "type wants one of float, int, bool, string, not 'integer'"),
        ("[fields.age]\nnullable = 'yes'", "nullable wants true or false, not 'yes'"),
        ("[fields.age]\nclosed = 1", "closed wants true or false, not 1"),
        ("[fields.age]\nclosed = true", "closed wants categories, too"),
        ("[fields.age]\nrange = [1]", r"range wants two numbers, \[low, high\]"),
        ("[fields.age]\nrange = [true, 2]", r"range wants two numbers, \[low, high\]"),
        ("[fields.age]\nrange = [2, 1]", "range wants the lower number first"),
        ("[fields.age]\ntype = 'string'\nrange = [1, 2]", "range says nothing about a string"),
        ("[fields.age]\ncategories = 'a'", "categories wants a list"),
        ("[fields.age]\ncategories = ['a']", "'a' is no category of a float"),
        ("[fields.age]\nexample = 'x'", "the example does not fit: Expected a number, got a string"),
        ("[fields.age]\nexample = true", "the example does not fit: Expected a number, got a boolean"),
        ("[fields.age]\ndescription = 5", "description wants a text, not 5"),
        ("[fields.age]\nshape = [3]", "shape says nothing about a float; known are type, nullable"),
        ("features = 'a,b'", "features wants a list of names"),
        ("target = 3", "target wants the name of a column"),
        ("fields = 3", "fields wants tables"),
        ("fields.age = 3", "fields wants tables"),
        ("not toml", "is not valid TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_clear_line(artifact: Path, text: str, message: str) -> None:
    with pytest.raises(SignatureError, match=message) as refused:
        load_artifact(correct(artifact, text), resolve({}))
    assert "\n" not in str(refused.value)


def test_options_of_the_service_are_not_read_as_corrections(tmp_path: Path) -> None:
    path = save(LinearRegression().fit(TABLE, TABLE["a"]), tmp_path, "modelport.joblib")
    path.with_name("modelport.toml").write_text("port = 9000", encoding="utf-8")
    assert load_artifact(path, resolve({}))[0].signature.names == tuple("abcd")
