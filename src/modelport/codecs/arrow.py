"""Arrow streams: tables, in and out. What a stream claims is checked before anything of it is unfolded.

Read are columns of plain values: each row of them takes up at least a bit of the body, so a small body holds no large table.
Types without that property (run-end encoded, views, compressed buffers) are refused; of columns without any value, and of rows in
all, there may be so many and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modelport.codecs.answers import CannotWrite
from modelport.codecs.extent import MOST_COST, read_pieces
from modelport.codecs.problems import invalid_body
from modelport.errors import InvalidInput, MissingExtra

HINT = "write the table with pyarrow.ipc.new_stream, uncompressed"
MAX_UNFOLDED = 8
"""Bytes that the values of dictionary columns may become, for each byte of the body; small bodies have more room."""

MOST_CELLS, MOST_RECORDS = 1_000_000, 100_000
"""Of a table, and of one that is read as records; larger bodies may have more."""

MOST_EMPTY = 1024 * 1024
"""Bytes of columns without any value, at 8 for each row of each; larger bodies may have as many as they have bytes."""

STEP_CELLS = 100_000
"""Cells that become Python's values at once, which takes about 20 ms; between two steps other threads have their turn."""

ROOM = 64 * 1024 * 1024


def read_arrow(body: bytes) -> Any:
    """The table of a stream. Raises InvalidInput."""
    pa = _pyarrow()
    try:
        batches = _read_batches(pa, body)
        for batch in batches[1]:
            batch.validate(full=True)
        table = pa.Table.from_batches(batches[1], batches[0])
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        raise invalid_body("arrow_invalid", f"The body is no Arrow stream: {_first_line(error)}", HINT) from None
    if table.num_rows * table.num_columns > max(MOST_CELLS, 8 * len(body)):  # columns without a value take no room
        message = f"The table has {table.num_rows:,} rows of {table.num_columns:,} columns"
        raise invalid_body("body_too_large", message, "send fewer records at once")
    empty = 8 * table.num_rows * sum(pa.types.is_null(kind) for kind in table.schema.types)
    if empty > max(MOST_EMPTY, 8 * len(body)):
        message = f"The table has {table.num_rows:,} rows of columns that hold nothing"
        raise invalid_body("body_too_large", message, "leave these columns out, or send fewer records at once")
    _check_unfolded(pa, table, len(body))
    return table


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ModuleNotFoundError:
        raise MissingExtra("Arrow", "arrow") from None
    return pa


def _read_batches(pa: Any, body: bytes) -> tuple[Any, list[Any]]:
    _refuse_compressed(pa, body)
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.ipc.open_stream(pa.py_buffer(body), options=options) as stream:
        for field in stream.schema:
            if not _is_plain(pa, field.type):
                hint = "cast the column to numbers, booleans, text, dates or dictionaries of text"
                raise invalid_body("arrow_type", f"The column {field.name!r} of type {field.type} is not read", hint)
        if len(set(stream.schema.names)) != len(stream.schema.names):
            raise invalid_body("arrow_invalid", "Two columns have one name", "give each column its own name")
        if not len(stream.schema):
            raise invalid_body("arrow_invalid", "The table has no columns", HINT)
        return stream.schema, list(stream)


def _refuse_compressed(pa: Any, body: bytes) -> None:
    """Walk the messages: the head of a batch tells whether its buffers are compressed."""
    source = pa.BufferReader(pa.py_buffer(body))
    while True:
        try:
            message = pa.ipc.read_message(source)
        except EOFError:
            return
        if message.type in ("record batch", "dictionary") and _is_compressed(
            message.metadata.to_pybytes(), message.type
        ):
            hint = "write the stream uncompressed; the whole request may be sent with Content-Encoding: gzip"
            raise invalid_body("arrow_compressed", "The buffers of the stream are compressed", hint)


def _is_compressed(metadata: bytes, kind: str) -> bool:
    """The field `compression` of the flatbuffer RecordBatch (Arrow's Message.fbs): the fourth of its table."""
    try:
        message = int.from_bytes(metadata[:4], "little")
        header = _follow(metadata, message, 2)
        if header is not None and kind == "dictionary":
            header = _follow(metadata, header, 1)
        return header is not None and _follow(metadata, header, 3) is not None
    except IndexError:
        return True  # not laid out as it must be


def _follow(data: bytes, table: int, field: int) -> int | None:
    """Where the table lies that a field of another one points to; None where the field is absent."""
    vtable = table - int.from_bytes(data[table : table + 4], "little", signed=True)
    if not 0 <= vtable < len(data) or table + 4 > len(data):
        raise IndexError
    if 4 + 2 * field + 2 > int.from_bytes(data[vtable : vtable + 2], "little"):
        return None
    offset = int.from_bytes(data[vtable + 4 + 2 * field : vtable + 6 + 2 * field], "little")
    at = table + offset
    return None if not offset else at + int.from_bytes(data[at : at + 4], "little")


def _is_plain(pa: Any, kind: Any) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        return bool(types.is_string(kind.value_type) or types.is_large_string(kind.value_type))
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_element(pa, kind.value_type)
    if types.is_fixed_size_list(kind):
        return kind.list_size > 0 and _is_element(pa, kind.value_type)
    if types.is_null(kind):  # a column of which nothing is known; how many there may be is checked with the rows
        return True
    checks = (types.is_integer, types.is_floating, types.is_boolean, types.is_string, types.is_large_string)
    return any(check(kind) for check in (*checks, types.is_timestamp, types.is_date, types.is_decimal128))


