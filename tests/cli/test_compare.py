"""What `modelport compare` refuses, before it measures anything."""

from __future__ import annotations

import pytest

from tests.cli.test_command_line import Cli, cli

__all__ = ["cli"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "or --quick, which brings one"),
        (("--quick", "--only", "flusk"), "'flusk' is no contestant; did you mean 'flask'?"),
        (("--quick", "--cases", "nothing"), "'nothing' is no case; there are one-row"),
        (("--quick", "--cores", "256"), "256 cores for the server and one for the load generator are 257"),
        (("--quick", "--baseline", "absent.json"), "absent.json cannot be read: No such file"),
        (("--quick", "--minutes", "0.1"), "--minutes 0.1 is too little: with the shortest loads"),
        (("--quick", "--minutes", "9", "--seconds", "2"), "and so does --seconds: give one of them"),
        (("--quick", "--resume"), "so no run to go on with; begin one without --resume"),
        (("model.onnx",), "load the model with joblib.load, so it takes .joblib"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_to_do(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    assert said in cli.refuses("compare", *arguments)
    assert not (cli.folder / "compare").exists()
