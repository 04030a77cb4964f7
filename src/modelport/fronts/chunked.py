"""A streamed answer on the direct path of our own server: a head, and then whatever comes, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelport.fronts.exchange import Headers, Writer

if TYPE_CHECKING:
    from modelport.fronts.protocol import DirectCall, ModelportProtocol


class ChunkedAnswer:
    """In chunks where the client speaks HTTP/1.1; else the end of the connection is the end of the answer."""

    def __init__(self, call: DirectCall, headers: Headers, writer: Writer) -> None:
        self.writer = writer
        self._call = call
        self._protocol: ModelportProtocol = call.protocol
        self._chunked = call.protocol.parser.get_http_version() == "1.1"
        if not self._chunked:
            call.keep_alive = False
        self._write_head(headers)

    def _write_head(self, headers: Headers) -> None:
        call, protocol = self._call, self._protocol
        ids: Headers = [(b"request-id", call.request_id)]
        framing: Headers = [(b"transfer-encoding", b"chunked")] if self._chunked else []
        ending: Headers = [] if call.keep_alive else [(b"connection", b"close")]
        head = protocol._render_head(200, [*headers, *ids, *framing, *ending])
        protocol.transport.write(head + b"\r\n")

    def write(self, part: bytes) -> bool:
        """Whether the connection takes more at once."""
        if part and not self._protocol.transport.is_closing():
            self._protocol.transport.write(b"%x\r\n%b\r\n" % (len(part), part) if self._chunked else part)
        return not self._protocol.flow.write_paused

    def finish(self, last: bytes) -> None:
        """The last part; then the connection goes on."""
        call, protocol = self._call, self._protocol
        call.response_complete = True
        if protocol.transport.is_closing():
            return
        self.write(last)
        if self._chunked:
            protocol.transport.write(b"0\r\n\r\n")
        if not call.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()
