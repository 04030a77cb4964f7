"""Signatures of bundles: whoever is trusted must have signed exactly what lies there."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelport.artifacts.bundle import read_bundle
from modelport.assembly import Signer, build_bundle, sign_bundle, verify_bundle
from modelport.assembly.forms import open_form
from modelport.config import resolve
from modelport.errors import ArtifactError, ConfigError, SetupError
from tests.artifacts.test_bundles import seal
from tests.serving import serving

pytest.importorskip("model_signing", reason="needs modelport[sign]")

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def write_key(path: Path, key: Any = None, password: bytes | None = None) -> Any:
    """A private key beside its public one (`.pub`)."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return key


def write_certificate(path: Path, name: str, key: Any, issuer: tuple[str, Any], ends: datetime.datetime) -> None:
    """A certificate that may sign what is no certificate; one of its own issuer is a root."""
    root = issuer[0] == name
    usage = x509.KeyUsage(not root, False, False, False, False, root, root, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer[0]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 100 * DAY)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer[1], hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(Encoding.PEM))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys and certificates: ours and others'."""
    folder = tmp_path_factory.mktemp("keys")
    key, _ = write_key(folder / "key.pem"), write_key(folder / "other.pem")
    write_key(folder / "locked.pem", password=b"secret")
    write_key(folder / "rsa.pem", rsa.generate_private_key(65537, 2048))
    root, stranger = write_key(folder / "root-key.pem"), write_key(folder / "stranger-key.pem")
    write_certificate(folder / "root.pem", "Root", root, ("Root", root), NOW + DAY)
    write_certificate(folder / "stranger.pem", "Stranger", stranger, ("Stranger", stranger), NOW + DAY)
    write_certificate(folder / "maker.pem", "Maker", key, ("Root", root), NOW + DAY)
    write_certificate(folder / "expired.pem", "Maker", key, ("Root", root), NOW - DAY)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, music: Any, keys: Path) -> Path:
    """A bundle that is signed with our key; tests that change it take a copy."""
    out = tmp_path_factory.mktemp("signed") / "genre.bundle"
    build_bundle(music.joblib, out, resolve({"no_compile": True}))
    sign_bundle(out, Signer(keys / "key.pem"))
    return out


@pytest.fixture
def bundle(built: Path, tmp_path: Path) -> Path:
    """A copy of it, under another name."""
    return Path(shutil.copytree(built, tmp_path / "copied.bundle"))


def verify(bundle: Path, **given: Any) -> list[str]:
    return verify_bundle(bundle, resolve({name: str(value) for name, value in given.items()}))


def test_verify_tells_who_has_signed_and_whether_that_was_checked(bundle: Path, keys: Path) -> None:
    assert any(
        line.startswith(f"signed by the key {keys}/key.pub (SHA-256 ")
        for line in verify(bundle, public_key=keys / "key.pub")
    )
    assert any("unchecked" in line for line in verify(bundle))
    (bundle / "model.sig").unlink()
    assert "not signed" in verify(bundle)


def test_signing_leaves_the_version_as_it_was(bundle: Path, keys: Path) -> None:
    before = read_bundle(bundle).version
    sign_bundle(bundle, Signer(keys / "other.pem"))
    assert read_bundle(bundle).version == before
    assert verify(bundle, public_key=keys / "other.pub")


def test_a_locked_key_signs_with_its_password_alone(bundle: Path, keys: Path) -> None:
    sign_bundle(bundle, Signer(keys / "locked.pem", b"secret"))
    assert verify(bundle, public_key=keys / "locked.pub")
    with pytest.raises(ConfigError, match=r"locked\.pem is encrypted: say --password-file"):
        sign_bundle(bundle, Signer(keys / "locked.pem"))
    with pytest.raises(ConfigError, match="the password is wrong"):
        sign_bundle(bundle, Signer(keys / "locked.pem", b"other"))


def test_a_certificate_tells_whose_it_is(bundle: Path, keys: Path) -> None:
    sign_bundle(bundle, Signer(keys / "key.pem", certificate=keys / "maker.pem"))
    found = verify(bundle, certificate_chain=keys / "root.pem")
    assert any(line.startswith("signed by CN=Maker (issued by CN=Root, valid until") for line in found)


@pytest.mark.parametrize(
    ("certificate", "chain", "said"),
    [
        ("expired.pem", "root.pem", "certificate has expired"),
        ("maker.pem", "stranger.pem", "stranger.pem does not vouch for"),
    ],
)
def test_an_expired_or_unknown_certificate_is_refused(
    bundle: Path, keys: Path, certificate: str, chain: str, said: str
) -> None:
    sign_bundle(bundle, Signer(keys / "key.pem", certificate=keys / certificate))
    with pytest.raises(ArtifactError, match=said):
        verify(bundle, certificate_chain=keys / chain)


