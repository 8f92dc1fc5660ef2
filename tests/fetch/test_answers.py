"""What a fetch makes of what comes."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Callable

import pytest

from fetch.loopback import PICTURE, Handler, Server, endless, fetcher, redirect, response
from kinlens.errors import (
    FetchError,
    PictureTooLarge,
    UnsupportedPicture,
)


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096), id="until closed"),
        pytest.param(
            endless(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"1000\r\n" + b"x" * 4096 + b"\r\n",
            ),
            id="chunked",
        ),
        pytest.param(response(b"x", Content_Length=1_000_001), id="said early"),
        pytest.param(response(b"x" * 1_000_001), id="said and sent"),
        pytest.param(
            response(gzip.compress(bytes(100_000_000)), Content_Encoding="gzip"), id="gzip bomb"
        ),
    ],
)
def test_over_the_byte_limit(serve: Callable[..., Server], handler: Handler | bytes) -> None:
    server = serve(handler)
    with (
        fetcher(max_bytes=1_000_000) as get,
        pytest.raises(PictureTooLarge, match="1,000,000 bytes"),
    ):
        get.fetch(server.url())


def test_exactly_the_byte_limit(serve: Callable[..., Server]) -> None:
    with fetcher(max_bytes=1000) as get:
        assert len(get.fetch(serve(response(bytes(1000))).url())) == 1000
        packed = response(gzip.compress(bytes(1000)), Content_Encoding="gzip")
        assert len(get.fetch(serve(packed).url())) == 1000


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(response(b"half", Content_Length=8), id="lying Content-Length"),
        pytest.param(response(gzip.compress(bytes(9999))[:-9], Content_Encoding="gzip"), id="gzip"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf", id="chunked"
        ),
    ],
)
def test_an_answer_that_breaks_off(serve: Callable[..., Server], sent: bytes) -> None:
    with fetcher() as get, pytest.raises(FetchError):
        get.fetch(serve(sent).url())


def test_a_content_length_shorter_than_the_body(serve: Callable[..., Server]) -> None:
    with fetcher() as get:
        assert get.fetch(serve(response(b"12345678", Content_Length=4)).url()) == b"1234"


@pytest.mark.parametrize(
    "kind",
    ["text/html; charset=utf-8", "image/svg+xml", "text/plain", "application/json", "video/mp4"],
)
def test_wrong_content_type(serve: Callable[..., Server], kind: str) -> None:
    server = serve(response(b"<secret>", Content_Type=kind))
    with fetcher() as get, pytest.raises(UnsupportedPicture) as caught:
        get.fetch(server.url())
    assert kind.partition(";")[0] in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["application/octet-stream", "binary/octet-stream", "image/x"])
def test_content_types_that_are_left_to_the_loader(serve: Callable[..., Server], kind: str) -> None:
    with fetcher() as get:
        assert get.fetch(serve(response(Content_Type=kind)).url()) == PICTURE


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (response(b"secret", "404 secret"), "404 Not Found"),
        (response(b"secret", "500 secret"), "500 Internal Server Error"),
        (response(b"secret", "799 secret"), "799"),
        (response(b""), "empty answer"),
        (response(b"", "304 Not Modified"), "304"),
        (response(b"", "302 Found"), "302 Found"),
        (response(Content_Encoding="br"), "br"),
        (response(Content_Encoding="gzip"), "as a web server should"),
        (b"SSH-2.0-secret\r\n", "as a web server should"),
        (b"", "as a web server should"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: secret\r\n" * 500, "as a web server should"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000, "as a web server should"),
        (redirect("http://["), "isn't a URL"),
    ],
)
def test_answers_that_are_no_picture(serve: Callable[..., Server], sent: bytes, words: str) -> None:
    with fetcher() as get, pytest.raises(FetchError) as caught:
        get.fetch(serve(sent).url())
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with fetcher() as get, pytest.raises(FetchError, match="can't be reached"):
        get.fetch(f"http://localhost:{port}/")


@pytest.mark.parametrize(
    "coding", ["none", "identity", "utf-8", "UTF-8", "binary", "", "aws-chunked", "none, identity"]
)
def test_what_is_no_coding_is_ignored(serve: Callable[..., Server], coding: str) -> None:
    with fetcher() as get:
        server = serve(response(PICTURE, Content_Encoding=coding))
        assert get.fetch(server.url()) == PICTURE


def bare(data: bytes) -> bytes:
    """Deflate without the zlib format around it, as some servers send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip, identity", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", bare),
    ],
)
def test_what_is_compressed_unasked(
    serve: Callable[..., Server], coding: str, pack: Callable[[bytes], bytes]
) -> None:
    picture = PICTURE * 5000
    with fetcher(max_bytes=len(picture)) as get:
        server = serve(response(pack(picture), Content_Encoding=coding))
        assert get.fetch(server.url()) == picture
        bomb = serve(response(pack(picture + b"x"), Content_Encoding=coding))
        with pytest.raises(PictureTooLarge):
            get.fetch(bomb.url())


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "br, utf-8", "gzip, gzip", "dcb"])
def test_codings_that_are_not_read_are_named(serve: Callable[..., Server], coding: str) -> None:
    with fetcher() as get, pytest.raises(FetchError, match="wasn't asked for"):
        get.fetch(serve(response(PICTURE, Content_Encoding=coding)).url())
