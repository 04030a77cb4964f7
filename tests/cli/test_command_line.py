"""The command line: what a user can mend is one clear line on standard error, exit code 2, no traceback."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

import modelport
from modelport.config import ServeOptions, flag_of, key_of
from modelport.errors import SetupError
from tests.conftest import ROOT, Music
from tests.process.server import child_environment

Write = Callable[..., Path]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Cli:
    """Runs `modelport …` in a folder of its own."""

    folder: Path
    plugin: Path

    def __call__(self, *arguments: object, path: str = "", **environ: str) -> Done:
        """Run it to its end, which must come soon."""
        python_path = os.pathsep.join(filter(None, [path, str(ROOT), str(self.plugin)]))
        done = subprocess.run(
            [sys.executable, "-m", "modelport", *map(str, arguments)],
            cwd=self.folder,
            env=child_environment(PYTHONPATH=python_path, **environ),
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def refuses(self, *arguments: object, path: str = "", **environ: str) -> str:
        """Its complaint, which must be one line that a user can act on."""
        if arguments[0] == "serve" and "--port" not in arguments and not any("PORT" in name for name in environ):
            arguments = (*arguments, "--port", 0)  # 8000 may be in use
        done = self(*arguments, path=path, **environ)
        assert done.code == 2, done
        assert done.out == "", done
        lines = done.err.splitlines()
        assert len(lines) == 1, done.err
        assert lines[0].startswith("modelport: ")
        assert not re.search(r"Traceback|\.py:\d", lines[0]), lines[0]
        return lines[0].removeprefix("modelport: ")


@pytest.fixture
def cli(tmp_path: Path, plugin: Path) -> Cli:
    """The command line, in an empty folder."""
    return Cli(tmp_path, plugin)


# -- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["serve", pytest.param("inspect", marks=pytest.mark.slow)])
class TestFiles:
    """What can be wrong with the file of a model."""

    def test_missing(self, cli: Cli, command: str) -> None:
        assert cli.refuses(command, "missing.joblib") == "the model file missing.joblib does not exist"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_unreadable(self, cli: Cli, command: str) -> None:
        path = cli.folder / "secret.joblib"
        path.write_bytes(b"x")
        path.chmod(0)
        assert "cannot be read: Permission denied" in cli.refuses(command, path)

    @pytest.mark.parametrize("name", ["empty.joblib", "empty.onnx", "empty.txt", "empty"])
    def test_empty(self, cli: Cli, command: str, name: str) -> None:
        (cli.folder / name).touch()
        assert "is empty" in cli.refuses(command, name)

    @pytest.mark.parametrize("name", ["model.docx", "model", ".joblib"])
    def test_of_unknown_kind(self, cli: Cli, command: str, name: str) -> None:
        (cli.folder / name).write_text("hello")
        assert "of no kind that is read here" in cli.refuses(command, name)

    @pytest.mark.parametrize(
        ("name", "content"),
        [("torn.joblib", b"hello"), ("torn.pkl", b"\x80\x04\x95"), ("torn.onnx", b"\x08\x07"), ("torn.onnx", b"hello")],
    )
    def test_torn(self, cli: Cli, command: str, name: str, content: bytes) -> None:
        (cli.folder / name).write_bytes(content)
        assert f"{name} cannot be" in cli.refuses(command, name)

    def test_a_folder(self, cli: Cli, command: str) -> None:
        (cli.folder / "folder.joblib").mkdir()
        assert "folder.joblib" in cli.refuses(command, "folder.joblib")

    def test_a_pickle_of_something_else(self, cli: Cli, command: str) -> None:
        (cli.folder / "dict.pkl").write_bytes(b"\x80\x04}.")
        assert "dict" in cli.refuses(command, "dict.pkl")

    def test_a_pickle_that_runs_code_which_raises(self, cli: Cli, command: str) -> None:
        (cli.folder / "evil.pkl").write_bytes(b"cbuiltins\nexec\n(S'1/0'\ntR.")
        assert "builtins.exec" in cli.refuses(command, "evil.pkl")
        assert "ZeroDivisionError" in cli.refuses(command, "evil.pkl", "--allow-pickle")

    def test_a_pickle_that_exits(self, cli: Cli, command: str) -> None:
        (cli.folder / "exit.pkl").write_bytes(b"cbuiltins\nexec\n(S'raise SystemExit(0)'\ntR.")
        port = ["--port", 0] if command == "serve" else []
        assert "its code calls exit()" in cli.refuses(command, "exit.pkl", "--allow-pickle", *port)

    def test_missing_data(self, cli: Cli, command: str, fake: Write) -> None:
        assert cli.refuses(command, fake("track"), "--data", "no.csv").endswith("file no.csv does not exist")

    @pytest.mark.parametrize("content", ["", "a,b\n", "a,a\n1,2\n", "a,b\n1\n", '"a\n', "\0\0\0"])
    def test_bad_data(self, cli: Cli, command: str, fake: Write, content: str) -> None:
        (cli.folder / "data.csv").write_text(content)
        assert "data.csv" in cli.refuses(command, fake("track"), "--data", "data.csv")

    def test_a_target_that_is_no_column(self, cli: Cli, command: str, fake: Write) -> None:
        (cli.folder / "data.csv").write_text("tempo,genre\n1,Rock\n")
        complaint = cli.refuses(command, fake("track"), "--data", "data.csv", "--target", "gendre")
        assert "'gendre' is no column of the data" in complaint

    def test_a_library_that_is_not_installed(self, cli: Cli, command: str, music: Music) -> None:
        blocker = cli.folder / "blocker"
        blocker.mkdir()
        (blocker / "sitecustomize.py").write_text(BLOCKER)
        for artifact, library, extra in ((music.joblib, "sklearn", "sklearn"), (music.onnx, "onnxruntime", "onnx")):
            complaint = cli.refuses(command, artifact, path=str(blocker), BLOCKED=library)
            assert f"pip install 'modelport[{extra}]'" in complaint

    def test_more_columns_than_inputs_and_no_names(self, cli: Cli, command: str, music: Music) -> None:
        complaint = cli.refuses(command, music.onnx, "--data", music.data)
        assert "8 inputs" in complaint
        assert re.search(r"for example  --features \S+,\S+", complaint)
        assert "--target" in complaint

    def test_features_of_another_number(self, cli: Cli, command: str, music: Music) -> None:
        complaint = cli.refuses(command, music.onnx, "--features", "tempo,energy")
        assert "takes 8 inputs but --features names 2" in complaint


BLOCKER = """
import os, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == os.environ.get("BLOCKED"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


# -- options -------------------------------------------------------------------------------------------------------


class TestOptions:
    """What can be wrong with options, wherever they are given."""

    def test_an_unknown_flag_names_the_nearest(self, cli: Cli, fake: Write) -> None:
        complaint = cli.refuses("serve", fake("track"), "--prot", "9")
        assert "--prot" in complaint
        assert "--port" in complaint

    def test_an_unknown_variable_names_the_nearest(self, cli: Cli, fake: Write) -> None:
        complaint = cli.refuses("serve", fake("track"), MODELPORT_PROT="9")
        assert complaint == "MODELPORT_PROT is not an option; did you mean MODELPORT_PORT?"

    def test_an_unknown_key_of_the_file_names_the_nearest(self, cli: Cli, fake: Write) -> None:
        (cli.folder / "modelport.toml").write_text("prot = 9\n")
        complaint = cli.refuses("serve", fake("track"))
        assert complaint == "modelport.toml: prot is not an option; did you mean port?"

    def test_a_file_that_is_no_toml(self, cli: Cli, fake: Write) -> None:
        (cli.folder / "modelport.toml").write_text("port 9\n")
        assert "modelport.toml is not valid TOML" in cli.refuses("serve", fake("track"))

    def test_a_missing_argument_and_an_unknown_command(self, cli: Cli) -> None:
        assert "Missing argument" in cli.refuses("serve")
        assert "No such command" in cli.refuses("srve", "x.joblib")

    def test_half_of_a_pair_for_tls(self, cli: Cli, fake: Write) -> None:
        (cli.folder / "cert.pem").touch()
        assert "belong together" in cli.refuses("serve", fake("track"), "--tls-cert", "cert.pem")

    def test_files_for_tls_that_are_none(self, cli: Cli, fake: Write) -> None:
        pair = ("--tls-cert", "cert.pem", "--tls-key", "key.pem")
        assert "cert.pem does not exist" in cli.refuses("serve", fake("track"), *pair)
        for name in ("cert.pem", "key.pem"):
            (cli.folder / name).write_text("hello")
        assert "are no certificate and its key" in cli.refuses("serve", fake("track"), *pair)

    def test_a_port_that_is_in_use(self, cli: Cli, fake: Write) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            complaint = cli.refuses("serve", fake("track"), "--port", port)
        assert complaint == f"127.0.0.1:{port} is in use; stop what serves there or choose another --port"

    @pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.1", "not a host", "x" * 70, "a..b"])
    def test_an_address_that_is_not_ours(self, cli: Cli, fake: Write, host: str) -> None:
        assert f"cannot listen on {host}" in cli.refuses("serve", fake("track"), "--host", host, "--port", 0)

    @pytest.mark.parametrize("name", ["a/b", "a?b", "a#b", "a%b", "a\\b", "a\nb", "", " ", ".", ".."])
    def test_a_name_that_no_path_can_hold(self, cli: Cli, fake: Write, name: str) -> None:
        assert "--name wants a name without" in cli.refuses("serve", fake("track"), "--name", name)

    @pytest.mark.parametrize("stem", ["my model #2", "100%", "a?b", "a\\b", "#"])
    def test_a_file_whose_name_no_path_can_hold_asks_for_another(self, cli: Cli, fake: Write, stem: str) -> None:
        path = fake("track").rename(cli.folder / f"{stem}.fake")
        complaint = cli.refuses("serve", path)
        assert f"gives the model the name {stem!r}" in complaint
        suggested = complaint.rpartition("--name ")[2]
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            assert "is in use" in cli.refuses("serve", path, "--name", suggested, "--port", port)
        with pytest.raises(SetupError, match="--name"):
            modelport.app(path)

    def test_data_that_shares_no_column_with_the_model(self, cli: Cli, fake: Write) -> None:
        (cli.folder / "data.csv").write_text("Tempo,Plays\n1,2\n")
        complaint = cli.refuses("serve", fake("track"), "--data", "data.csv")
        assert "the model takes tempo, plays, live, genre, label; the data has Tempo, Plays" in complaint

    def test_what_is_said_nearest_to_the_call_wins(self, cli: Cli, fake: Write) -> None:
        """Flag, variable, file, default: seen in which of the ports, all taken, is complained of."""
        with (
            socket.create_server(("127.0.0.1", 0)) as one,
            socket.create_server(("127.0.0.1", 0)) as two,
            socket.create_server(("127.0.0.1", 0)) as three,
        ):
            by_flag, by_variable, by_file = (str(s.getsockname()[1]) for s in (one, two, three))
            artifact = fake("track")
            (cli.folder / "modelport.toml").write_text(f"port = {by_file}\n")
            assert f":{by_file} is in use" in cli("serve", artifact).err
            assert f":{by_variable} is in use" in cli.refuses("serve", artifact, MODELPORT_PORT=by_variable)
            complaint = cli.refuses("serve", artifact, "--port", by_flag, MODELPORT_PORT=by_variable)
            assert f":{by_flag} is in use" in complaint


# -- help and inspect ----------------------------------------------------------------------------------------------


def test_help_lists_every_option_with_its_variable_and_its_default(cli: Cli) -> None:
    shown = cli("serve", "--help")
    assert shown.code == 0
    assert shown.err == ""
    text = " ".join(shown.out.split())
    for f in fields(ServeOptions):
        assert f"{flag_of(f.name)} " in text
        assert f"[env: MODELPORT_{key_of(f.name).upper()}]" in text
    for default in (
        "[default: 127.0.0.1]",
        "[default: 8000]",
        "[default: 16MiB]",
        "[default: auto]",
        "[default: text]",
    ):
        assert default in text


def test_without_a_command_the_help_is_shown(cli: Cli) -> None:
    shown = cli()
    assert "serve" in shown.out
    assert "inspect" in shown.out
    assert "Traceback" not in shown.err


def test_inspect_shows_the_reason_for_each_guess(cli: Cli, music: Music) -> None:
    shown = cli("inspect", music.joblib, "--data", music.data, "--target", "genre", COLUMNS="250")
    assert shown.code == 0, shown.err
    assert shown.err == ""
    for told in ("classification", "tempo", "named in the artifact", "seen in the data", "Rock", "A body to send"):
        assert told in shown.out
    assert "ignored: track_id" in " ".join(shown.out.split())


def test_inspect_as_json_can_be_parsed_and_holds_the_same(cli: Cli, music: Music) -> None:
    shown = cli("inspect", music.joblib, "--data", music.data, "--target", "genre", "--json")
    described = json.loads(shown.out)
    assert [f["name"] for f in described["inputs"]][-2:] == ["tempo", "valence"]
    assert all(f["reasons"] for f in described["inputs"])
    assert described["outputs"][0]["classes"] == ["Hip-Hop", "Rock"]
    assert set(described["example"]) == {f["name"] for f in described["inputs"]}
    assert any("ignored" in note for note in described["notes"])


def test_inspect_asks_for_what_serve_asks_for_and_then_knows_the_names(cli: Cli, music: Music) -> None:
    names = "acousticness,danceability,energy,instrumentalness,liveness,speechiness,tempo,valence"
    shown = cli("inspect", music.onnx, "--features", names, "--data", music.data, "--target", "genre", "--json")
    described = json.loads(shown.out)
    assert [f["name"] for f in described["inputs"]] == names.split(",")
    assert not described["accepts_flat_lists"]


def test_inspect_of_names_that_no_terminal_should_be_sent_stays_in_one_piece(cli: Cli, fake: Write) -> None:
    assert cli("inspect", fake("odd-names")).code == 0
    assert len(json.loads(cli("inspect", fake("odd-names"), "--json").out)["inputs"]) == 7
