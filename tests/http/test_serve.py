from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import httpx
import pytest

import kinlens
from http_door import COUNT, Doors, item_id, new_items, open_tiny
from kinlens.config import Settings
from kinlens.errors import ConfigError
from kinlens.http.serve import Server, serve
from kinlens.keys import KeyStore
from kinlens.search import Search
from live_servers import wait_for

PROGRAM = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from http_door import open_tiny
from kinlens.config import Settings
from kinlens.http.serve import serve
with open_tiny(Path({data!r})) as search:
    serve(search, Settings(port=0), on_ready=lambda url: print(url, flush=True))
print("closed", flush=True)
"""


def get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=60)


def test_port_0_takes_a_free_port(empty: Search) -> None:
    settings = Settings(data=empty.data, port=0)
    with Server(empty, settings) as first, Server(empty, settings) as second:
        assert first.port != second.port
        for server in (first, second):
            assert server.url == f"http://127.0.0.1:{server.port}"
            assert get(f"{server.url}/healthz").status_code == 200


def test_a_port_that_is_taken(empty: Search) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"Port {port} .* taken"):
            Server(empty, Settings(port=port))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7"])
def test_a_host_that_is_not_ours(empty: Search, host: str) -> None:
    with pytest.raises(ConfigError, match=host):
        Server(empty, Settings(host=host, port=0), allow_open=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_others_are_let_in_with_a_key_or_on_purpose(empty: Search, host: str) -> None:
    settings = Settings(host=host, port=0)
    with pytest.raises(ConfigError, match="keys create"):
        Server(empty, settings)
    with Server(empty, settings, allow_open=True) as server:
        assert get(f"http://127.0.0.1:{server.port}/v1/stats").status_code == 200
    with closing(KeyStore(empty.data)) as keys:
        keys.create("shop")
        with Server(empty, settings, keys=keys) as server:
            assert get(f"http://127.0.0.1:{server.port}/v1/stats").status_code == 401
        keys.revoke("shop")
        with pytest.raises(ConfigError, match="no API key"):
            Server(empty, settings, keys=keys)


def test_ipv6_loopback(empty: Search) -> None:
    with Server(empty, Settings(host="::1", port=0)) as server:
        assert server.url.startswith("http://[::1]:")
        assert get(f"{server.url}/v1/stats").status_code == 200


def test_requests_in_flight_are_answered_before_the_end(
    stocked: Search, make_picture: object
) -> None:
    with Server(stocked, Settings(port=0)) as server:
        body = b'{"examples": [{"id": "' + item_id(1).encode() + b'"}]}'
        head = (
            b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            assert get(f"{server.url}/healthz").status_code == 200
            under_way = server._server.server_state.tasks
            wait_for(lambda: not under_way)
            connection.sendall(head + body[:5])
            wait_for(lambda: under_way)
            server.stop()
            wait_for(lambda: server._socket.fileno() == -1, "the end of listening")
            connection.sendall(body[5:])
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_not_the_program(tmp_path: Path, number: int) -> None:
    path = [str(Path(__file__).parent.parent), str(Path(kinlens.wiring.__file__).parent.parent)]
    program = PROGRAM.format(path=path, data=str(tmp_path / "data"))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    url = process.stdout.readline().strip()
    assert get(f"{url}/healthz").status_code == 200
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=90)
    assert (process.returncode, out, err) == (0, "closed\n", "")


def test_serve_tells_its_url_and_stops(empty: Search) -> None:
    urls: list[str] = []
    servers: list[Server] = []

    def run() -> None:
        server = Server(empty, Settings(port=0))
        servers.append(server)
        server.run(urls.append)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: urls)
    assert get(f"{urls[0]}/healthz").status_code == 200
    servers[0].stop()
    thread.join(60)
    assert not thread.is_alive()
    with pytest.raises(ConfigError):
        serve(empty, Settings(host="0.0.0.0", port=0))  # noqa: S104


def test_two_servers_over_one_catalog(doors: Doors, tmp_path: Path, pictures: list[bytes]) -> None:
    with open_tiny(tmp_path / "data") as one, open_tiny(tmp_path / "data") as two:
        one.add(new_items(pictures[:6]))
        first, second = doors(one).client, doors(two).client
        item = first.get(f"/v1/items/{item_id(1)}").json()
        assert second.get(item["image_url"]).content == pictures[1], "they share a secret"
        one.add(new_items(pictures))
        assert second.get("/v1/stats").json()["items"] == COUNT
        hits = second.post("/v1/search", files={"image": ("x", pictures[11])}).json()["hits"]
        assert hits[0]["id"] == item_id(11), "what one wrote, the other finds"
        second.delete(f"/v1/items/{item_id(11)}")
        hits = first.post("/v1/search", files={"image": ("x", pictures[11])}).json()["hits"]
        assert item_id(11) not in [hit["id"] for hit in hits]


def test_many_clients_at_once_each_get_their_own_answer(
    doors: Doors, stocked: Search, pictures: list[bytes]
) -> None:
    door = doors(stocked)

    def ask(number: int) -> list[str]:
        with httpx.Client(base_url=door.server.url, timeout=60) as client:
            found = []
            for turn in range(5):
                picture = pictures[(number + turn) % COUNT]
                response = client.post("/v1/search", files={"image": ("x", picture)})
                found.append(response.json()["hits"][0]["id"])
            return found

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(32)))
    assert answers == [
        [item_id((number + turn) % COUNT) for turn in range(5)] for number in range(32)
    ]


def test_readers_and_a_writer_at_once(doors: Doors, stocked: Search, pictures: list[bytes]) -> None:
    door = doors(stocked)
    stop = threading.Event()

    def write() -> None:
        with httpx.Client(base_url=door.server.url, timeout=60) as client:
            while not stop.is_set():
                files = {"image": ("x", pictures[0])}
                assert client.put("/v1/items/guest", files=files).status_code in (200, 201)
                assert client.delete("/v1/items/guest").status_code == 204

    def read(number: int) -> None:
        with httpx.Client(base_url=door.server.url, timeout=60) as client:
            for _ in range(20):
                files = {"image": ("x", pictures[number])}
                response = client.post("/v1/search", files=files, data={"k": str(COUNT + 1)})
                found = {hit["id"] for hit in response.json()["hits"]} - {"guest"}
                assert len(found) == COUNT

    with ThreadPoolExecutor(5) as pool:
        writing = pool.submit(write)
        readings = [pool.submit(read, number) for number in range(4)]
        wait(readings)
        stop.set()
        for done in (*readings, writing):
            done.result()
