"""A Redis that becomes a replica, runs full, loads its data, or wants a password."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from contract.test_latest_store import view
from kinlens import wiring
from kinlens.live.redis import RedisStore
from kinlens.live.redis_health import ADVICE, WHOLE, Health, code_of
from kinlens.live.store import Event
from kinlens.live.types import DeviceStatus, View
from kinlens.search import Search
from live_servers import Server, redis_server, wait_for


class Address:
    """An address that leads to one server or another, as the name of a primary does."""

    def __init__(self, port: int) -> None:
        self.target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with source, suppress(OSError):
            while part := source.recv(65536):
                sink.sendall(part)
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        started = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            started.append(stack.enter_context(redis_server(tmp_path / name)))
        yield started


def client_of(stack: ExitStack, server: Server, **options: Any) -> Any:
    import redis

    return stack.enter_context(closing(redis.Redis(port=server.port, **options)))


def sequence(store: RedisStore, device: str = "door") -> int:
    seen = store.latest(device)
    return -1 if seen is None else seen.sequence


def in_redis(client: Any, device: str = "door") -> bytes | None:
    found: bytes | None = client.hget(f"{{kinlens}}:live:kinlens:head:{device}", "sequence")
    return found


def test_after_a_failover_views_go_to_the_new_primary(
    servers: list[Server], caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        one, two = (client_of(stack, server) for server in servers)
        two.replicaof("127.0.0.1", servers[0].port)
        wait_for(lambda: two.info("replication")["master_link_status"] == "up", "the replica")
        address = stack.enter_context(closing(Address(servers[0].port)))
        url = f"redis://127.0.0.1:{address.port}/0"
        writer, reader = (stack.enter_context(closing(RedisStore(url))) for _ in "wr")
        seen: list[Event] = []
        reader.watch(seen.append)
        wait_for(lambda: writer.connected and reader.connected, "Redis")
        writer.put(view(sequence=1))
        wait_for(lambda: sequence(reader) == 1)

        two.replicaof("NO", "ONE")
        one.replicaof("127.0.0.1", servers[1].port)
        writer.put(view(sequence=2))
        wait_for(lambda: writer.trouble == "READONLY", "the refusal of what is a replica now")
        assert not writer.connected
        assert sequence(writer) == 2, "this process shows what it knows"
        assert "After a failover" in caplog.text
        assert "answers again" not in caplog.text

        address.target = servers[1].port
        wait_for(lambda: writer.connected, "the new primary")
        wait_for(lambda: in_redis(two) == b"%020d" % 2, "what the old primary had refused")
        writer.put(view(sequence=3))
        wait_for(lambda: sequence(reader) == 3)
        wait_for(lambda: [each.sequence for each in seen if isinstance(each, View)][-1] == 3)
        assert caplog.text.count("READONLY") == 1
        assert caplog.text.count("answers again") == 1


def test_full_memory_passes(
    search: Search, servers: list[Server], caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        client = client_of(stack, servers[0])
        url = f"redis://127.0.0.1:{servers[0].port}/0"
        store = stack.enter_context(closing(RedisStore(url)))
        wait_for(lambda: store.connected, "Redis")
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        for number in range(1, 4):
            store.put(view(sequence=number))
            wait_for(lambda: store.trouble == "OOM", "the refusal")
        assert caplog.text.count("can't be used") == 1
        assert "maxmemory" in caplog.text
        live = stack.enter_context(wiring.open_live(search, live_store=url))
        live.store.put(view("till"))
        wait_for(lambda: live.connections() == {"live_store": "OOM"}, "the refusal to be told")
        client.config_set("maxmemory", 0)
        wait_for(lambda: store.trouble is None, "Redis to take views again, without a new one")
        wait_for(lambda: in_redis(client) == b"%020d" % 3, "the newest view, which waited")
        wait_for(lambda: live.connections() == {"live_store": "ok"})
        assert caplog.text.count("answers again") == 2, "once for each of the two"


def test_a_password_that_is_asked_for_or_wrong(
    servers: list[Server], caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        port = servers[0].port
        client = client_of(stack, servers[0])
        client.config_set("requirepass", "hunter2")
        bare = stack.enter_context(closing(RedisStore(f"redis://127.0.0.1:{port}/0")))
        bare.set_status(DeviceStatus("door", "online", 1.0))
        wait_for(lambda: bare.trouble == "NOAUTH", "the refusal")
        wait_for(lambda: ADVICE["NOAUTH"] in caplog.text)
        wrong = stack.enter_context(closing(RedisStore(f"redis://:wr0ng@127.0.0.1:{port}/0")))
        wrong.set_status(DeviceStatus("door", "online", 1.0))
        wait_for(lambda: wrong.trouble == "WRONGPASS", "the refusal")
        wait_for(lambda: ADVICE["WRONGPASS"] in caplog.text)
        right = stack.enter_context(closing(RedisStore(f"redis://:hunter2@127.0.0.1:{port}/0")))
        wait_for(lambda: right.connected, "Redis with its password")
        client.config_set("requirepass", "")
        wait_for(lambda: bare.connected, "Redis without a password")
    assert "wr0ng" not in caplog.text


def test_a_replica_that_lost_its_primary_and_serves_nothing_stale(
    servers: list[Server], caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        client = client_of(stack, servers[0])
        store = stack.enter_context(closing(RedisStore(f"redis://127.0.0.1:{servers[0].port}/0")))
        wait_for(lambda: store.connected, "Redis")
        client.config_set("replica-serve-stale-data", "no")
        servers[1].kill()
        client.replicaof("127.0.0.1", servers[1].port)
        store.put(view(sequence=1))
        wait_for(lambda: store.trouble in ("MASTERDOWN", "READONLY"), "the refusal")
        client.replicaof("NO", "ONE")
        wait_for(lambda: store.connected, "Redis")
        wait_for(lambda: in_redis(client) == b"%020d" % 1, "the view that was refused")
    assert "answers again" in caplog.text


@pytest.mark.parametrize("code", sorted(WHOLE))
def test_every_code_is_known_by_each_way_in_which_it_is_told(code: str) -> None:
    import redis
    from redis._parsers.base import BaseParser

    parsed = BaseParser.parse_error(f"{code} 3999 127.0.0.1:6381")
    assert code_of(parsed) == code
    assert code_of(redis.ResponseError(f"Error running script: @user_script:3: -{code} no")) == code
    assert code in ADVICE
    assert code_of(redis.ResponseError("WRONGTYPE Operation against a key")) == ""


def test_trouble_is_logged_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    import redis

    health = Health("redis://host")
    health.wrote()
    for _ in range(3):
        health.refused(redis.ResponseError("WRONGTYPE of one device"))
        assert health.trouble == "refused"
        health.wrote()
        assert health.trouble is None
    assert caplog.text.count("can't be used") == 1
    assert "answers again" not in caplog.text, "the others were taken all the while"
    for _ in range(2):
        health.refused(redis.ResponseError("OOM command not allowed"))
        health.answered()
        assert health.trouble == "OOM", "that it answers questions isn't that it takes views"
    health.lost(redis.ConnectionError("refused"))
    health.wrote()
    health.wrote()
    assert caplog.text.count("OOM") == 1
    assert caplog.text.count("answers again") == 1
    health.mute()
    health.lost(redis.ConnectionError("closed"))
    assert caplog.text.count("can't be used") == 3
