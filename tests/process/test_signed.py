"""Bundles that must be signed, in real processes: at the start, and at a reload."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import joblib
import pytest

from modelport.assembly import Signer, build_bundle, sign_bundle
from modelport.config import resolve
from tests.process.engine import serve, until

pytest.importorskip("model_signing", reason="needs modelport[sign]")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Signed with key.pem, beside key.pub."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
    from sklearn.linear_model import LinearRegression

    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pub").write_bytes(public)
    joblib.dump(LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]), tmp_path / "line.joblib")
    out = tmp_path / "line.bundle"
    build_bundle(tmp_path / "line.joblib", out, resolve({}))
    sign_bundle(out, Signer(tmp_path / "key.pem"))
    return out


@pytest.mark.slow
def test_a_reload_takes_no_bundle_whose_signature_does_not_hold(bundle: Path) -> None:
    with serve(bundle, "--require-signature", "--public-key", "key.pub") as served:
        assert served.predict({"x0": 3.0}).json["prediction"] == pytest.approx(7.0)
        assert "compiled" in served.text()
        measured = bundle / "measured.json"
        whole = measured.read_bytes()
        measured.write_bytes(b"{}")
        served.signal(signal.SIGHUP)
        served.wait_for("measured.json was changed after it was signed", 30)
        served.wait_for("what served before goes on", 30)
        assert served.predict({"x0": 3.0}).status == 200
        measured.write_bytes(whole)
        workers = served.children("worker")
        served.signal(signal.SIGHUP)
        until(lambda: not set(workers) & set(served.children("worker")), 20)
        assert served.predict({"x0": 3.0}).status == 200
        assert "Traceback" not in served.text()


def test_a_start_is_refused_with_one_line(bundle: Path) -> None:
    (bundle / "model.sig").unlink()
    command = [sys.executable, "-m", "modelport", "serve", bundle.name, "--port", "0", "--public-key", "key.pub"]
    done = subprocess.run(command, cwd=bundle.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("modelport: ")
    assert "line.bundle is not signed: it holds no model.sig" in line
