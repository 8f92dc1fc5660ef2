"""The way out of a connection: how much of an answer may wait between here and its reader.

What the kernel or the event loop holds is sent however old it gets. So a stream of what is newest
lets nothing wait there: it makes an event when the one before has left this machine.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Protocol

from starlette.types import Scope

EXTENSION = "kinlens.outlet"
"""Under this name a request's scope has the way out of its connection."""

SEND_BUFFER = 32_768
"""Bytes on their way to a reader, not acknowledged yet, at most; the kernel takes twice as many
for its own records."""

_UNSENT = getattr(socket, "TCP_NOTSENT_LOWAT", None)


class Flow(Protocol):
    """Tells when a transport has room again."""

    async def drain(self) -> None:
        """Wait until it has."""


class Outlet:
    """The way out of one connection.

    Parameters
    ----------
    transport : of the connection
    flow : of the transport
    """

    def __init__(self, transport: asyncio.Transport, flow: Flow) -> None:
        self._transport = transport
        self._flow = flow
        self.is_narrow = False

    def narrow(self) -> None:
        """Let nothing wait in this process and as little as possible in the kernel."""
        self.is_narrow = True
        self._transport.set_write_buffer_limits(high=0)
        connection = self._transport.get_extra_info("socket")
        if connection is None:
            return
        with suppress(OSError):  # a socket of another kind has no such limits
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            if _UNSENT is not None:
                connection.setsockopt(socket.IPPROTO_TCP, _UNSENT, 1)

    async def ready(self) -> None:
        """Wait until all that was written has left this process."""
        await self._flow.drain()

    def abort(self) -> None:
        """End the connection; what waits is lost."""
        self._transport.abort()


def outlet_of(scope: Scope) -> Outlet | None:
    """The way out of a request's connection; None behind a server that doesn't tell."""
    found: Outlet | None = scope.get("extensions", {}).get(EXTENSION, {}).get("outlet")
    return found
