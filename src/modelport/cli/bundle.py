"""`modelport build`, `modelport sign` and `modelport verify`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from modelport.cli.banner import form_lines
from modelport.config import ServeOptions, refuse_remote
from modelport.errors import ConfigError


def beside(source: Path, suffix: str) -> Path:
    """What is written where no --out is given. Raises ConfigError for folders that are not named."""
    if source.name in ("", ".."):
        raise ConfigError(f"{source} is no name that another could be made of: give the folder by its name")
    return source.with_suffix(suffix)


def run_build(source: Path, out: Path, options: ServeOptions, force: bool) -> int:
    """Write a bundle and say what is in it."""
    from modelport.assembly import build_bundle

    refuse_remote(str(source), options)
    if options.allow_pickle:  # a pickle may need the user's own modules
        sys.path.append(os.getcwd())
    bundle = build_bundle(source, out, options, force)
    manifest = bundle.manifest
    size = sum(file.size for file in manifest.files.values())
    form = (
        {"form": "compiled", **bundle.measured()}
        if manifest.compiled
        else {"form": "original", "why": manifest.not_compiled_because}
    )
    print(f"{out}: version {bundle.version[:12]}, {size / 1e6:,.1f} MB in {len(manifest.files) + 2} files")
    for line in form_lines(form):
        print(line)
    print(f"golden   {len(bundle.golden())} cases, replayed at every start")
    for note in manifest.notes:
        print(f"note     {note}")
    print(f"\nmodelport serve {out}")
    return 0


def run_export(source: Path, out: Path, options: ServeOptions, force: bool) -> int:
    """Write a model folder of MLflow and say how to load it."""
    from modelport.assembly import export_mlflow

    refuse_remote(str(source), options)
    if options.allow_pickle:
        sys.path.append(os.getcwd())
    for note in export_mlflow(source, out, options, force):
        print(f"note     {note}")
    print(f"{out}: a model folder of MLflow\n\nmlflow.pyfunc.load_model({str(out)!r})")
    return 0


def run_sign(path: Path, key: Path, password: Path | None, certificate: Path | None, chain: Path | None) -> int:
    """Sign a bundle and say how to have that checked."""
    from modelport.assembly import Signer, sign_bundle

    if chain is not None and certificate is None:
        raise ConfigError("--certificate-chain belongs to a --signing-certificate: give both, or the key alone")
    bundle = sign_bundle(path, Signer(key, _read_password(password), certificate, chain))
    print(f"{path}: version {bundle.version[:12]} is signed")
    against = "--public-key key.pub" if certificate is None else "--certificate-chain issuer.pem"
    print(f"\nmodelport serve {path} --require-signature {against}")
    return 0


def _read_password(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ConfigError(f"the file {path} cannot be read: {error.strerror}") from None


def run_verify(path: Path, options: ServeOptions) -> int:
    """Check a bundle and say what was found."""
    from modelport.assembly import verify_bundle

    if options.allow_pickle:
        sys.path.append(os.getcwd())
    for line in verify_bundle(path, options):
        print(line)
    return 0
