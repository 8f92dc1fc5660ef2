"""A URL taken apart, checked, and written again in the one way it is sent."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from kinlens.errors import FetchError
from kinlens.printable import is_unicode

MAX_LENGTH = 8192
_PORTS = {"http": 80, "https": 443}
_SAFE = "/%:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads.

    Parameters
    ----------
    scheme : "http" or "https"
    host : lower case, ASCII, without a final dot; an IPv6 address without brackets
    port : any; only public addresses are reached anyhow
    path : with the query, percent-encoded
    shown : the URL for a message: shortened, and without its query, which may hold a signature
    """

    scheme: str
    host: str
    port: int
    path: str
    shown: str

    @property
    def authority(self) -> str:
        """Value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def redirected(self, location: str) -> Target:
        """Where a Location header leads from here, as browsers read it."""
        try:
            return parse(urljoin(self.url, _with_slashes(_as_text(location).strip())))
        except ValueError:
            raise FetchError(f"{self.shown} redirects to what isn't a URL.") from None


def _as_text(header: str) -> str:
    """A header that http.client read as Latin-1, as the UTF-8 that browsers read."""
    raw = header.encode("latin-1")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return quote(raw, safe=string.punctuation + " ")


def _with_slashes(location: str) -> str:
    """A location with slashes where its path has backslashes, which mean the same (WHATWG URL)."""
    path, *rest = re.split("([?#])", location, maxsplit=1)
    return path.replace("\\", "/") + "".join(rest)


def parse(url: str) -> Target:
    """Take a URL apart.

    Raises
    ------
    FetchError : not an absolute http or https URL, or one with a user name or password
    """
    if len(url) > MAX_LENGTH:
        raise FetchError(f"A URL may have {MAX_LENGTH:,} characters; this one has {len(url):,}.")
    if not is_unicode(url):
        raise FetchError(f"{_shortened(url)} isn't a URL: a character of it isn't valid Unicode.")
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise FetchError(f"{_shortened(url)} isn't a URL; check it.") from None
    if parts.scheme not in _PORTS:
        raise FetchError(
            f"A URL starts with http:// or https://; this one is "
            f"{_shortened(parts.scheme + ':') if parts.scheme else 'without either'}."
        )
    if not host:
        raise FetchError(f"{parts.scheme}:// is followed by no host name; give the whole URL.")
    if parts.username is not None or parts.password is not None:
        raise FetchError(
            f"A URL with a user name or password isn't fetched (host {host:.80}); "
            "give one that needs none, such as a signed URL."
        )
    ascii_host = _ascii(host)
    path = quote(parts.path or "/", safe=_SAFE)
    query = "?" + quote(parts.query, safe=_SAFE) if parts.query else ""
    # 0 is no port to connect to, but urlsplit lets it pass.
    number = _PORTS[parts.scheme] if port is None else port
    if number == 0:
        raise FetchError(f"{_shortened(host)} is asked for on port 0; check the URL.")
    shown = _shortened(Target(parts.scheme, ascii_host, number, path, "").url)
    return Target(parts.scheme, ascii_host, number, path + query, shown)


def normal_host(host: str) -> str:
    """A host name as `Target.host` writes it; `FetchError` for what no URL's host can be."""
    name = _ascii(host.strip().strip("[]"))
    if name.count(":") == 1:
        raise FetchError(
            f"{_shortened(repr(host))} has a port; a host is allowed on all its ports."
        )
    return name


def _ascii(host: str) -> str:
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise FetchError(f"{_shortened(host)} isn't a host name; check the URL.") from None
    name = name.lower().rstrip(".")
    if not name or not all(char.isalnum() or char in "-._:%" for char in name):
        raise FetchError(f"{_shortened(repr(host))} isn't a host name; check the URL.")
    return name


def _shortened(text: str) -> str:
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= 100 else f"{text[:80]}...{text[-15:]}"
