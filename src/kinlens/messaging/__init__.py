"""A bus for messages: MQTT, or its like within one process."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from kinlens.errors import ConfigError
from kinlens.messaging.base import MAX_PAYLOAD, Bus, Handler, Message, Will, matches

__all__ = ["MAX_PAYLOAD", "Bus", "Handler", "Message", "Will", "matches", "open_bus", "redacted"]


def open_bus(
    url: str,
    *,
    client_id: str | None = None,
    will: Will | None = None,
    max_lag: float | None = None,
) -> Bus:
    """A client of the bus at a URL; it connects by itself, at once or when that works.

    Parameters
    ----------
    url : "memory://NAME" within this process, "mqtt://user:password@host:port", or with TLS
        "mqtts://..."; "?ca=FILE" names the certificates to trust, "&cert=FILE&key=FILE" one's own
    client_id : no two clients of a broker share one; made up if None
    will : published by the broker if this client goes without a goodbye
    max_lag : seconds for which messages may wait to be read; when it is longer, since more comes
        than is handled, of each topic only the newest is, and if that is of no use, all that wait
        are passed over for newer ones. None for any time

    Raises
    ------
    ConfigError : a URL of another kind
    MissingDependency : MQTT without the extra "live"
    """
    parts = _split(url)
    if parts.scheme == "memory":
        from kinlens.messaging.memory import MemoryBus, memory_broker  # noqa: PLC0415

        return MemoryBus(memory_broker(parts.netloc), will, max_lag=max_lag)
    if parts.scheme in {"mqtt", "mqtts"} and parts.hostname:
        from kinlens.messaging.mqtt import MqttBus  # noqa: PLC0415

        return MqttBus(url, client_id=client_id, will=will, max_lag=max_lag)
    raise ConfigError(
        "A broker is mqtt://host:port, mqtts://host:port or memory://NAME; "
        f"got {redacted(url)!r:.200}."
    )


def redacted(url: str) -> str:
    """A URL without user and password, to be shown and logged."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    # A password may hold what should have been quoted: all before the last @ goes.
    return f"{scheme}{separator}{rest.rpartition('@')[2]}".partition("?")[0]


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that isn't a number is told of when it is asked for
    except ValueError as error:
        raise ConfigError(f"The address {redacted(url)!r:.200} can't be read: {error}.") from error
    return parts
