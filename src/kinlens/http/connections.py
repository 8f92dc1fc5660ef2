"""uvicorn's HTTP protocol with the bounds that it leaves open.

A client that sends its headers slowly, or without end, would hold a connection or fill memory; so
would one that asks for large pictures and doesn't read them, and many connections that do nothing.
A request that is refused before its body has come is answered at once; what still comes of the body
is read and thrown away for a while, since closing a socket with unread data resets the connection,
and the client would lose the answer.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from kinlens.errors import Overloaded
from kinlens.http.connection_table import ConnectionTable
from kinlens.http.outlet import EXTENSION, Outlet
from kinlens.http.problems import respond

SMALL_BODY = 65_536
"""Bytes of a refused body that are awaited, so that the connection can be kept."""

SMALL_BODY_SECONDS = 1.0
LINGER_BYTES = 80_000_000
"""Bytes of a refused body that are thrown away at most, before the connection is closed."""

LINGER_HEAD_BYTES = 1_000_000
"""The same for what isn't a request."""

LINGER_SECONDS = 30.0
LINGER_SILENCE = 5.0
"""Seconds without a byte after which a connection with a refused body is closed."""

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
_NOT_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\n"
    b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"
)


class GuardedProtocol(HttpToolsProtocol):
    """A connection with bounds on heads, on refused bodies and on slow readers.

    Parameters
    ----------
    table : of the server's connections
    """

    def __init__(self, *args: Any, table: ConnectionTable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table
        self._address = ""
        self._refusal: str | None = None
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._linger_end = 0.0
        self._linger_left = 0
        self._ignores_input = False
        self._ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a new connection must send a head."""
        super().connection_made(transport)
        self._outlet = Outlet(transport, self.flow)
        self._start_clock()
        self._address = self.client[0] if self.client else ""
        self._refusal = self._table.add(self, self._address)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._table.remove(self, self._address)
        self._stop_clock()
        self._stop_watching()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)
        for cycle, _ in self.pipeline:
            cycle.disconnected = True
        self.pipeline.clear()

    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self._ended or self.cycle is None or self.cycle.response_complete

    def drop(self) -> None:
        """Close now; what was written is still sent."""
        self._table.remove(self, self._address)
        self.transport.close()

    def give_up(self) -> None:
        """Wait no longer for the rest of a request; its route learns that the client is gone."""
        if self._in_body() and self.cycle.more_body:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.transport.close()

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
        if self._ignores_input:
            self._throw_away(len(data))
            return
        before = self.cycle
        super().data_received(data)
        if self._ignores_input:
            return
        if self.cycle is not before or self._in_body():
            self._stop_clock()
            return
        if self._head_timer is None:
            self._start_clock()
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.linger(LINGER_HEAD_BYTES)

    def send_400_response(self, msg: str) -> None:
        """Answer what isn't HTTP, once the requests before it have been answered."""
        broken = self.cycle if self._in_body() and self.cycle.more_body else None
        if self.is_idle() or (broken and not broken.response_started and not self.pipeline):
            self.transport.write(_NOT_HTTP + msg.encode("ascii"))
            self.linger(LINGER_HEAD_BYTES)
        else:
            self.cycle.keep_alive = False
            self._stop_listening(LINGER_HEAD_BYTES)
        if broken:
            broken.disconnected = True
            broken.message_event.set()

    def on_response_complete(self) -> None:
        """Begin the next request, unless this answer was the last."""
        self._table.used(self, self._address)
        if self._ended:
            self.server_state.total_requests += 1
            self.pipeline.clear()
            return
        super().on_response_complete()

    def linger(self, most: int | None = None) -> None:
        """End the connection once the client has closed it, or has had time to read the answer.

        Up to `most` bytes that still come are thrown away; `LINGER_BYTES` if not given.
        """
        if self._ended or self.transport.is_closing():
            return
        self._ended = True
        self._stop_listening(LINGER_BYTES if most is None else most)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()

    def _stop_listening(self, most: int) -> None:
        self._ignores_input = True
        self._stop_clock()
        self._unset_keepalive_if_required()
        self._linger_left = most
        self._linger_end = self.loop.time() + LINGER_SECONDS
        self._watch_linger()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGIApp) -> None:  # type: ignore[override]
        self._table.used(self, self._address)
        if self._refusal is not None or app is service_unavailable:
            app = _refusing(self._refusal or "Too much is in flight; try again in a moment.")
            cycle.keep_alive = False
        cycle.transport = _Lasting(self, cycle)  # type: ignore[assignment]
        super()._start_asgi_task(cycle, _closing_early(app, cycle))  # type: ignore[arg-type]

    def _throw_away(self, size: int) -> None:
        self._linger_left -= size
        if self._linger_left < 0:
            self.transport.abort()
            return
        self._watch_linger()

    def _watch_linger(self) -> None:
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        silence = LINGER_SILENCE if self._ended else LINGER_SECONDS
        end = min(self._linger_end, self.loop.time() + silence)
        self._linger_timer = self.loop.call_at(end, self.transport.abort)

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


class _Lasting:
    """The transport as one request's answer sees it: closing it waits for the rest of the body."""

    def __init__(self, protocol: GuardedProtocol, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing

    def close(self) -> None:
        """Close at once where all that the client sent was read, else linger."""
        if self._cycle.more_body or self._protocol.pipeline:
            self._protocol.linger()
        else:
            self._protocol.transport.close()


def _closing_early(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """Let an answer that doesn't wait for the request's body be the connection's last."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and cycle.more_body:
                await _read_small_body(cycle)
                if cycle.more_body:
                    cycle.keep_alive = False
            await send(message)

        await app(scope, receive, watched)

    return guarded


async def _read_small_body(cycle: RequestResponseCycle) -> None:
    """Read what is left of a small body, which is most probably under way."""
    length = dict(cycle.scope["headers"]).get(b"content-length", b"")
    if cycle.waiting_for_100_continue or not length.isdigit() or int(length) > SMALL_BODY:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(SMALL_BODY_SECONDS):
            while cycle.more_body and not cycle.disconnected:
                await cycle.receive()


def _refusing(reason: str) -> ASGIApp:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(Overloaded(reason), scope)(scope, receive, send)

    return refuse