def _is_element(pa: Any, kind: Any) -> bool:
    """In lists, what takes no room of its own would have no bound."""
    return _is_plain(pa, kind) and not pa.types.is_dictionary(kind) and not pa.types.is_null(kind)


def _check_unfolded(pa: Any, table: Any, size: int) -> None:
    """A dictionary column names a long text in one byte, as often as it likes."""
    import pyarrow.compute as compute

    total = 0
    for column in table.columns:
        for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
            longest = compute.max(compute.binary_length(chunk.dictionary)).as_py() or 0
            total += longest * len(chunk)
    if total > max(ROOM, size * MAX_UNFOLDED):
        message = f"The dictionaries of the table unfold to {total:,} bytes"
        raise invalid_body("body_too_large", message, "send fewer records at once")


def arrow_to_frame(body: bytes) -> Any:
    """A pandas table. Raises InvalidInput."""
    table = read_arrow(body)
    return _convert(table.to_pandas)


def arrow_to_columns(body: bytes) -> dict[str, list[Any]]:
    """The columns by name; what is missing is None, which pandas could not tell from NaN. Raises InvalidInput."""
    table = read_arrow(body)
    columns: dict[str, list[Any]] = _convert(
        lambda: {name: table.column(name).to_pylist() for name in table.column_names}
    )
    return columns


def _convert(convert: Callable[[], Any]) -> Any:
    """What Arrow takes for valid, Python or pandas may not: a category that stands twice, a date beyond the calendar."""
    try:
        return convert()
    except Exception as error:  # of any of three libraries, about values of the body alone
        raise invalid_body("arrow_invalid", f"A value cannot be read: {_first_line(error)}", HINT) from None


def arrow_to_json(body: bytes) -> bytes:
    """The rows as a list of records. Raises InvalidInput, also for NaN: what is missing is null in Arrow."""
    import msgspec

    from modelport.codecs.answers import count_none_floats

    table = read_arrow(body)
    if table.num_rows > max(MOST_RECORDS, len(body) // 8):  # a record takes up far more room than a bit or a byte
        message = f"The table has {table.num_rows:,} rows, too many for its size"
        raise invalid_body("body_too_large", message, "send fewer records at once")
    if table.num_rows * table.num_columns > MOST_COST:
        message = (
            f"The table has {table.num_rows:,} rows of {table.num_columns:,} columns, more than {MOST_COST:,} values"
        )
        raise invalid_body("body_too_large", message, "send fewer records at once")
    parts = []
    step = max(1, STEP_CELLS // (table.num_columns + 1))
    for start in range(0, table.num_rows, step):
        rows = _convert(table.slice(start, step).to_pylist)
        try:
            encoded = msgspec.json.encode(rows)
        except (UnicodeEncodeError, TypeError, ValueError) as error:
            raise invalid_body("arrow_invalid", f"A value cannot be read: {_first_line(error)}", HINT) from None
        if b"null" in encoded and count_none_floats(rows):
            hint = "send null where values are missing"
            raise invalid_body("number_not_finite", "The table holds NaN or infinity", hint)
        parts.append(encoded[1:-1])
    return b"[%b]" % b",".join(parts)


def write_arrow(value: Any) -> bytes:
    """A stream of a table: a DataFrame, records, an object of columns. Raises CannotWrite."""
    pa = _pyarrow()
    try:
        table = _table_of(pa, value)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        raise CannotWrite(f"it is no table: {_first_line(error)}") from None
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _table_of(pa: Any, value: Any) -> Any:
    if isinstance(value, pa.Table):
        return value
    if hasattr(value, "iloc") and hasattr(value, "columns"):
        return pa.Table.from_pandas(value, preserve_index=False).replace_schema_metadata(None)
    if hasattr(value, "to_arrow"):
        return value.to_arrow()
    rows = _plain_rows(value)
    return pa.table(rows) if isinstance(rows, dict) else pa.Table.from_pylist(rows)


def _plain_rows(value: Any) -> Any:
    """Records as dictionaries, in the values that JSON would have."""
    import msgspec

    from modelport.codecs.answers import encode_answer

    rows = msgspec.json.decode(encode_answer(value))
    if isinstance(rows, dict):
        return rows if rows and all(isinstance(v, list) for v in rows.values()) else [rows]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TypeError("records are wanted, or columns")
    return rows


def json_to_arrow(answer: bytes) -> bytes:
    """The answers of a saved model as a table: nested objects become columns called a.b. Raises CannotWrite."""
    rows: list[Any] = []
    for piece in read_pieces(answer):
        rows += [_flatten(row) for row in (piece if isinstance(piece, list) else [piece])]
    if sum(map(len, rows)) > MOST_COST:
        raise CannotWrite(f"it has more than {MOST_COST:,} values")
    return write_arrow(rows)


def _flatten(row: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(row, dict):
        return {prefix.rstrip(".") or "value": row}
    found: dict[str, Any] = {}
    for name, value in row.items():
        found |= _flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def join_arrow(parts: list[bytes]) -> bytes:
    """One table of the tables of a batch. Raises CannotWrite where their columns differ."""
    pa = _pyarrow()
    tables = [pa.ipc.open_stream(part).read_all() for part in parts]
    if any(not table.schema.equals(tables[0].schema) for table in tables):
        raise CannotWrite("the tables of the batch differ in their columns")
    return write_arrow(pa.concat_tables(tables))


def _first_line(error: BaseException) -> str:
    if isinstance(error, InvalidInput):
        raise error
    return (str(error) or type(error).__name__).partition("\n")[0][:200]
