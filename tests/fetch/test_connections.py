"""Connections kept, and TLS."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fetch.loopback import PICTURE, Server, fetcher, response
from kinlens.errors import (
    FetchError,
)


def keep_alive(connection: socket.socket, path: str) -> None:
    connection.sendall(response(path.encode()))
    while request := connection.recv(65536):
        connection.sendall(response(request.split()[1]))


def test_a_connection_is_used_again(serve: Callable[..., Server]) -> None:
    server = serve(keep_alive)
    with fetcher() as get:
        found = [get.fetch(server.url(f"/{number}")) for number in range(5)]
    assert found == [b"/0", b"/1", b"/2", b"/3", b"/4"]
    assert server.connections == 1


def test_a_kept_connection_that_was_closed_is_replaced(serve: Callable[..., Server]) -> None:
    server = serve(response())
    with fetcher() as get:
        for _ in range(3):
            assert get.fetch(server.url()) == PICTURE
            time.sleep(0.02)
    assert server.connections == 3


def test_many_threads(serve: Callable[..., Server]) -> None:
    server = serve(keep_alive)
    found: dict[int, bytes] = {}
    with fetcher() as get:

        def work(number: int) -> None:
            for _ in range(5):
                found[number] = get.fetch(server.url(f"/{number}"))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {number: f"/{number}".encode() for number in range(8)}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of localhost in one file, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is absent; it makes the certificate of this test")
    folder = tmp_path_factory.mktemp("tls")
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    return both


def test_tls_proves_the_name(serve: Callable[..., Server], certificate: Path) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    server = serve(response(), server_side)
    hosts = ("localhost", "other.example")
    local = {"allowed_hosts": hosts, "resolver": lambda *_: ["127.0.0.1"]}
    with fetcher(context=trusting, **local) as get:
        assert get.fetch(server.url()) == PICTURE
        with pytest.raises(FetchError, match=r"certificate.*Hostname mismatch"):
            get.fetch(server.url(host="other.example"))
    with fetcher(**local) as get, pytest.raises(FetchError, match="certificate"):
        get.fetch(server.url())


def test_tls_to_a_server_without_it(serve: Callable[..., Server]) -> None:
    server = serve(response())
    plain = server.url().replace("http:", "https:")
    with fetcher(timeout=0.5) as get, pytest.raises(FetchError):
        get.fetch(plain)
