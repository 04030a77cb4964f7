"""What models may be called, saved ones and those in Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelport import Service
from modelport.errors import ConfigError
from modelport.kernel.names import component_name, is_name, suggest_name


@given(st.text())
def test_what_is_suggested_is_a_name_that_needs_no_quotes(text: str) -> None:
    name = suggest_name(text)
    assert is_name(name)
    assert " " not in name
    assert suggest_name(name) == name


@pytest.mark.parametrize("name", ["genre", "my model", "модель", "a.b~c", "{x}"])
def test_a_name_that_a_path_can_carry_is_one(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "a\\b", "a?b", "a#b", "50%", "a\nb", "a\x00"])
def test_a_name_that_a_path_would_read_differently_is_none(name: str) -> None:
    assert not is_name(name)


def test_names_of_the_same_length_get_components_of_their_own() -> None:
    assert len({component_name(name) for name in ("модель", "другой", "a b", "a-b", "a_b")}) == 5


def test_a_model_in_python_is_held_to_the_same_rule() -> None:
    with pytest.raises(ConfigError, match=r'not \'a/b #2\'.*@service.model\("a-b-2"\)'):
        Service("music").model("a/b #2")(lambda tempo: tempo)
