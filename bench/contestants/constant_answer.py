"""The constant that the echoes answer: the bytes and headers of a real answer of Modelport.

The benchmark compares it with what Modelport answers in the same run, and measures nothing when the two differ.
"""

BODY = b'{"prediction":"Rock","probabilities":{"Hip-Hop":0.02083333395421505,"Rock":0.9791666865348816}}'

HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(BODY)).encode()),
    (b"model-name", b"genre"),
    (b"model-version", b"42613cadd6c6"),
    (b"request-id", b"590098e1d0d5-2b104"),
]
