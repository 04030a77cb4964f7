"""Signatures of bundles, in the format of OpenSSF Model Signing: made with a private key, held against the public one.

A signature lies inside the bundle as `model.sig` and covers every other file in it. Nothing here asks the network, and nothing of
the library is imported before it is needed.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.artifacts.bundle import MANIFEST, SIGNATURE, hash_files
from modelport.errors import ArtifactError, ConfigError, MissingExtra

LARGEST_SIGNATURE = 64 * 2**20
BY_KEY, BY_CERTIFICATE, BY_IDENTITY = "publicKey", "x509CertificateChain", "certificate"
"""What a signature names as its maker; the last is Sigstore's, and is checked over the network alone."""

MAKE_KEY = "make one:  openssl ecparam -name prime256v1 -genkey -noout -out key.pem"


@dataclass(frozen=True, slots=True)
class Trust:
    """What a signature is held against: one key, or whoever holds a certificate that these issuers vouch for."""

    public_key: Path | None = None
    certificate_chain: Path | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose name is put to a bundle. `password` opens a private key that is encrypted."""

    private_key: Path
    password: bytes | None = None
    certificate: Path | None = None
    certificate_chain: Path | None = None


# -- signing -------------------------------------------------------------------------------------------------------


def sign_folder(folder: Path, signer: Signer) -> None:
    """Write the signature into the folder. Raises ConfigError where the key or a certificate is none that can sign."""
    _require_library()
    config = _signing_config(signer).set_hashing_config(_hashing())
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as draft:
        config.sign(folder, Path(draft) / SIGNATURE)
        (Path(draft) / SIGNATURE).replace(folder / SIGNATURE)


def _signing_config(signer: Signer) -> Any:
    from model_signing import signing

    _check_private_key(signer)
    if signer.certificate is None:
        return signing.Config().use_elliptic_key_signer(
            private_key=signer.private_key,
            password=signer.password,  # it hands on what it gets, and wants bytes
        )
    for path in filter(None, (signer.certificate, signer.certificate_chain)):
        _certificates(path)
    try:
        return signing.Config().use_certificate_signer(
            private_key=signer.private_key,
            signing_certificate=signer.certificate,
            certificate_chain=[signer.certificate_chain or signer.certificate],  # it takes no empty chain
        )
    except ValueError as error:
        raise ConfigError(f"{signer.certificate} is no certificate of the key {signer.private_key}: {error}") from None


def _check_private_key(signer: Signer) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path, text = signer.private_key, _read(signer.private_key)
    try:
        key: Any = load_pem_private_key(text, signer.password)
    except TypeError:  # of a key that is encrypted, and of a password for one that is not
        wrong = "is encrypted: say --password-file" if signer.password is None else "has no password: leave it out"
        raise ConfigError(f"the private key {path} {wrong}") from None
    except ValueError as error:
        hint = "the password is wrong, or the file is damaged" if signer.password else MAKE_KEY
        raise ConfigError(f"{path} is no private key in PEM form ({error}); {hint}") from None
    _check_curve(key, path)
    if signer.certificate and signer.password:
        raise ConfigError(f"{path} is encrypted, which works without --signing-certificate only: decrypt it first")


def _check_curve(key: Any, path: Path) -> None:
    curve = getattr(getattr(key, "curve", None), "name", type(key).__name__.removeprefix("_"))
    if curve not in ("secp256r1", "secp384r1", "secp521r1"):
        raise ConfigError(f"{path} is a key of the kind {curve}; signatures want one of the curve P-256: {MAKE_KEY}")


# -- checking ------------------------------------------------------------------------------------------------------


def check_signature(folder: Path, version: str, trust: Trust) -> str:
    """Hold the signature of a folder against what is trusted, and every file against the signature; who has signed.

    `version` is the digest of the manifest that was read. Raises ArtifactError with the file that is not what was signed,
    ConfigError where a key or certificate cannot be read.
    """
    _require_library()
    text = read_signature(folder)
    material = _material(folder, text)
    _refuse_other_digests(folder, text)
    config = _verifying_config(folder, material, trust)
    with tempfile.TemporaryDirectory() as private:  # what was read is what is checked
        copy = Path(private) / SIGNATURE
        copy.write_bytes(text)
        try:
            config.verify(folder, copy)
        except Exception as error:  # it raises whatever its parts raise
            raise _refusal(folder, text, trust, error) from None
    signed = _signed_files(text)
    if signed.get(MANIFEST) != version:
        raise ArtifactError(f"{folder}: {MANIFEST} is not covered by the signature; sign it again:  modelport sign")
    return _who(folder, material, trust)


def read_signature(folder: Path) -> bytes:
    """The signature's text. Raises ArtifactError where there is none."""
    try:
        with (folder / SIGNATURE).open("rb") as file:
            text = file.read(LARGEST_SIGNATURE + 1)
    except FileNotFoundError:
        raise ArtifactError(
            f"{folder} is not signed: it holds no {SIGNATURE}. Sign it:  modelport sign {folder} --private-key key.pem"
        ) from None
    except OSError as error:
        raise ArtifactError(f"{folder}/{SIGNATURE} cannot be read: {error.strerror}") from None
    if len(text) > LARGEST_SIGNATURE:
        raise ArtifactError(f"{folder}/{SIGNATURE} is larger than any signature; it is damaged or forged")
    return text


