"""Options from random sources: read, or refused with ConfigError; never anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelport.config import OPTION_NAMES, from_plain, resolve, to_plain
from modelport.errors import ConfigError

ODD = st.sampled_from(
    [
        "",
        " ",
        "0",
        "-1",
        "1e400",
        "9e999",
        "nan",
        "inf",
        "1_000",
        "16MiB",
        "1 GiB",
        "0.5",
        "5ms",
        "auto",
        "on",
        "json",
        "\0",
        "a,,b",
    ]
)
VALUES = st.one_of(
    ODD,
    st.text(max_size=5),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def refusal(values: dict[str, Any], environ: dict[str, str], folder: Path) -> str:
    """What is complained of; nothing where the options are read, and come through plain data unchanged."""
    try:
        options = resolve(values, environ, folder)
    except ConfigError as error:
        return str(error)
    assert from_plain(to_plain(options)) == options
    return ""


@given(st.dictionaries(st.sampled_from(OPTION_NAMES), VALUES, max_size=4))
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_values_are_read_or_refused_in_one_line(tmp_path: Path, values: dict[str, Any]) -> None:
    complaint = refusal(values, {}, tmp_path)
    assert "\n" not in complaint
    assert len(complaint) < 300


@given(st.dictionaries(st.sampled_from(OPTION_NAMES), ODD | st.text(max_size=5), max_size=3))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_variables_are_read_or_refused_in_one_line(tmp_path: Path, values: dict[str, str]) -> None:
    assert "\n" not in refusal({}, {f"MODELPORT_{name.upper()}": value for name, value in values.items()}, tmp_path)


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_of_the_file_is_read_or_the_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "modelport.toml").write_text(text, encoding="utf-8")
    complaint = refusal({}, {}, tmp_path)
    assert not complaint or "modelport.toml" in complaint


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("16MiB", 2**24), ("500kB", 500_000), ("1 GiB", 2**30), ("2m", 2**21), ("1_000", 1000), ("0.5k", 512)],
)
def test_sizes_are_read_as_people_write_them(tmp_path: Path, text: str, size: int) -> None:
    assert resolve({"max_body": text}, {}, tmp_path).max_body == size


def test_what_kubernetes_sets_for_a_service_called_modelport_is_not_ours(tmp_path: Path) -> None:
    environ = {
        "MODELPORT_SERVICE_HOST": "10.0.0.1",
        "MODELPORT_SERVICE_PORT": "80",
        "MODELPORT_PORT": "tcp://10.0.0.1:80",
        "MODELPORT_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert resolve({}, environ, tmp_path).port == 8000


def test_the_nearest_source_wins_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "modelport.toml").write_text('port = 1\nname = "file"\nworkers = 3\n')
    environ = {"MODELPORT_PORT": "2", "MODELPORT_NAME": "variable"}
    options = resolve({"port": 4, "name": None}, environ, tmp_path)
    assert (options.port, options.name, options.workers, options.host) == (4, "variable", 3, "127.0.0.1")


@pytest.mark.parametrize("name", ["default_deadline", "latency_target"])
def test_no_time_at_all_is_no_time_to_answer_in(name: str, tmp_path: Path) -> None:
    assert "above 0" in refusal({name: "0"}, {}, tmp_path)


def test_files_beside_the_model_are_told_in_each_place(tmp_path: Path) -> None:
    wanted = (Path("scaler.pkl"), Path("columns.json"))
    assert resolve({"with_": ["scaler.pkl", Path("columns.json")]}, {}, tmp_path).with_ == wanted
    assert resolve({}, {"MODELPORT_WITH": "scaler.pkl,columns.json"}, tmp_path).with_ == wanted
    (tmp_path / "modelport.toml").write_text('with = ["scaler.pkl", "columns.json"]')
    options = resolve({}, {}, tmp_path)
    assert options.with_ == from_plain(to_plain(options)).with_ == wanted
    with pytest.raises(ConfigError, match="--with wants a path, or a list of paths, not '3'"):
        resolve({"with_": 3}, {}, tmp_path)


def test_code_is_not_trusted_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "modelport.toml").write_text("allow_code = true")
    with pytest.raises(ConfigError, match="allow_code may not be said in a file"):
        resolve({}, {}, tmp_path)
