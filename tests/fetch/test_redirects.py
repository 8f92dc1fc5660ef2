"""Redirects as real servers write them, followed over real connections."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from fetch.loopback import PICTURE, Server, fetcher, response
from kinlens.errors import FetchError, ForbiddenAddress

START = "/shop/a/start?size=1"


def redirects(serve: Callable[..., Server], location: bytes) -> Server:
    """Send START to a location, as it is in bytes, and answer all else with a picture."""

    def handle(connection: socket.socket, path: str) -> None:
        if path == START:
            line = location.replace(b"PORT", str(server.port).encode())
            connection.sendall(
                b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + line + b"\r\n\r\n"
            )
        else:
            connection.sendall(response(PICTURE))

    server = serve(handle)
    return server


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/bilder/münchen.jpg".encode(), "/bilder/m%C3%BCnchen.jpg"),
        # In Latin-1 the second byte of Å is a line break to some.
        ("/Ångström/雪.jpg?q=Å".encode(), "/%C3%85ngstr%C3%B6m/%E9%9B%AA.jpg?q=%C3%85"),
        ("http://localhost:PORT/münchen.jpg".encode(), "/m%C3%BCnchen.jpg"),
        (b"/bilder/m\xfcnchen.jpg", "/bilder/m%FCnchen.jpg"),
        (b"/b/m%C3%BCnchen.jpg", "/b/m%C3%BCnchen.jpg"),
        ("/b/m%C3%BCnchen/ü.jpg".encode(), "/b/m%C3%BCnchen/%C3%BC.jpg"),
        (b"http://localhost:PORT/x", "/x"),
        (b"HTTP://LOCALHOST:PORT/x", "/x"),
        (b"//localhost:PORT/x", "/x"),
        (b"/x", "/x"),
        (b"x", "/shop/a/x"),
        (b"./x", "/shop/a/x"),
        (b"../x", "/shop/x"),
        (b"../../../../x", "/x"),
        (b"?size=2", "/shop/a/start?size=2"),
        (b"/a b/c  d.jpg", "/a%20b/c%20%20d.jpg"),
        (b"  /x\t ", "/x"),
        (b"/x#part", "/x"),
        ("/x?y=1#ünter".encode(), "/x?y=1"),
        (b"\\pictures\\x.jpg?back=\\", "/pictures/x.jpg?back=%5C"),
        (b'/"x"<y>', "/%22x%22%3Cy%3E"),
    ],
)
def test_where_a_location_leads(serve: Callable[..., Server], location: bytes, path: str) -> None:
    server = redirects(serve, location)
    with fetcher() as get:
        assert get.fetch(server.url(START)) == PICTURE
    assert server.heads[-1].split()[1] == path


@pytest.mark.parametrize("status", ["301 A", "302 A", "303 A", "307 A", "308 A"])
def test_every_kind_of_redirect(serve: Callable[..., Server], status: str) -> None:
    def handle(connection: socket.socket, path: str) -> None:
        moved = response(b"", status, Location="/there")
        connection.sendall(response(PICTURE) if path == "/there" else moved)

    with fetcher() as get:
        assert get.fetch(serve(handle).url()) == PICTURE


@pytest.mark.parametrize(
    ("location", "error"),
    [
        (b"//10.0.0.1/x", ForbiddenAddress),
        (b"\\\\10.0.0.1\\x", ForbiddenAddress),
        (b"http:\\\\10.0.0.1\\x", ForbiddenAddress),
        (b"http://127.0.0.1:PORT/", ForbiddenAddress),
        (b"http://[::ffff:127.0.0.1]:PORT/", ForbiddenAddress),
        (b"http://[64:ff9b::7f00:1]:PORT/", ForbiddenAddress),
        (b"http://[64:ff9b:1::7f00:1]:PORT/", ForbiddenAddress),
        (b"http://[2002:7f00:1::]:PORT/", ForbiddenAddress),
        (b"http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:PORT/", ForbiddenAddress),
        (b"file:///etc/passwd", FetchError),
        (b"ftp://localhost/x", FetchError),
        (b"javascript:alert(1)", FetchError),
        (b"data:image/png;base64,AAAA", FetchError),
        (b"http://user:pass@localhost:PORT/x", FetchError),
        (b"http://[", FetchError),
        ("http://exämple..x/".encode(), FetchError),
        (b"http://\xff\xfe/", FetchError),
        (b"/" + b"x" * 9000, FetchError),
    ],
)
def test_what_isnt_followed(
    serve: Callable[..., Server], location: bytes, error: type[FetchError]
) -> None:
    server = redirects(serve, location)
    with fetcher() as get, pytest.raises(error):
        get.fetch(server.url(START))
    assert server.connections == 1