def claimed_signer(folder: Path) -> str:
    """Who a signature says has made it, unchecked. Raises ArtifactError where it is damaged."""
    material = _material(folder, read_signature(folder))
    match _kind(material):
        case "publicKey":
            return f"with the key of SHA-256 {_fingerprint(material)}"
        case "x509CertificateChain":
            return "with a certificate"
    return "with Sigstore"


def _material(folder: Path, text: bytes) -> Mapping[str, Any]:
    """What a signature says of its maker."""
    try:
        material = json.loads(text)["verificationMaterial"]
        _signed_files(text)
        dict(_predicate(text).get("serialization", {}))
        if _kind(material):
            return dict(material)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ArtifactError(f"{folder}/{SIGNATURE} is damaged: it is no signature of OpenSSF Model Signing; sign it again")


def _kind(material: Mapping[str, Any]) -> str:
    return next((kind for kind in (BY_KEY, BY_CERTIFICATE, BY_IDENTITY) if material.get(kind)), "")


def _fingerprint(material: Mapping[str, Any]) -> str:
    return str(material[BY_KEY].get("hint", "unknown"))[:64]


def _signed_files(text: bytes) -> dict[str, str]:
    """The digests of files by name, as the signature has them."""
    return {str(entry["name"]): str(entry["digest"]) for entry in _predicate(text)["resources"]}


def _predicate(text: bytes) -> Mapping[str, Any]:
    payload = json.loads(base64.b64decode(json.loads(text)["dsseEnvelope"]["payload"]))
    return dict(payload["predicate"])


def _refuse_other_digests(folder: Path, text: bytes) -> None:
    """Other programs can be told to sign other digests, or parts of files; they would all look like changed files."""
    how = _predicate(text).get("serialization", {})
    if (how.get("method"), how.get("hash_type")) != ("files", "sha256"):
        found = f"{how.get('hash_type', 'unknown digests')} of {how.get('method', 'unknown parts')}"
        raise ArtifactError(
            f"{folder}/{SIGNATURE} signs {found}, read here is sha256 of files: sign it again, with the defaults"
        )


def _verifying_config(folder: Path, material: Mapping[str, Any], trust: Trust) -> Any:
    from model_signing import verifying

    config, kind = verifying.Config().set_hashing_config(_hashing()), _kind(material)
    if kind == BY_IDENTITY:
        raise ArtifactError(
            f"{folder} was signed with Sigstore, which is checked over the network; sign it with a key or a certificate"
        )
    if trust.public_key is not None and kind == BY_KEY:
        _check_public_key(trust.public_key)
        return config.use_elliptic_key_verifier(public_key=trust.public_key)
    if trust.certificate_chain is not None and kind == BY_CERTIFICATE:
        _check_validity(folder, material, trust.certificate_chain)
        return config.use_certificate_verifier(certificate_chain=[trust.certificate_chain])
    made, say = ("key", "--public-key") if kind == BY_KEY else ("certificate", "--certificate-chain")
    raise ArtifactError(f"{folder} was signed with a {made}: say {say} FILE to have it checked")


