"""The constant that the echoes answer: the bytes and headers of a real answer of Modelport.

The benchmark compares it with what Modelport answers in the same run, and measures nothing when the two differ.
"""

BODY = b'{"prediction":"Rock","probabilities":{"Hip-Hop":0.02083333395421505,"Rock":0.9791666865348816}}'

HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(BODY)).encode()),
    (b"model-name", b"genre"),
    (b"model-version", b"9f86d081884c"),
    (b"request-id", b"0b8f5a1e7c2d4f60a3b1c9d7e5f40213"),
]
