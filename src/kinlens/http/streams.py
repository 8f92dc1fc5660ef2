"""Streams of server-sent events: each client gets the newest, however slowly it reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from kinlens.errors import Overloaded
from kinlens.http.outlet import Outlet
from kinlens.live.service import LiveService
from kinlens.live.types import DeviceStatus, View

MOST = 256
"""Streams at once."""

MOST_EACH = 64
"""Streams of one key, or of one address without any."""

HEARTBEAT = 5.0
"""Seconds after which a line is sent at the latest, so that both ends know of each other."""

STILL_HERE = b": still here\n\n"
_FIRST = b"retry: 1000\n\n"

Happened = View | DeviceStatus


class Slot:
    """The newest view and status of each device that a client hasn't been sent yet.

    What comes meanwhile replaces what waits, so that a client that reads slowly skips views rather
    than fall behind. Filled from any thread, emptied in the loop it was made in.
    """

    def __init__(self, who: str = "") -> None:
        self.who = who
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._ended = asyncio.Event()
        self._waiting: dict[tuple[str, type[Happened]], Happened] = {}
        self._closed = False

    def put(self, happened: Happened) -> None:
        """Let this be sent next."""
        self._waiting[happened.device, type(happened)] = happened
        self._wake()

    def offer(self, happened: Happened) -> None:
        """The same for what may be older than what waits, which then goes before."""
        self._waiting.setdefault((happened.device, type(happened)), happened)
        self._wake()

    def close(self) -> None:
        """Let the stream end."""
        self._closed = True
        self._loop.call_soon_threadsafe(self._ended.set)
        self._wake()

    async def take(self, timeout: float, limit: int | None = None) -> list[Happened] | None:
        """What waits, once there is something; [] when the time is over, None when closed.

        Parameters
        ----------
        timeout : seconds
        limit : taken at most, what has waited for the longest first; the rest may be replaced
        """
        try:
            await asyncio.wait_for(self._filled.wait(), timeout)
        except TimeoutError:
            return []
        self._filled.clear()
        if self._closed:
            return None
        # Keys that come meanwhile, from other threads, wait for the next turn.
        taken = [self._waiting.pop(key) for key in list(self._waiting)[:limit]]
        if self._waiting:
            self._filled.set()
        return taken

    async def until_closed(self) -> None:
        """Wait until the stream is to end."""
        await self._ended.wait()

    def _wake(self) -> None:
        # `take` clears the event before it looks, so what is put while it is set will be seen.
        if not self._filled.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._filled.set)


class Streams:
    """The streams of one app."""

    def __init__(self) -> None:
        self._slots: set[Slot] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._slots)

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        self._closed = True
        for slot in list(self._slots):
            slot.close()

    def enter(self, who: str) -> Slot:
        """A place for one more stream, before its answer begins; `leave` gives it back.

        Raises
        ------
        Overloaded : there are as many streams as there may be, in all or of this client
        """
        if not self._has_room(who):
            raise Overloaded(
                f"{MOST} streams are open, or {MOST_EACH} of yours, as many as this server takes "
                "on; ask for /latest."
            )
        slot = Slot(who)
        self._slots.add(slot)
        return slot

    def leave(self, slot: Slot) -> None:
        """Give a place back; may be done twice."""
        self._slots.discard(slot)

    def _has_room(self, who: str) -> bool:
        own = sum(slot.who == who for slot in self._slots)
        return not self._closed and len(self._slots) < MOST and own < MOST_EACH

    async def events(
        self,
        live: LiveService,
        slot: Slot,
        device: str | None,
        first: list[Happened],
        write: Callable[[Happened], Awaitable[bytes]],
        *,
        now: Callable[[], Awaitable[list[Happened]]],
        allowed: Callable[[], bool],
        outlet: Outlet | None = None,
    ) -> AsyncIterator[bytes]:
        """Server-sent events until the client goes, the app ends, or it is no longer allowed.

        Parameters
        ----------
        slot : given by `enter`; given back at the end
        device : whose; None for all
        first : sent at once
        write : makes bytes of an event
        now : what `first` would be now; something may have come before the stream began to watch
        allowed : asked from time to time whether the stream may go on
        outlet : of the connection; each event is made when those before have left by it, so that a
            client that reads slowly gets what is newest then
        """
        with self._left_after(slot):

            def happened(event: Happened) -> None:
                if device is None or event.device == device:
                    slot.put(event)

            end = live.watch(happened)
            try:
                if outlet is not None:
                    outlet.narrow()
                yield _FIRST
                for event in first:
                    if not await _may_write(outlet, slot):
                        return
                    yield await write(event)
                for event in await now():
                    if event not in first:
                        slot.offer(event)
                while await _may_write(outlet, slot):
                    events = await slot.take(HEARTBEAT, limit=1)
                    if events is None or not allowed():
                        return
                    yield await write(events[0]) if events else STILL_HERE
            finally:
                end()

    @contextmanager
    def _left_after(self, slot: Slot) -> Iterator[None]:
        try:
            yield
        finally:
            self.leave(slot)


class StreamResponse(StreamingResponse):
    """A stream that gives its place back however it ends, even if it never began."""

    def __init__(self, streams: Streams, slot: Slot, content: AsyncIterator[bytes]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(content, headers=headers, media_type="text/event-stream")
        self._streams = streams
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.leave(self._slot)


async def _may_write(outlet: Outlet | None, slot: Slot) -> bool:
    """Wait until what was written has left; False when the stream is to end before that."""
    if outlet is None:
        return True
    left = asyncio.ensure_future(outlet.ready())
    ended = asyncio.ensure_future(slot.until_closed())
    try:
        await asyncio.wait((left, ended), return_when=asyncio.FIRST_COMPLETED)
        if left.done():
            return True
        outlet.abort()  # its reader would keep the server from stopping
        return False
    finally:
        left.cancel()
        ended.cancel()
