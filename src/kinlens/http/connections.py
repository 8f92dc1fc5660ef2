"""uvicorn's HTTP protocol with bounds on slow heads and slow readers, which it leaves open.

A client that sends its headers slowly, or without end, would hold a connection or fill memory; so
would one that asks for large pictures and doesn't read them.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kinlens.http.outlet import EXTENSION, Outlet

HEAD_SECONDS = 15.0
HEAD_BYTES = 65_536
READ_SECONDS = 30.0
READ_BYTES = 65_536
"""That a client reads of an answer in each `READ_SECONDS`, at least; of a stream, which nothing
waits for, anything at all."""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class GuardedProtocol(HttpToolsProtocol):
    """Closes connections whose request heads are too slow or too large."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a new connection must send a head."""
        super().connection_made(transport)
        self._outlet = Outlet(transport, self.flow)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop_clock()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Watch a client that doesn't take what is sent."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has taken nearly all."""
        self._stop_watching()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """Let a request know the way out of its connection."""
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"outlet": self._outlet}}

    def data_received(self, data: bytes) -> None:
        """Take bytes; count those of a head that isn't complete."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before or self._in_body():
            self._stop_clock()
            return
        if self._head_timer is None:
            self._start_clock()
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _watch(self, left: int) -> None:
        self._read_timer = self.loop.call_later(READ_SECONDS, self._check_reader, left)

    def _check_reader(self, before: int) -> None:
        left = self.transport.get_write_buffer_size()
        if before - left < (1 if self._outlet.is_narrow else READ_BYTES):
            self.transport.abort()
        else:
            self._watch(left)

    def _stop_watching(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _in_body(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_clock(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_clock(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
