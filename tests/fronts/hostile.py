"""Bodies that no service should be harmed by, and what each is answered. One table for every way to serve.

They are sent to the `track` model of `tests.fronts.models`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from tests.fronts.models import TRACK


@dataclass(frozen=True)
class Case:
    """One request and its answer. `types` are the types of all problems, in order; empty for a 200."""

    name: str
    body: bytes
    status: int
    types: tuple[str, ...] = ()
    headers: dict[str, str | None] = field(default_factory=dict)
    loc: tuple[str | int, ...] | None = None
    hint: str = ""
    sent: object = ...
    """What `input` of the first problem must be."""
    said: str = ""
    """What its message must hold."""

    def __str__(self) -> str:
        return self.name


def track(**changes: Any) -> bytes:
    """A good record with some fields changed."""
    return json.dumps({**TRACK, **changes}).encode()


def raw(name: str, text: str) -> bytes:
    """A good record in which one value is this text, JSON or not."""
    return track(**{name: "@"}).replace(b'"@"', text.encode("utf-8", "surrogatepass"))


def without(name: str, **more: Any) -> bytes:
    """A good record that lacks one field and may have others."""
    return json.dumps({**{k: v for k, v in TRACK.items() if k != name}, **more}).encode()


GOOD = track()

FINE = [
    Case("a good record", GOOD, 200),
    Case("keys in any order", json.dumps(dict(reversed(TRACK.items()))).encode(), 200),
    Case("space around it", b" \r\n\t" + GOOD + b" \n", 200),
    Case("a whole number for a float", raw("tempo", "120"), 200),
    Case("a float without a fraction for a whole number", raw("plays", "3.0"), 200),
    Case("an escaped key", GOOD.replace(b"tempo", b"t\\u0065mpo"), 200),
    Case("a list of none", b"[]", 200),
    Case("a list of two", b"[" + GOOD + b"," + GOOD + b"]", 200),
    Case("no content type", GOOD, 200, headers={"content-type": None}),
    Case(
        "a content type in capitals with a charset",
        GOOD,
        200,
        headers={"content-type": "Application/JSON; Charset=UTF-8"},
    ),
    Case("a content type of the JSON family", GOOD, 200, headers={"content-type": "application/vnd.api+json"}),
    Case("no encoding, said aloud", GOOD, 200, headers={"content-encoding": "identity"}),
    Case("a category not seen before where others are answered", track(label="Green"), 200),
]

# fmt: off
MALFORMED = [
    Case("cut short", GOOD[:-1], 400, ("json_invalid",)),
    Case("two records without a list", GOOD + GOOD, 400, ("json_invalid",)),
    Case("a trailing comma", GOOD[:-1] + b",}", 400, ("json_invalid",)),
    Case("a comment", b"/* hello */" + GOOD, 400, ("json_invalid",)),
    Case("single quotes", b"{'tempo': 1}", 400, ("json_invalid",), hint="double quotes"),
    Case("a form under the name of JSON", b"tempo=120&plays=3", 400, ("json_invalid",), hint="form"),
    Case("NUL bytes", b"\0" * 100, 400, ("json_invalid",)),
    Case("a raw newline in a string", raw("label", '"a\nb"'), 400, ("json_invalid",)),
    Case("a leading zero", raw("tempo", "0120"), 400, ("json_invalid",)),
    Case("NaN", raw("tempo", "NaN"), 400, ("json_constant",), loc=("body", "tempo"), said="at line 1, column 11"),
    Case("Infinity", raw("tempo", "Infinity"), 400, ("json_constant",), loc=("body", "tempo")),
    Case(
        "NaN in the second record, after its word in a string",
        b"[" + track(label='NaN "Infinity') + b",\n {" + b'"a": [1, {"b": -Infinity}]}]',
        400,
        ("json_constant",),
        loc=("body", 1, "a", 1, "b"),
        said="-Infinity is not JSON (at line 2, column 18)",
    ),
    Case("NaN after more than is searched", b"[" + b'"N",\n' * 300_000 + b"NaN]", 400, ("json_constant",), loc=("body",),
         said="at line 300001, column 1"),
    Case("-Infinity", raw("tempo", "-Infinity"), 400, ("json_constant",)),
    Case("an empty body", b"", 400, ("empty_body",), hint="send for example"),
    Case("white space alone", b" \r\n\t ", 400, ("empty_body",)),
    Case("100,000 lists in one another", b"[" * 100_000 + b"]" * 100_000, 400, ("json_depth",)),
    Case("100,000 objects in one another", b'{"tempo":' * 100_000 + b"1" + b"}" * 100_000, 400, ("json_depth",)),
    Case("100,000 opened lists", b"[" * 100_000, 400, ("json_depth",)),
    Case("a key that stands twice", GOOD[:-1] + b', "tempo": 1}', 400, ("duplicate_key",), loc=("body", "tempo"),
         said="again at line 1, column 76"),
    Case("a key that stands twice in the second record", b"[" + GOOD + b",\n" + GOOD[:-1] + b',"live":1,"live":1}]', 400,
         ("duplicate_key",), loc=("body", 1, "live")),
    Case("a key that stands twice far into a list", b"[" + b"1," * 600_000 + b'{"a":1,"a":2}]', 400, ("duplicate_key",),
         loc=("body",), said="'a' stands twice"),
    Case("a key that stands twice, escaped", GOOD[:-1] + b', "t\\u0065mpo": 1}', 400, ("duplicate_key",)),
    Case("invalid UTF-8 in a value", raw("label", '"@"').replace(b"@", b"\xff\xfe"), 400, ("invalid_utf8",)),
    Case("invalid UTF-8 in a key", GOOD.replace(b"tempo", b"temp\xc3"), 400, ("invalid_utf8",)),
    Case("half a surrogate pair as bytes", raw("label", '"\ud800"'), 400, ("invalid_utf8",)),
    Case("a byte order mark", b"\xef\xbb\xbf" + GOOD, 400, ("byte_order_mark",)),
    Case("UTF-16", GOOD.decode().encode("utf-16"), 400, ("invalid_utf8",)),
    Case("UTF-16 without a mark", GOOD.decode().encode("utf-16-le"), 400, ("json_invalid",)),
    Case("UTF-32", GOOD.decode().encode("utf-32-le"), 400, ("json_invalid",)),
]
# fmt: on

FORM = "application/x-www-form-urlencoded"
MEDIA = [
    Case("a form", b"tempo=120&plays=3", 415, ("unsupported_media_type",), {"content-type": FORM}, hint="application/json"),
    Case("a multipart form", b"--x\r\n\r\n--x--", 415, ("unsupported_media_type",),
         {"content-type": "multipart/form-data; boundary=x"}),
    Case("plain text", GOOD, 415, ("unsupported_media_type",), {"content-type": "text/plain"}),
    Case("XML", b"<tempo>120</tempo>", 415, ("unsupported_media_type",), {"content-type": "application/xml"}),
    Case("a content type that is none", GOOD, 415, ("unsupported_media_type",), {"content-type": ";;;"}),
    Case("JSON in UTF-16", GOOD, 415, ("unsupported_media_type",), {"content-type": "application/json; charset=utf-16"}),
    Case("Brotli", GOOD, 415, ("unsupported_media_type",), {"content-encoding": "br"}, ("header", "content-encoding"),
         hint="gzip and deflate are read"),
    Case("Zstandard", GOOD, 415, ("unsupported_media_type",), {"content-encoding": "zstd"}, hint="gzip and deflate are read"),
    Case("compressed twice", gzip.compress(gzip.compress(GOOD)), 415, ("unsupported_media_type",),
         {"content-encoding": "gzip, gzip"}, hint="one at a time"),
    Case("an unknown encoding", GOOD, 415, ("unsupported_media_type",), {"content-encoding": "\xff" * 200}),
]  # fmt: skip

BARE = zlib.compressobj(wbits=-15)
LARGE = b"[" + b",".join([GOOD] * 1100) + b"]"
COMPRESSED = [
    Case("gzip", gzip.compress(GOOD), 200, headers={"content-encoding": "gzip"}),
    Case("gzip by its old name, in capitals", gzip.compress(GOOD), 200, headers={"content-encoding": "X-GZIP"}),
    Case("gzip of two members", gzip.compress(GOOD[:9]) + gzip.compress(GOOD[9:]), 200, headers={"content-encoding": "gzip"}),
    Case("deflate", zlib.compress(GOOD), 200, headers={"content-encoding": "deflate"}),
    Case("deflate without a head", BARE.compress(GOOD) + BARE.flush(), 200, headers={"content-encoding": "deflate"}),
    Case("gzip of many records", gzip.compress(LARGE), 200, headers={"content-encoding": "gzip"}),
    Case("gzip of many records, stored", gzip.compress(LARGE, 0), 200, headers={"content-encoding": "gzip"}),
    Case("gzip of an empty body", gzip.compress(b""), 400, ("empty_body",), {"content-encoding": "gzip"}),
    Case("gzip of a wrong record", gzip.compress(track(tempo="x")), 422, ("float_type",), {"content-encoding": "gzip"}),
    Case("an empty body, said to be gzip", b"", 400, ("invalid_compression",), {"content-encoding": "gzip"}, said="too early"),
    Case("JSON, said to be gzip", GOOD, 400, ("invalid_compression",), {"content-encoding": "gzip"}, ("body",), "uncompressed"),
    Case("JSON, said to be deflate", GOOD, 400, ("invalid_compression",), {"content-encoding": "deflate"}),
    Case("gzip, cut short", gzip.compress(GOOD)[:-9], 400, ("invalid_compression",), {"content-encoding": "gzip"},
         said="too early"),
    Case("gzip with a wrong sum", gzip.compress(GOOD)[:-8] + b"12345678", 400, ("invalid_compression",),
         {"content-encoding": "gzip"}, said="damaged"),
    Case("gzip with more after it", gzip.compress(GOOD) + b"{}", 400, ("invalid_compression",), {"content-encoding": "gzip"}),
    Case("deflate with more after it", zlib.compress(GOOD) + b"{}", 400, ("invalid_compression",),
         {"content-encoding": "deflate"}, said="after its end"),
    Case("gzip of 100 MB of spaces", gzip.compress(b" " * 10**8), 413, ("body_too_large",), {"content-encoding": "gzip"},
         said="larger than 16,777,216 bytes once it is decompressed", hint="--max-body"),
    Case("gzip of 100,000 members", gzip.compress(b"") * 100_000, 400, ("invalid_compression",), {"content-encoding": "gzip"}),
]  # fmt: skip

NUMBERS = [
    Case("1e400", raw("tempo", "1e400"), 422, ("finite_number",), loc=("body", "tempo"), hint="from 40 to 220", sent="1e400",
         said="32-bit floats, which end at 3.4e+38"),
    Case("-1e400", raw("tempo", "-1e400"), 422, ("finite_number",), sent="-1e400"),
    Case("1e39, too large for 32 bits", raw("tempo", "1e39"), 422, ("finite_number",), sent=1e39),
    Case("a number of 5,000 digits", raw("tempo", "9" * 5000), 422, ("finite_number",), sent="9" * 40 + "… (5,000 characters)"),
    Case("a whole number of 5,000 digits", raw("plays", "-" + "9" * 5000), 422, ("finite_number",)),
    Case("a whole number beyond 64 bits", raw("plays", "9223372036854775808"), 422, ("int_size",), sent="9223372036854775808",
         said="from -9,223,372,036,854,775,808 to 9,223,372,036,854,775,807"),
    Case(
        "a fraction for a whole number", track(plays=2.5), 422, ("int_from_float",), loc=("body", "plays"), hint="round"
    ),
    Case("a boolean for a float", track(tempo=True), 422, ("float_type",), hint="booleans are no numbers"),
    Case("a boolean for a whole number", track(plays=False), 422, ("int_type",), hint="booleans are no numbers"),
    Case("a number for a boolean", track(live=1), 422, ("bool_type",), hint="true or false"),
    Case("a number in quotes", track(tempo="120"), 422, ("float_type",), hint="send 120"),
    Case("NaN in quotes", track(tempo="NaN"), 422, ("float_type",)),
    Case("null where there must be a value", track(tempo=None), 422, ("float_type",), hint="for example"),
    Case("an object for a number", track(tempo={"a": {"b": {"c": 1}}}), 422, ("float_type",)),
    Case("a list for a number", track(plays=[1]), 422, ("int_type",)),
    Case("900 lists in one another for a number", raw("tempo", "[" * 900 + "]" * 900), 422, ("float_type",)),
]  # fmt: skip

STRINGS = [
    Case("half a surrogate pair in a value", raw("label", '"\\ud800"'), 422, ("string_unicode",)),
    Case("half a surrogate pair in a category", raw("genre", '"\\udfff"'), 422, ("string_unicode",)),
    Case("half a surrogate pair for a number", raw("tempo", '"\\ud800"'), 422, ("float_type",)),
    Case("half a surrogate pair in a key", GOOD[:-1] + b', "\\ud800": 1}', 422, ("extra_forbidden",)),
    Case("a number for a string", track(label=7), 422, ("string_type",)),
    Case("a category that is not known", track(genre="Rok"), 422, ("enum",), loc=("body", "genre"), hint="did you mean 'Rock'?"),
    Case("a category in other letters", track(genre="rock"), 422, ("enum",), hint="one of Rock, Pop, Hip-Hop"),
    Case("a long string for a category", track(genre="x" * 50_000), 422, ("enum",)),
]  # fmt: skip

RECORDS = [
    Case("a field that is not known", track(mood="sad"), 422, ("extra_forbidden",), loc=("body", "mood"), hint="tempo"),
    Case("a field too many, nearly right", track(temop=1), 422, ("extra_forbidden",), hint="did you mean 'tempo'?"),
    Case("a misspelt field", without("tempo", temop=120), 422, ("missing", "extra_forbidden"), hint="rename 'temop' to 'tempo'"),
    Case("a missing field", without("tempo"), 422, ("missing",), loc=("body", "tempo"), hint='add "tempo": 130.0'),
    Case("an empty object", b"{}", 422, ("missing",) * 5),
    Case("everything wrong at once", json.dumps({"tempo": "x", "plays": 1.5, "live": 0, "genre": None, "lable": 1}).encode(), 422,
         ("float_type", "int_from_float", "bool_type", "string_type", "missing", "extra_forbidden")),
    Case("a flat list for a model with names", b"[120, 3, true]", 422, ("record_type",) * 3, loc=("body", 0),
         hint="send for example"),
    Case("a list of lists for a model with names", b"[[120, 3]]", 422, ("record_type",)),
    Case("a number alone", b"1", 422, ("record_type",), loc=("body",)),
    Case("a string alone", b'"tempo"', 422, ("record_type",)),
    Case("null alone", b"null", 422, ("record_type",)),
    Case("true alone", b"true", 422, ("record_type",)),
    Case("a list with one bad record", b"[" + GOOD + b"," + track(tempo="x") + b"," + GOOD + b"]", 422, ("float_type",),
         loc=("body", 1, "tempo")),
    Case("a list with a null in it", b"[" + GOOD + b",null]", 422, ("record_type",), loc=("body", 1)),
    Case("900 lists in one another", b"[" * 900 + b"]" * 900, 422, ("record_type",)),
    Case("10,000 records that are all wrong", b"[" + b",".join([b"{}"] * 10_000) + b"]", 422, ("missing",) * 100),
    Case("10,000 fields that are not known", json.dumps({f"k{i}": i for i in range(10_000)}).encode(), 422,
         ("missing",) * 5 + ("extra_forbidden",) * 95),
]  # fmt: skip

CASES = [*FINE, *MALFORMED, *MEDIA, *COMPRESSED, *NUMBERS, *STRINGS, *RECORDS]
