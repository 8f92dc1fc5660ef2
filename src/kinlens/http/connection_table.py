"""The open connections of a server, with bounds in all and for each client address."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from kinlens.http.limits import network_of

SPARE = 64
"""Connections beyond the bound that are still told why they aren't served."""


class Connection(Protocol):
    """What the table needs to know of a connection."""

    def is_idle(self) -> bool:
        """Whether no request is under way."""

    def drop(self) -> None:
        """Close it now."""


class ConnectionTable:
    """Counts connections by client, and closes idle ones to make room for new ones.

    Idle connections never keep a new one out: the longest idle one of the same client is closed
    first, then one of the client that has the most. Used in the event loop only.

    Parameters
    ----------
    most : connections in all
    most_each : connections of one client: an IPv4 address, or an IPv6 network of 64 bits
    is_exempt : tells for an address whether it may have as many as it needs, such as a trusted
        proxy, whose connections are those of many clients
    """

    def __init__(
        self, most: int, most_each: int, is_exempt: Callable[[str], bool] = lambda _: False
    ) -> None:
        self.most = most
        self.most_each = most_each
        self._is_exempt = is_exempt
        # Dicts keep the order: the first is the one that has been there, or idle, the longest.
        self._by_client: dict[str, dict[Connection, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, connection: Connection, address: str) -> str | None:
        """Take a connection in; what to tell its client where there is no room, else None."""
        client = network_of(address)
        own = self._by_client.setdefault(client, {})
        refusal = self._make_room(own, address)
        own[connection] = None
        self._count += 1
        if self._count > self.most + SPARE:
            connection.drop()
        return refusal

    def used(self, connection: Connection, address: str) -> None:
        """Note that a connection did something just now, so that others are closed before it."""
        own = self._by_client.get(network_of(address), {})
        if connection in own:
            del own[connection]
            own[connection] = None

    def remove(self, connection: Connection, address: str) -> None:
        """Forget a connection that was closed."""
        client = network_of(address)
        own = self._by_client.get(client, {})
        if connection in own:
            del own[connection]
            self._count -= 1
        if not own:
            self._by_client.pop(client, None)

    def _make_room(self, own: Iterable[Connection], address: str) -> str | None:
        count = len(list(own))
        if count >= self.most_each and not self._is_exempt(address) and not _drop_idle(own):
            return (
                f"{self.most_each} connections of your address are in use, the most that one "
                "address may have; close some. The server's setting max_connections_each raises "
                "this."
            )
        if self._count >= self.most and not self._drop_any():
            return (
                f"{self.most} connections are in use, the most that this server takes; try again "
                "in a moment. Its setting max_connections raises this."
            )
        return None

    def _drop_any(self) -> bool:
        clients = sorted(self._by_client.values(), key=len, reverse=True)
        return any(_drop_idle(connections) for connections in clients)


def _drop_idle(connections: Iterable[Connection]) -> bool:
    idle = next((connection for connection in connections if connection.is_idle()), None)
    if idle is None:
        return False
    idle.drop()
    return True
