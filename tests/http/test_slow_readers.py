"""A client that reads a live stream slowly: what it gets is new, however long it has waited."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace

import pytest

from http_door import Door, Doors
from kinlens.http.streams import STILL_HERE
from kinlens.live.types import DeviceStatus, View
from kinlens.search import Search
from kinlens.types import Hit
from live_servers import wait_for

_SEQUENCE = re.compile(rb'"sequence":(\d+)')
HITS = tuple(Hit(f"item {n}", 0.5, 0.5, {"title": f"A title {n}"}, 40, 30) for n in range(6))
RECEIVE_BUFFER = 2304
"""The smallest that Linux gives."""


@pytest.fixture
def door(doors: Doors, stocked: Search) -> Door:
    return doors(stocked)


def view(sequence: int, size: int, device: str = "shelf") -> View:
    """A view of so many bytes of picture."""
    picture = b"\xff\xd8\xff" + bytes(size) if size else None
    seen = View(device, sequence, 0.0, 0.0, 0.0, HITS, session=7, pictured=bool(size))
    return replace(seen, picture=picture)


@contextmanager
def slow_reader(door: Door, path: str) -> Iterator[socket.socket]:
    with closing(socket.socket()) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        reader.settimeout(60)
        reader.connect(("127.0.0.1", door.server.port))
        reader.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        begun = b""
        while b"retry: " not in begun:  # what is put before the stream watches isn't told
            begun += reader.recv(2048)
        yield reader


def read_until(reader: socket.socket, sequence: int) -> list[int]:
    """The sequence numbers of all views until this one has come."""
    text = b""
    while f'"sequence":{sequence},'.encode() not in text:
        part = reader.recv(2048)
        assert part, "the stream ended"
        text += part
    return [int(number) for number in _SEQUENCE.findall(text)]


@pytest.mark.parametrize("size", [0, 2_000, 20_000, 60_000])
@pytest.mark.parametrize("path", ["/v1/live/shelf/events", "/v1/live/events"])
def test_it_gets_the_newest_and_no_backlog(door: Door, path: str, size: int) -> None:
    store = door.live.store
    with slow_reader(door, path) as reader:
        sequence = 0
        for _ in range(3):
            for _ in range(400):
                sequence += 1
                store.put(view(sequence, size))
            newest = sequence
            seen = read_until(reader, newest)
            # What was on its way when it stopped to read, one half sent, and the newest.
            old = [number for number in seen if number < newest - 350]
            between = [number for number in seen if newest - 350 <= number < newest]
            assert len(old) <= 8
            assert len(between) <= 3
            assert seen == sorted(seen)


def test_of_many_cameras_it_gets_the_newest_of_each(door: Door) -> None:
    store = door.live.store
    devices = [f"door-{number}" for number in range(20)]
    with slow_reader(door, "/v1/live/events") as reader:
        for sequence in range(1, 101):
            for device in devices:
                store.put(view(sequence, 0, device))
        text = b""
        while text.count(b'"sequence":100,') < len(devices):
            text += reader.recv(2048)
    numbers = [int(number) for number in _SEQUENCE.findall(text)]
    assert len([number for number in numbers if number < 100]) <= 10


def test_it_is_told_no_old_status(door: Door) -> None:
    store = door.live.store
    with slow_reader(door, "/v1/live/shelf/events") as reader:
        for number in range(2000):
            store.set_status(DeviceStatus("shelf", "error", 1.0, message=f"Number {number}."))
        text = b""
        while b"Number 1999." not in text:
            text += reader.recv(2048)
    assert text.count(b"event: status") <= 25


def test_one_that_reads_nothing_keeps_no_server_from_stopping(door: Door) -> None:
    with slow_reader(door, "/v1/live/shelf/events"):
        for sequence in range(400):
            door.live.store.put(view(sequence, 20_000))
        stopped = threading.Thread(target=door.server.__exit__)
        stopped.start()
        stopped.join(60)
        assert not stopped.is_alive()


def test_comments_wait_for_nobody(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that slept finds one or two comments, not one for each interval that has passed."""
    monkeypatch.setattr("kinlens.http.streams.HEARTBEAT", 0.001)
    with slow_reader(door, "/v1/live/silent/events") as reader:
        outlet = next(iter(door.server._server.server_state.connections))._outlet
        wait_for(lambda: outlet._transport.get_write_buffer_size() > 0, "a full connection")
        held = outlet._transport.get_write_buffer_size()
        assert held <= 2 * len(STILL_HERE)
        door.live.store.put(view(1, 0, "silent"))
        with suppress(TimeoutError):
            assert read_until(reader, 1) == [1]


def test_an_event_is_json_of_its_own(door: Door) -> None:
    with slow_reader(door, "/v1/live/shelf/events") as reader:
        door.live.store.put(view(1, 500))
        text = b""
        while b'"sequence":1,' not in text or not text.endswith(b"\n\n\r\n"):
            text += reader.recv(2048)
    [line] = [line for line in text.split(b"\n") if line.startswith(b"data:")]
    assert json.loads(line[5:])["sequence"] == 1
