"""Where a broker is, and how to get in."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from kinlens.errors import ConfigError

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is and how to get in; see `open_bus`.

    Parameters
    ----------
    host, port : of the broker
    tls : whether the connection is encrypted and the broker's certificate checked
    user, password : None for none
    ca, cert, key : files; None for the system's authorities, and for no certificate of one's own
    """

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address that a URL names; `ConfigError` for parts it doesn't have."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        tls = parts.scheme == "mqtts"
        if set(options) - {"ca", "cert", "key"} or (options and not tls):
            raise ConfigError(
                "A broker's URL takes ca, cert and key after the ?, and only with mqtts://; got "
                f"{', '.join(options)}."
            )
        return cls(
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            tls=tls,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            **options,
        )

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def tls_context(address: Address) -> ssl.SSLContext:
    """What checks the broker's certificate; `ConfigError` for files that can't be read."""
    try:
        context = ssl.create_default_context(cafile=address.ca)
        if address.cert:
            context.load_cert_chain(address.cert, address.key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"The certificates for the broker {address} can't be read: {error}. Name files in PEM "
            "format."
        ) from error
    return context
