"""Signing bundles, and telling who has signed one."""

from __future__ import annotations

from pathlib import Path

from modelport.artifacts.bundle import SIGNATURE, Bundle, check_files, is_bundle, read_bundle
from modelport.artifacts.signing import Signer, Trust, check_signature, claimed_signer, sign_folder
from modelport.config import ServeOptions
from modelport.errors import ArtifactError


def sign_bundle(path: Path, signer: Signer) -> Bundle:
    """Sign a bundle that is what it was; what was signed before is signed anew. Raises SetupError."""
    if not path.exists():
        raise ArtifactError(f"the bundle {path} does not exist")
    if not is_bundle(path):
        raise ArtifactError(f"{path} is no bundle: write one with  modelport build,  and sign that")
    bundle = read_bundle(path)
    check_files(bundle)
    try:
        sign_folder(path, signer)
    except OSError as error:
        raise ArtifactError(f"the signature cannot be written to {path}: {error.strerror or error}") from None
    return bundle


def check_signer(bundle: Bundle, options: ServeOptions) -> str:
    """Who has signed a bundle. Raises ArtifactError where that is nobody who is trusted, or not what lies there."""
    return check_signature(bundle.path, bundle.version, Trust(options.public_key, options.certificate_chain))


def tell_signer(bundle: Bundle, options: ServeOptions) -> str:
    """One line on the signature: checked where there is something to hold it against."""
    if options.must_be_signed:
        return f"signed by {check_signer(bundle, options)}"
    if not (bundle.path / SIGNATURE).exists():
        return "not signed"
    return f"signed {claimed_signer(bundle.path)}, unchecked: say --public-key or --certificate-chain"
