"""URLs taken apart, and what messages show of them."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetch.loopback import fetcher
from kinlens.errors import (
    FetchError,
    KinlensError,
)
from kinlens.fetch.target import parse


@pytest.mark.parametrize(
    "url",
    ["", "x.jpg", "/etc/passwd", "file:///etc/passwd", "http://", "http:///x", "http://a:99999/",
     "http://a:0/", "http://[::1", "data:image/png;base64,AA", "javascript:1", "http://a b/",
     "http://a\x00b/", "http://exa_mple." + "a" * 70 + ".com/", "http://a/" + "b" * 9000,
     "http://.example.com/", "http://./", "http://a/\ud800", "http://\udcff/"],
)  # fmt: skip
def test_urls_that_cannot_be_fetched(url: str) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "unknown")

    with fetcher(resolver=unknown) as get, pytest.raises(FetchError):
        get.fetch(url)


def test_credentials_are_refused_and_not_repeated() -> None:
    with fetcher() as get, pytest.raises(FetchError, match="user name") as caught:
        get.fetch("http://bob:hunter2@localhost/x.jpg")
    assert "hunter2" not in str(caught.value)


def test_messages_hold_no_query_and_stay_short() -> None:
    shown = parse("https://shop.example/" + "a" * 500 + "?signature=hunter2").shown
    assert "hunter2" not in shown
    assert len(shown) <= 100


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_as_url_is_at_worst_an_error(text: str) -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "unknown")

    for url in (text, "http://" + text, "https://host.example/" + text):
        with fetcher(resolver=unknown) as get, pytest.raises(KinlensError):
            get.fetch(url)


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/münchen/bild.jpg".encode(), "/m%C3%BCnchen/bild.jpg"),
        (b"/m\xfcnchen/bild.jpg", "/m%FCnchen/bild.jpg"),
        (b"/a b.jpg#part", "/a%20b.jpg"),
    ],
)
def test_a_redirect_in_raw_bytes(sent: bytes, path: str) -> None:
    target = parse("http://shop.example/x").redirected(sent.decode("latin-1"))
    assert target.path == path
