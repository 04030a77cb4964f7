"""Signatures on their way between our own processes."""

from __future__ import annotations

import base64
import pickle

from modelport.kernel.signature import Signature


def pack_signature(signature: Signature) -> str:
    """A signature as text, for a process of our own."""
    return base64.b64encode(pickle.dumps(signature)).decode()


def unpack_signature(text: str) -> Signature:
    """The other direction; only ever fed from our own holder's line."""
    signature = pickle.loads(base64.b64decode(text))
    assert isinstance(signature, Signature)
    return signature