@pytest.mark.parametrize(
    ("signer", "said"),
    [
        ({"private_key": "rsa.pem"}, r"rsa\.pem is a key of the kind RSAPrivateKey"),
        ({"private_key": "key.pub"}, r"key\.pub is no private key in PEM form"),
        ({"private_key": "none.pem"}, r"none\.pem cannot be read"),
        ({"private_key": "other.pem", "certificate": "maker.pem"}, r"maker\.pem is no certificate of the key"),
        ({"private_key": "key.pem", "certificate": "key.pub"}, r"key\.pub holds no certificates"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_by_name(bundle: Path, keys: Path, signer: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        sign_bundle(bundle, Signer(**{name: keys / file for name, file in signer.items()}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"public_key": "other.pub"}, r"was not signed by whom .*other\.pub belongs to"),
        ({"public_key": "rsa.pub"}, r"rsa\.pub is a key of the kind RSAPublicKey"),
        ({"public_key": "key.pem"}, r"key\.pem is no public key in PEM form"),
        ({"certificate_chain": "root.pem"}, "was signed with a key: say --public-key"),
    ],
)
def test_another_key_is_refused_by_name(bundle: Path, keys: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        verify(bundle, **{name: keys / file for name, file in given.items()})


def change_and_seal(bundle: Path) -> None:
    (bundle / "original" / "genre.joblib").write_bytes(b"another model")
    seal(bundle)


def change_what_was_measured(bundle: Path) -> None:
    (bundle / "measured.json").write_text("{}\n\n")


def add_and_seal(bundle: Path) -> None:
    (bundle / "original" / ".gitignore").write_text("*")
    seal(bundle)


def drop_the_signature(bundle: Path) -> None:
    (bundle / "model.sig").unlink()


def cut_the_signature(bundle: Path) -> None:
    text = (bundle / "model.sig").read_bytes()
    (bundle / "model.sig").write_bytes(text[: len(text) // 2])


def forge_the_signature(bundle: Path) -> None:
    text = (bundle / "model.sig").read_text()
    at = text.index('"sig":"') + 30
    (bundle / "model.sig").write_text(text[:at] + ("B" if text[at] == "A" else "A") + text[at + 1 :])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_and_seal, "manifest.json was changed after it was signed"),
        (change_what_was_measured, "measured.json was changed after it was signed"),
        (add_and_seal, "manifest.json was changed after it was signed"),
        (drop_the_signature, "is not signed: it holds no model.sig"),
        (cut_the_signature, "model.sig is damaged"),
        (forge_the_signature, "was not signed by whom"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_not_what_was_signed_is_refused_by_name(
    bundle: Path, keys: Path, change: Callable[[Path], None], said: str
) -> None:
    change(bundle)
    with pytest.raises(ArtifactError, match=said):
        verify(bundle, public_key=keys / "key.pub")


def test_what_another_program_of_the_standard_has_signed_is_taken(bundle: Path, keys: Path) -> None:
    (bundle / "model.sig").unlink()
    where = ["--signature", str(bundle / "model.sig")]
    command = [sys.executable, "-m", "model_signing"]
    subprocess.run([*command, "sign", "key", str(bundle), *where, "--private_key", str(keys / "key.pem")], check=True)
    assert verify(bundle, public_key=keys / "key.pub")
    sign_bundle(bundle, Signer(keys / "key.pem"))
    subprocess.run([*command, "verify", "key", str(bundle), *where, "--public_key", str(keys / "key.pub")], check=True)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"paths": ["manifest.json", "model.sig"]}, "manifest.json is not covered by the signature"),
        ({"hashing_algorithm": "blake3"}, "signs blake3 of files, read here is sha256 of files"),
    ],
)
def test_a_signature_that_leaves_something_open_is_refused(
    bundle: Path, keys: Path, how: dict[str, Any], said: str
) -> None:
    from model_signing import hashing, signing

    (bundle / "model.sig").unlink()
    config = hashing.Config()
    config.set_ignored_paths(**how) if "paths" in how else config.use_file_serialization(**how)
    signer = signing.Config().use_elliptic_key_signer(private_key=keys / "key.pem")
    signer.set_hashing_config(config).sign(bundle, bundle / "model.sig")
    with pytest.raises(ArtifactError, match=said):
        verify(bundle, public_key=keys / "key.pub")


def test_serving_takes_what_is_signed_and_nothing_else(bundle: Path, keys: Path, music: Any) -> None:
    key, other = str(keys / "key.pub"), str(keys / "other.pub")
    with serving(bundle, require_signature=True, public_key=key) as service:
        assert service.get("/readyz").status_code == 200
    with pytest.raises(AssertionError, match="was not signed by whom"), serving(bundle, public_key=other):
        pass
    with (
        pytest.raises(AssertionError, match="is no bundle, so it bears no signature"),
        serving(music.joblib, public_key=key),
    ):
        pass


def test_a_form_that_was_decided_without_a_check_is_not_opened(bundle: Path, keys: Path) -> None:
    form = {
        "form": "original",
        "executor": "process",
        "reason": "",
        "why": "the compiler ended",
        "folder": "",
        "signed": "",
    }
    options = resolve({"public_key": str(keys / "key.pub")})
    with pytest.raises(ArtifactError, match="its signature was not checked: the compiler ended"):
        open_form(form, bundle, options)
    assert open_form({**form, "signed": read_bundle(bundle).version}, bundle, options).model


def test_requiring_a_signature_wants_something_to_hold_it_against() -> None:
    with pytest.raises(ConfigError, match="--require-signature needs --public-key or --certificate-chain"):
        resolve({"require_signature": True})


def test_a_file_with_options_names_no_key_to_trust(tmp_path: Path) -> None:
    (tmp_path / "modelport.toml").write_text("public_key = 'key.pub'\n")
    with pytest.raises(ConfigError, match=r"public_key may not be said in a file.*MODELPORT_PUBLIC_KEY=…"):
        resolve({}, {}, tmp_path)
