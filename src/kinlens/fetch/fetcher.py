"""Fetching a picture from a URL that may be hostile."""

from __future__ import annotations

import http
import http.client
import ssl
import zlib
from collections.abc import Iterable
from functools import cached_property

from kinlens.errors import FetchError, Overloaded
from kinlens.fetch.body import check_kind, read_body
from kinlens.fetch.connection import Connection, Deadline, Resolve, checked_addresses, resolve
from kinlens.fetch.interruption import Interruption
from kinlens.fetch.pool import IdleConnections
from kinlens.fetch.target import Target, normal_host, parse

_REDIRECTS = {301, 302, 303, 307, 308}


class Fetcher:
    """Gets the bytes behind http and https URLs, from public addresses only.

    A host's addresses are all checked, and one of those checked is what is connected to: the name
    is not resolved a second time. A host of which one address isn't public is refused. Every
    redirect is checked in the same way. The server proves the host's name by TLS. Any port may be
    named. Proxies set in the environment are not used, since behind one no address can be checked.
    Thread-safe.

    Parameters
    ----------
    timeout : seconds for one URL in all: names, connections, redirects and every byte
    redirects : followed at most
    max_bytes : largest body
    allowed_hosts : exact host names that may be at any address, such as one of your own network
    resolver : finds the addresses of a host
    context : certificates to trust; None for those that the system trusts
    """

    def __init__(
        self,
        timeout: float = 15.0,
        redirects: int = 5,
        max_bytes: int = 20_000_000,
        allowed_hosts: Iterable[str] = (),
        *,
        resolver: Resolve = resolve,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = timeout
        self._redirects = redirects
        self._max_bytes = max_bytes
        self._allowed_hosts = frozenset(normal_host(host) for host in allowed_hosts)
        self._resolver = resolver
        self._given_context = context
        self._idle = IdleConnections()
        self._interruption = Interruption()

    def fetch(self, url: str, timeout: float | None = None) -> bytes:
        """Get the bytes behind a URL.

        Parameters
        ----------
        url : http or https
        timeout : seconds, where they are to be fewer than the fetcher's own

        Raises
        ------
        ForbiddenAddress : it leads, perhaps by a redirect, to an address that isn't public
        PictureTooLarge : over `max_bytes`
        UnsupportedPicture : the server says that it isn't a picture
        FetchError : anything else that went wrong; no text of the server's is in the message
        Overloaded : `cancel` was called
        """
        seconds = self._timeout if timeout is None else min(timeout, self._timeout)
        interruption = self._interruption
        try:
            return self._fetch(url, Deadline(seconds, interruption))
        except FetchError:
            if not interruption.ended:
                raise
            raise Overloaded("The server is shutting down; try again in a moment.") from None

    def cancel(self) -> None:
        """End the fetches that are under way."""
        interruption, self._interruption = self._interruption, Interruption()
        interruption.end()

    def close(self) -> None:
        """Close the connections that are kept for the next fetch."""
        self._idle.close()

    def _fetch(self, url: str, deadline: Deadline) -> bytes:
        target = parse(url)
        for _ in range(self._redirects + 1):
            found = self._step(target, deadline)
            if isinstance(found, bytes):
                return found
            target = found
        raise FetchError(
            f"{parse(url).shown} redirects more than {self._redirects} times; use the URL that "
            "it leads to."
        )

    def _step(self, target: Target, deadline: Deadline) -> bytes | Target:
        """One request: the body, or where it redirects to."""
        try:
            return self._exchange(target, deadline)
        except TimeoutError:
            raise FetchError(
                f"{target.shown} took longer than {deadline.seconds:g} s (fetch_timeout) and was "
                "given up."
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise FetchError(
                f"The certificate of {target.shown} doesn't hold ({error.verify_message})."
            ) from None
        except ssl.SSLError as error:
            raise FetchError(
                f"{target.shown} speaks no TLS that is understood ({error.reason})."
            ) from None
        except (http.client.HTTPException, zlib.error, ValueError) as error:
            raise FetchError(
                f"{target.shown} doesn't answer as a web server should ({type(error).__name__})."
            ) from None
        except OSError as error:
            raise FetchError(
                f"{target.shown} can't be reached ({error.strerror or type(error).__name__})."
            ) from None

    def _exchange(self, target: Target, deadline: Deadline) -> bytes | Target:
        connection, answer = self._ask(target, deadline)
        try:
            found = self._outcome(answer, target)
        except BaseException:
            connection.close()
            raise
        if answer.isclosed() and not answer.will_close:
            self._idle.put(target, connection)
        else:
            connection.close()
        return found

    def _ask(
        self, target: Target, deadline: Deadline
    ) -> tuple[Connection, http.client.HTTPResponse]:
        kept = self._idle.take(target)
        if kept is not None:
            try:
                return kept, kept.get(target, deadline)
            except (OSError, http.client.HTTPException) as error:
                kept.close()
                if isinstance(error, TimeoutError):
                    raise
                # Otherwise the server has closed it in the meantime, which is its right.
        anywhere = target.host in self._allowed_hosts
        addresses = checked_addresses(target, deadline, self._resolver, anywhere=anywhere)
        connection = Connection(target, addresses, lambda: self._context, deadline)
        try:
            return connection, connection.get(target, deadline)
        except BaseException:
            connection.close()
            raise

    def _outcome(self, answer: http.client.HTTPResponse, target: Target) -> bytes | Target:
        location = answer.headers.get("Location")
        if answer.status in _REDIRECTS and location:
            return target.redirected(location)
        if answer.status != http.HTTPStatus.OK:
            raise FetchError(f"{target.shown} answers {_named(answer.status)}; check the URL.")
        check_kind(answer, target)
        return read_body(answer, target, self._max_bytes)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return self._given_context or ssl.create_default_context()


def _named(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
