"""`modelport`: the commands, and the one place where an error becomes one line and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

import modelport
from modelport.cli.cache import cache
from modelport.cli.ship_commands import healthcheck, ship
from modelport.config import ENV_PREFIX, REPEATED, ServeOptions, flag_of, key_of, resolve
from modelport.errors import SetupError
from modelport.runtime.signals import hangups_noted

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)
MODEL_OPTIONS = (
    "name",
    "with_",
    "data",
    "target",
    "features",
    "allow_pickle",
    "allow_code",
    "trust_version",
    "no_compile",
    "require_compiled",
    "cache_dir",
)
SIGNATURE_OPTIONS = ("require_signature", "public_key", "certificate_chain")


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 well, 2 for what the user can mend, 1 for anything else."""
    try:
        code = commands.main(arguments, prog_name="modelport", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as shown:
        click.echo(shown.ctx.get_help())
        code = 2
    except click.ClickException as error:
        code = _complain(_one_line(error))
    except click.Abort:
        code = 130
    except SetupError as error:
        code = _complain(str(error))
    sys.exit(code or 0)


def _complain(message: str) -> int:
    visible = "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in message)  # names are a file's own
    print(f"modelport: {visible}", file=sys.stderr)
    return 2


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    return f"{message} Try  modelport --help" if isinstance(error, click.UsageError) else message


def _flags(*names: str) -> Callable[[Command], Command]:
    """Click options generated from `ServeOptions`: declared once, in `config`."""

    def decorate(function: Command) -> Command:
        for f in reversed([f for f in fields(ServeOptions) if not names or f.name in names]):
            shape = {"metavar": f.metadata["metavar"]} if f.metadata["metavar"] else {"is_flag": True, "default": None}
            if f.name in REPEATED:
                shape |= {"multiple": True, "callback": lambda _, __, given: given or None}
            function = click.option(flag_of(f.name), f.name, help=_help(f), **shape)(function)
        return function

    return decorate


def _help(f: Any) -> str:
    default = {"workers": "auto", "max_body": "16MiB"}.get(f.name, f.default)
    shown = f"  [default: {default}]" if default is not None and f.metadata["metavar"] else ""
    return f"{f.metadata['help']}{shown}  [env: {ENV_PREFIX}{key_of(f.name).upper()}]"


@click.group(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(modelport.__version__, prog_name="modelport")
def commands() -> None:
    """The web framework whose handlers are models: from a model file to a production API."""


@commands.command()
@click.argument("source")
@_flags()
def serve(source: str, **given: Any) -> int:
    """Serve a saved model, or the models of a Python file, as a validated, documented, fast API.

    SOURCE is app.py (or app.py:service, package.module:service), which declares saved models and models in Python, or the file one
    model was saved to: .joblib, .pkl, .skops, .onnx, XGBoost .json or .ubj, LightGBM .txt, CatBoost .cbm, TorchScript or
    torch.export .pt, .pt2.

    Every option is also an environment variable and a key of modelport.toml in the current folder.
    """
    with hangups_noted():  # from the first moment: it must not end a service that starts
        from modelport.cli.serve import run_command

        return run_command(source, resolve(given))


@commands.command()
@click.argument("artifact", type=FILE)
@_flags(*MODEL_OPTIONS, *SIGNATURE_OPTIONS)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def inspect(artifact: Path, as_json: bool, **given: Any) -> int:
    """Show the signature of a model, and the reason for each guess in it.

    ARTIFACT is the file the model was saved to, or the Python file (app.py, app.py:service) that declares several.
    """
    from modelport.cli.inspect import run_inspect

    return run_inspect(artifact, resolve(given), as_json)


@commands.command()
@click.argument("source", type=FILE)
@click.option("-o", "--out", type=FILE, help="The folder to write; default: the file's stem with .bundle or .mlflow.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["bundle", "mlflow"]),
    default="bundle",
    help="A bundle of ours, or a model folder that MLflow loads.  [default: bundle]",
)
@click.option("--force", is_flag=True, help="Replace the bundle, or model folder of MLflow, that is there.")
@_flags(*(name for name in MODEL_OPTIONS if name not in ("cache_dir", "allow_code")))
def build(source: Path, out: Path | None, form: str, force: bool, **given: Any) -> int:
    """Write a bundle: one immutable folder with a saved model, its compiled form, and the proof that both answer alike."""
    from modelport.cli.bundle import beside, run_build, run_export

    if form == "mlflow":
        return run_export(source, out or beside(source, ".mlflow"), resolve(given), force)
    return run_build(source, out or beside(source, ".bundle"), resolve(given), force)


@commands.command()
@click.argument("source", type=FILE)
@click.option("-o", "--out", type=FILE, help="The bundle to write; default: the file's stem with .bundle.")
@click.option("--force", is_flag=True, help="Replace the bundle that is there.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@_flags("name", "with_", "data", "target", "features", "no_compile", "require_compiled", "cache_dir")
def rescue(source: Path, out: Path | None, force: bool, as_json: bool, **given: Any) -> int:
    """Hold a model that another version saved against that version, and write a bundle that answers as it did there.

    The version is read from the file and installed, once, in an environment of its own. SOURCE is the pickle or joblib file; or a
    bundle that is served from such an environment, which is then built here.
    """
    from modelport.cli.bundle import beside
    from modelport.cli.rescue import run_rescue

    return run_rescue(source, out or beside(source, ".bundle"), resolve(given), force, as_json)


@commands.command()
@click.argument("bundle", type=FILE)
@_flags("allow_pickle", "allow_code", *SIGNATURE_OPTIONS)
def verify(bundle: Path, **given: Any) -> int:
    """Check that a bundle is what it was: every file by its digest, every golden case by its answer, and who has signed it."""
    from modelport.cli.bundle import run_verify

    return run_verify(bundle, resolve(given))


@commands.command()
@click.argument("bundle", type=FILE)
@click.option(
    "--private-key", type=FILE, required=True, metavar="FILE", help="Private key (PEM, of an elliptic curve)."
)
@click.option("--password-file", type=FILE, metavar="FILE", help="File with the password of the key, if it has one.")
@click.option("--signing-certificate", type=FILE, metavar="FILE", help="Certificate (PEM) of the key's holder.")
@click.option("--certificate-chain", type=FILE, metavar="FILE", help="Certificates (PEM) between that and the issuer.")
def sign(
    bundle: Path,
    private_key: Path,
    password_file: Path | None,
    signing_certificate: Path | None,
    certificate_chain: Path | None,
) -> int:
    """Sign a bundle with your private key, in the format of OpenSSF Model Signing.

    The signature is the file model.sig inside the bundle and covers all the others. Who has the public key, or trusts the issuer of
    the certificate, can insist on it: modelport serve --require-signature.
    """
    from modelport.cli.bundle import run_sign

    return run_sign(bundle, private_key, password_file, signing_certificate, certificate_chain)


@commands.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.option(
    "--write",
    is_flag=False,
    flag_value="service.py",
    type=click.Path(path_type=Path),
    help="Write the service that takes the app's place; default: service.py beside the app.",
)
@click.option("--force", is_flag=True, help="Replace what is there.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def adopt(app: Path, write: Path | None, force: bool, as_json: bool) -> int:
    """Read a Flask or FastAPI app that serves a model, without running it: what it does, what breaks, what to do.

    APP is the file in which the app is made. What it imports from beside it is read, too.
    """
    from modelport.cli.adopt import run_adopt

    return run_adopt(app, write, force, as_json)


@commands.command()
@click.option("--old", required=True, metavar="URL", help="The server that is trusted.")
@click.option("--new", required=True, metavar="URL", help="The server that is to answer alike.")
@click.argument("requests", type=click.Path(path_type=Path))
@click.option("--tolerance", default=0.0, show_default=True, help="How far numbers in JSON may differ, relatively.")
@click.option(
    "--ignore-header", multiple=True, metavar="NAME", help="A header that may differ; more than once for several."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def diff(old: str, new: str, requests: Path, tolerance: float, ignore_header: tuple[str, ...], as_json: bool) -> int:
    """Replay requests against two servers and show each difference in status, headers or body.

    REQUESTS is a file with one JSON object on each line: {"method": "POST", "path": "/predict", "json": {…}}. The exit code is 1
    where anything differs.
    """
    from modelport.cli.diff import run_diff

    return run_diff((old, new), requests, tolerance, ignore_header, as_json)


@commands.command()
@click.argument("model", type=FILE, required=False)
@click.option(
    "--quick", is_flag=True, help="Three contestants, one case, about 2 minutes; brings a model if you give none."
)
@click.option("-o", "--out", type=FILE, default=Path("compare"), show_default=True, help="The folder to write.")
@click.option("--only", metavar="A,B", help="Some of the contestants; Modelport always takes part.")
@click.option("--cases", metavar="A,B", help="Some of the cases.")
@click.option("--rounds", type=click.IntRange(1, 100), help="How often all are measured.  [default: 5, with --quick 3]")
@click.option("--seconds", type=click.FloatRange(1, 600), help="Of each load.  [default: 5, with --quick 2.5]")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Take shorter loads and fewer arrival rates, so that all is done in about so many.",
)
@click.option(
    "--slots", type=click.IntRange(1, 256), default=4, show_default=True, help="Requests that each works on at once."
)
@click.option(
    "--cores", type=click.IntRange(1, 256), default=1, show_default=True, help="Cores for the server under test."
)
@click.option("--price", type=click.FloatRange(0, min_open=True), help="What an hour of a machine like this costs you.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in the folder that was interrupted; of one that is complete, write the report anew.",
)
@click.option(
    "--baseline", type=FILE, metavar="FILE", help="An earlier results.json: exit with 1 where Modelport got worse."
)
@click.option("--keep-code", is_flag=True, help="Measure the contestants' code as it lies in the folder, edits too.")
@click.option(
    "--with",
    "with_",
    metavar="A,B",
    multiple=True,
    help="Frameworks to measure, too: litestar, blacksheep, bentoml, litserve, mlserver, ray; or another file of the model.",
)
@_flags(*(name for name in MODEL_OPTIONS if name not in ("name", "require_compiled", "with_")))
def compare(model: Path | None, only: str | None, cases: str | None, **given: Any) -> int:
    """Measure your model behind Flask, FastAPI and Modelport, on this machine, and write a report of it.

    MODEL was saved with joblib or pickle. The folder of --out gets report.html, results.json and the code of each contestant.
    """
    from modelport.cli.compare import Choice, run_compare
    from modelport.compare.guests import split_with

    own = ("quick", "out", "rounds", "seconds", "minutes", "slots", "cores", "price", "baseline", "resume", "keep_code")
    chosen = {name: given.pop(name) for name in own}
    guests, files = split_with(given.pop("with_"))
    given["with_"] = files or None
    choice = Choice(only=_names(only), cases=_names(cases), guests=guests, **chosen)
    return run_compare(model, resolve(given), choice)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


commands.add_command(ship)
commands.add_command(healthcheck)
commands.add_command(cache)