def _check_public_key(path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path))
    except ValueError as error:
        hint = "take it from the private one:  openssl ec -in key.pem -pubout -out key.pub"
        raise ConfigError(f"{path} is no public key in PEM form ({error}); {hint}") from None
    _check_curve(key, path)


def _check_validity(folder: Path, material: Mapping[str, Any], roots: Path) -> None:
    """Certificates must be valid now: a signature bears no time that could be trusted, so it cannot be older than they are."""
    from cryptography import x509
    from OpenSSL import crypto

    store = crypto.X509Store()
    for root in _certificates(roots):
        store.add_cert(crypto.X509.from_cryptography(root))
    try:
        entries = material[BY_CERTIFICATE]["certificates"]
        chain = [x509.load_der_x509_certificate(base64.b64decode(entry["rawBytes"])) for entry in entries]
        leaf, *between = [crypto.X509.from_cryptography(certificate) for certificate in chain]
    except (ValueError, KeyError, TypeError):
        raise ArtifactError(f"{folder}/{SIGNATURE} holds a certificate that cannot be read; sign it again") from None
    try:
        crypto.X509StoreContext(store, leaf, between).verify_certificate()
    except crypto.X509StoreContextError as error:
        culprit = error.certificate.to_cryptography()
        until = f"it is valid from {culprit.not_valid_before_utc:%Y-%m-%d} to {culprit.not_valid_after_utc:%Y-%m-%d}"
        raise ArtifactError(
            f"{folder} was signed with the certificate {chain[0].subject.rfc4514_string()}, which {roots} does not vouch for: "
            f"{error} ({culprit.subject.rfc4514_string()}; {until}). Sign it with one that is valid, or trust its issuer"
        ) from None


def _certificates(path: Path) -> list[Any]:
    from cryptography import x509

    try:
        return list(x509.load_pem_x509_certificates(_read(path)))
    except ValueError as error:
        raise ConfigError(f"{path} holds no certificates in PEM form: {error}") from None


def _refusal(folder: Path, text: bytes, trust: Trust, error: Exception) -> ArtifactError:
    """Why the library has refused: the wrong key, or else the first file that is not what was signed."""
    held = trust.public_key or trust.certificate_chain
    wrong_key = (
        f"{folder} was not signed by whom {held} belongs to: sign it with that key, or say which it was signed with"
    )
    if type(error).__name__ == "InvalidSignature" or "Key mismatch" in str(error):
        return ArtifactError(wrong_key)
    if "Signature mismatch" in str(error):
        return ArtifactError(f"{folder}: {_first_difference(folder, _signed_files(text))}; build it anew and sign that")
    reason = f"{type(error).__name__}: {str(error).strip()[:200]}"
    return ArtifactError(f"{folder}/{SIGNATURE} does not hold ({reason}); sign it again")


def _first_difference(folder: Path, signed: Mapping[str, str]) -> str:
    there = hash_files(folder)
    for name, digest in sorted(signed.items()):
        if there.get(name) != digest:
            return f"{name} was {'changed' if name in there else 'taken away'} after it was signed"
    extra = next((name for name in sorted(there) if name not in signed), "a file")
    return f"{extra} was added after it was signed"


def _who(folder: Path, material: Mapping[str, Any], trust: Trust) -> str:
    if trust.public_key is not None:
        return f"the key {trust.public_key} (SHA-256 {_fingerprint(material)})"
    from cryptography import x509

    leaf = x509.load_der_x509_certificate(base64.b64decode(material[BY_CERTIFICATE]["certificates"][0]["rawBytes"]))
    issuer = f"issued by {leaf.issuer.rfc4514_string()}, valid until {leaf.not_valid_after_utc:%Y-%m-%d}"
    return f"{leaf.subject.rfc4514_string()} ({issuer})"


# -- the library ---------------------------------------------------------------------------------------------------


def _hashing() -> Any:
    """Every file but the signature, those of git, which the library leaves out if not told, among them."""
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _require_library() -> None:
    try:
        import model_signing.signing
        import model_signing.verifying  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("a signature", "sign") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
