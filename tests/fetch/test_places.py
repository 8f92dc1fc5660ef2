"""Where a fetch may go: loopback servers, and names that a resolver of the test leads astray."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from fetch.loopback import PICTURE, Server, fetcher, redirect, response
from kinlens.errors import (
    FetchError,
    ForbiddenAddress,
)


def test_gets_the_bytes(serve: Callable[..., Server]) -> None:
    server = serve(response(Content_Type="image/jpeg"))
    with fetcher() as get:
        assert get.fetch(server.url("/a b/ü.jpg?x=1 2")) == PICTURE
    assert server.heads[0].startswith("GET /a%20b/%C3%BC.jpg?x=1%202 HTTP/1.1\r\n")
    assert f"Host: localhost:{server.port}\r\n" in server.heads[0]
    assert "Accept-Encoding: identity" in server.heads[0]


def test_proxies_of_the_environment_are_not_used(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(response(b"from the proxy"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy.url(host="127.0.0.1"))
    with fetcher() as get:
        assert get.fetch(serve(response()).url()) == PICTURE
    assert proxy.connections == 0


def test_private_hosts_are_refused_before_connecting(serve: Callable[..., Server]) -> None:
    server = serve(response())
    spellings = ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1"]
    spellings += ["[::1]", "[::ffff:127.0.0.1]", "0", "0.0.0.0"]  # noqa: S104
    with fetcher(allowed_hosts=()) as get:
        for host in spellings:
            with pytest.raises(ForbiddenAddress, match="fetch_allowed_hosts"):
                get.fetch(server.url(host=host))
    assert server.connections == 0


def test_allowed_hosts_are_exact_names(serve: Callable[..., Server]) -> None:
    server = serve(response())
    with fetcher(allowed_hosts=("LOCALHOST.",)) as get:
        assert get.fetch(server.url(host="LocalHost")) == PICTURE
        assert get.fetch(server.url(host="localhost.")) == PICTURE
        for host in ("127.0.0.1", "sub.localhost"):
            with pytest.raises(FetchError):
                get.fetch(server.url(host=host))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/secret",
        "http://[::1]:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "//127.0.0.1:{port}/",
    ],
)
def test_redirect_to_a_private_address(serve: Callable[..., Server], url: str) -> None:
    inside = serve(response(b"secret"))
    outside = serve(redirect(url.format(port=inside.port)))
    with fetcher() as get, pytest.raises(ForbiddenAddress) as caught:
        get.fetch(outside.url())
    assert inside.connections == 0
    assert "secret" not in str(caught.value).replace("/secret", "")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://localhost/x", "gopher://localhost/"])
def test_redirect_to_another_scheme(serve: Callable[..., Server], url: str) -> None:
    with fetcher() as get, pytest.raises(FetchError, match="http:// or https://"):
        get.fetch(serve(redirect(url)).url())


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 T", "308 P"])
def test_follows_redirects(serve: Callable[..., Server], status: str) -> None:
    end = serve(response())
    start = serve(redirect(end.url("/end"), status))
    with fetcher() as get:
        assert get.fetch(start.url()) == PICTURE


def test_follows_relative_redirects(serve: Callable[..., Server]) -> None:
    def handle(connection: socket.socket, path: str) -> None:
        connection.sendall(redirect("../b?c#d") if path == "/x/a" else response(path.encode()))

    with fetcher() as get:
        assert get.fetch(serve(handle).url("/x/a")) == b"/b?c"


def test_redirect_loop(serve: Callable[..., Server]) -> None:
    server = serve(redirect("/again"))
    with fetcher(redirects=3) as get, pytest.raises(FetchError, match="more than 3 times"):
        get.fetch(server.url())
    assert server.connections == 4


def test_a_host_with_one_private_address_is_refused(serve: Callable[..., Server]) -> None:
    server = serve(response())
    for addresses in (["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "93.184.215.14"]):
        with (
            fetcher(resolver=lambda *_, found=addresses: found) as get,
            pytest.raises(ForbiddenAddress),
        ):
            get.fetch(server.url(host="two.example"))
    assert server.connections == 0


def test_a_name_is_resolved_once(serve: Callable[..., Server]) -> None:
    """Rebinding: the second answer would be private; nobody may ask for it."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    server = serve(response())
    with fetcher(allowed_hosts=("rebind.example",), resolver=rebinding) as get:
        assert get.fetch(server.url(host="rebind.example")) == PICTURE
    assert asked == ["rebind.example"]


def test_rebinding_between_redirects_is_seen(serve: Callable[..., Server]) -> None:
    server = serve(redirect("http://other.example/"))
    answers = {"first.example": ["127.0.0.1"], "other.example": ["10.0.0.1"]}
    with (
        fetcher(allowed_hosts=("first.example",), resolver=lambda host, _: answers[host]) as get,
        pytest.raises(ForbiddenAddress),
    ):
        get.fetch(server.url(host="first.example"))


def test_the_next_address_is_tried(serve: Callable[..., Server]) -> None:
    server = serve(response())
    with fetcher(resolver=lambda *_: ["127.0.0.3", "127.0.0.1"]) as get:
        assert get.fetch(server.url()) == PICTURE


def test_unknown_host() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "unknown")

    with fetcher(resolver=unknown) as get, pytest.raises(FetchError, match="isn't known"):
        get.fetch("http://nowhere.example/x.jpg")
