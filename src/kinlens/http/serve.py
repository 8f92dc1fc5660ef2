"""Runs the application: binds, serves until told to stop, and ends what is in flight first."""

from __future__ import annotations

import asyncio
import errno
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, cast

import uvicorn

from kinlens.config import Settings
from kinlens.errors import ConfigError
from kinlens.http.app import create_app
from kinlens.http.connection_table import SPARE, ConnectionTable
from kinlens.http.connections import GuardedProtocol
from kinlens.http.context import Context
from kinlens.http.hosts import is_loopback
from kinlens.http.proxies import is_trusted
from kinlens.keys import KeyStore

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from kinlens.live.service import LiveService
    from kinlens.search import Search

KEEP_ALIVE = 30
BACKLOG = 2048
OTHER_FILES = 256
"""Files that the process may need besides connections: databases, decoders, fetches."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
CANCEL_AFTER, ABORT_AFTER = 2 / 3, 5 / 6
"""Parts of `shutdown_timeout` after which calls are canceled, and connections are closed."""

OnStop = Callable[[], None]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Uvicorn(uvicorn.Server):
    """Ends in time when it is told to stop, whatever is in flight.

    Streams end at once: they are requests that would never be answered. Other requests are given
    most of the time; then what waits for other machines, decoders and clients is given up.
    """

    def __init__(self, config: uvicorn.Config, context: Context, on_stop: list[OnStop]) -> None:
        super().__init__(config)
        self._context = context
        self._on_stop = on_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        for tell in self._on_stop:
            tell()
        self._context.streams.close()
        seconds = self._context.settings.shutdown_timeout
        loop = asyncio.get_running_loop()
        steps = [
            loop.call_later(CANCEL_AFTER * seconds, self._cancel),
            loop.call_later(ABORT_AFTER * seconds, self._abort),
        ]
        await super().shutdown(sockets)
        for step in steps:
            step.cancel()

    def _cancel(self) -> None:
        self._context.cancel()
        for connection in list(self.server_state.connections):
            cast("GuardedProtocol", connection).give_up()

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            cast("GuardedProtocol", connection).transport.abort()


class Server:
    """A server that listens when it is made, so that its port is known before it runs.

    As a context manager it serves from a thread; `run` serves from the caller's. `port` and `url`
    say where it is, from this machine.

    Parameters
    ----------
    search : stays open when the server ends
    settings : host, port (0 for a free one), limits
    keys : of the search's data folder; opened if not given
    live : what cameras see; stays open too
    allow_open : listen beyond this machine without any key

    Raises
    ------
    ConfigError : the address can't be bound, or would be open to others without a key
    """

    def __init__(
        self,
        search: Search,
        settings: Settings,
        *,
        keys: KeyStore | None = None,
        live: LiveService | None = None,
        allow_open: bool = False,
    ) -> None:
        self._own_keys = keys is None
        self._keys = keys or KeyStore(search.data)
        try:
            _check_guarded(settings.host, self._keys, allow_open)
            self._socket = _bind(settings.host, settings.port)
        except ConfigError:
            self._close_keys()
            raise
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{_ANYWHERE.get(settings.host, _bracketed(settings.host))}:{self.port}"
        self.app = create_app(search, settings, self._keys, live)
        config = uvicorn.Config(
            self.app,
            http=partial(GuardedProtocol, table=_table(settings)),  # type: ignore[arg-type]
            ws="none",
            log_config=None,
            access_log=False,  # its lines would hold the signatures of URLs
            server_header=False,
            proxy_headers=False,  # `TrustedProxies` reads them
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout),
        )
        self._on_stop: list[OnStop] = []
        self._server = _Uvicorn(config, self.app.state.kinlens, self._on_stop)
        self._thread: threading.Thread | None = None

    def run(
        self, on_ready: Callable[[str], None] | None = None, on_stop: OnStop | None = None
    ) -> None:
        """Serve until Ctrl-C, SIGTERM or `stop`; requests in flight are answered first.

        Those that take longer than most of `shutdown_timeout` are answered with 503 or cut off.

        Parameters
        ----------
        on_ready : called with the URL; connections are taken from now on
        on_stop : called when no more connections are taken
        """
        if on_stop is not None:
            self._on_stop.append(on_stop)
        try:
            with _signals_to(self.stop):
                if on_ready is not None:
                    on_ready(self.url)
                self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()
            self._close_keys()

    def stop(self) -> None:
        """Take no more requests and end once those in flight are answered."""
        self._server.should_exit = True

    def __enter__(self) -> Server:
        self._thread = threading.Thread(target=self.run, name="kinlens-server", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _close_keys(self) -> None:
        if self._own_keys:
            self._keys.close()


def check_address(settings: Settings) -> None:
    """Raise `ConfigError` if the host and port can't be listened on at this moment."""
    _bind(settings.host, settings.port).close()


def serve(
    search: Search,
    settings: Settings,
    *,
    keys: KeyStore | None = None,
    live: LiveService | None = None,
    allow_open: bool = False,
    on_ready: Callable[[str], None] | None = None,
    on_stop: OnStop | None = None,
) -> None:
    """Serve until told to stop; see `Server`."""
    server = Server(search, settings, keys=keys, live=live, allow_open=allow_open)
    server.run(on_ready, on_stop)


def _check_guarded(host: str, keys: KeyStore, allow_open: bool) -> None:
    if allow_open or is_loopback(host) or keys.usable:
        return
    raise ConfigError(
        f"Listening on {host} lets others in, and there is no API key. Make one with `kinlens keys "
        "create NAME`, listen on 127.0.0.1, or give --allow-open to let anyone read and write."
    )


def _table(settings: Settings) -> ConnectionTable:
    """The bounds on connections, as far as this process may open files for them."""
    most = settings.max_connections
    if resource is not None:
        most = min(most, max(1, _open_files(most + SPARE + OTHER_FILES) - SPARE - OTHER_FILES))
    trusted = settings.proxy_networks
    return ConnectionTable(
        most,
        settings.max_connections_each,
        is_exempt=lambda address: is_trusted(address, trusted),
    )


def _open_files(wanted: int) -> int:
    """Raise the soft limit on open files to what is wanted, if that is allowed; what it then is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return allowed
    return soft


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"The host {host!r} isn't an address of this machine: {error}."
        ) from error
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise _bind_error(error, host, port) from error
    return bound


def _bind_error(error: OSError, host: str, port: int) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"Port {port} of {host} is taken by another program, perhaps another `kinlens serve`; "
            "stop that one or choose another port with --port (0 for any free one)."
        )
    if error.errno == errno.EACCES:
        return ConfigError(
            f"Port {port} needs more rights than this user has; choose one above 1023."
        )
    return ConfigError(f"{host}:{port} can't be listened on: {error.strerror or error}.")


@contextmanager
def _signals_to(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM stop the server rather than the process, which still has to close.

    uvicorn raises the signals it got once more when it is done; they find this handler then.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
