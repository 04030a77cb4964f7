"""`modelport`: the commands, and the one place where an error becomes one line and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

import modelport
from modelport.config import ENV_PREFIX, ServeOptions, resolve
from modelport.errors import SetupError

Command = TypeVar("Command", bound=Callable[..., Any])

MODEL_OPTIONS = ("name", "data", "target", "features", "allow_pickle", "no_compile", "require_compiled", "cache_dir")


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
    print(f"modelport: {message}", file=sys.stderr)
    return 2


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    return f"{message} Try  modelport --help" if isinstance(error, click.UsageError) else message


def _flags(*names: str) -> Callable[[Command], Command]:
    """Click options generated from `ServeOptions`: declared once, in `config`."""

    def decorate(function: Command) -> Command:
        for f in reversed([f for f in fields(ServeOptions) if not names or f.name in names]):
            flag = "--" + f.name.replace("_", "-")
            shape = {"metavar": f.metadata["metavar"]} if f.metadata["metavar"] else {"is_flag": True, "default": None}
            function = click.option(flag, f.name, help=_help(f), **shape)(function)
        return function

    return decorate


def _help(f: Any) -> str:
    default = {"workers": "auto", "max_body": "16MiB"}.get(f.name, f.default)
    shown = f"  [default: {default}]" if default is not None and f.metadata["metavar"] else ""
    return f"{f.metadata['help']}{shown}  [env: {ENV_PREFIX}{f.name.upper()}]"


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
    from modelport.cli.serve import run_service

    return run_service(source, resolve(given))


@commands.command()
@click.argument("artifact", type=click.Path(path_type=Path))
@_flags(*MODEL_OPTIONS)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def inspect(artifact: Path, as_json: bool, **given: Any) -> int:
    """Show the signature of a model, and the reason for each guess in it.

    ARTIFACT is the file the model was saved to, or the Python file (app.py, app.py:service) that declares several.
    """
    from modelport.cli.inspect import run_inspect

    return run_inspect(artifact, resolve(given), as_json)


@commands.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="The folder to write; default: the file's stem with .bundle."
)
@click.option("--force", is_flag=True, help="Replace what is there.")
@_flags(*(name for name in MODEL_OPTIONS if name != "cache_dir"))
def build(source: Path, out: Path | None, force: bool, **given: Any) -> int:
    """Write a bundle: one immutable folder with a saved model, its compiled form, and the proof that both answer alike."""
    from modelport.cli.bundle import run_build

    return run_build(source, out or source.with_suffix(".bundle"), resolve(given), force)


@commands.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@_flags("allow_pickle")
def verify(bundle: Path, **given: Any) -> int:
    """Check that a bundle is what it was: every file by its digest, every golden case by its answer."""
    from modelport.cli.bundle import run_verify

    return run_verify(bundle, resolve(given))
