"""A key that nothing reads is a mistake that nobody would notice: every place for options refuses it and names the nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelport.artifacts.override import FIELD_KEYS, TOP_KEYS, read_override
from modelport.config import FILE_NAME, OPTION_NAMES, from_plain, key_of, resolve
from modelport.errors import ConfigError, SignatureError
from modelport.kernel.ports import Hints

PLAUSIBLE = [key_of(name) for name in OPTION_NAMES if len(name) > 3]


def misspell(name: str) -> str:
    """The name with its first two letters that differ swapped, as fingers do it."""
    at = next(i for i in range(1, len(name)) if name[i] != name[i + 1])
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_a_wrong_keyword_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^--{_flag(misspell(name))} is not an option; did you mean --{_flag(name)}"):
        resolve({misspell(name): "1"}, {}, tmp_path)


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_a_wrong_variable_is_refused(name: str, tmp_path: Path) -> None:
    wrong = f"MODELPORT_{misspell(name).upper()}"
    with pytest.raises(ConfigError, match=f"^{wrong} is not an option; did you mean MODELPORT_{name.upper()}"):
        resolve({}, {wrong: "1"}, tmp_path)


@pytest.mark.parametrize("name", PLAUSIBLE)
def test_a_wrong_key_of_the_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(f"{misspell(name)} = 1\n")
    with pytest.raises(ConfigError, match=f"^{FILE_NAME}: {misspell(name)} is not an option; did you mean {name}"):
        resolve({}, {}, tmp_path)


def test_a_worker_refuses_what_its_parent_should_not_send() -> None:
    with pytest.raises(ConfigError, match="did you mean --port"):
        from_plain({"prot": 1})


def test_a_key_that_is_near_to_nothing_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"known are {', '.join(map(key_of, OPTION_NAMES))}"):
        resolve({"zzzzzz": 1}, {}, tmp_path)


@pytest.mark.parametrize("name", TOP_KEYS)
def test_a_wrong_key_of_a_signature_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "genre.toml").write_text(f"{misspell(name)} = 1\n")
    with pytest.raises(SignatureError, match=f"genre.toml: '{misspell(name)}' is not a key.*did you mean '{name}'"):
        read_override(tmp_path / "genre.joblib", Hints())


@pytest.mark.parametrize("name", FIELD_KEYS)
def test_a_wrong_key_of_a_field_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "genre.toml").write_text(f"[fields.tempo]\n{misspell(name)} = 1\n")
    expected = rf"genre.toml, \[fields.tempo\]: '{misspell(name)}' is not a key.*did you mean '{name}'"
    with pytest.raises(SignatureError, match=expected):
        read_override(tmp_path / "genre.joblib", Hints())


def _flag(name: str) -> str:
    return name.replace("_", "-")
