"""Devices that publish at a rate, as MQTT 5 clients of their own: one process, which costs little.

    python benchmarks/crowd.py PLAN.json

A plan holds the broker's port, the devices' names, the encoder's fingerprint, a file of vectors
(float16, .npy) and a folder of small JPEGs. Each line on standard input is a rate, in views a
second of all devices together, from now on; it is answered by how many were sent until now. The
end of the input ends it.

Payloads are encoded beforehand, and each gets its time when it is sent. The sequence number is that
time too, in microseconds, so whoever sees a view knows when it was taken.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from kinlens.live import wire
from kinlens.live.types import Sighting

SEQUENCE_AT = 16
"""Where a sighting has its sequence, and then its time; docs/live.md."""

EXPIRY = 2
"""Seconds, as of `kinlens camera`."""

AT_ONCE = 32


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    crowd = Crowd(plan)
    threading.Thread(target=crowd.publish, daemon=True).start()
    for line in sys.stdin:
        print(crowd.sent, flush=True)
        crowd.go_on(float(line))


class Crowd:
    """The devices of one plan."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.sent = 0
        self._payloads = payloads(plan)
        self._order = np.random.default_rng().permutation(len(self._payloads))
        self._pace = (0.0, time.monotonic(), 0)
        self._arrivals = selectors.DefaultSelector()
        self._devices = [
            (self._connect(plan["port"], name), publish_head(name)) for name in plan["devices"]
        ]

    def go_on(self, rate: float) -> None:
        """Publish at this rate from now on."""
        self._pace = (rate, time.monotonic(), self.sent)

    def publish(self) -> None:
        while True:
            rate, since, before = self._pace
            due = before + int(rate * (time.monotonic() - since))
            for number in range(self.sent, min(due, self.sent + AT_ONCE)):
                self._send(number)
                self.sent = number + 1
            for key, _ in self._arrivals.select(0):
                key.fileobj.recv(65_536)  # type: ignore[union-attr]  # acknowledgments
            time.sleep(0.002)

    def _send(self, number: int) -> None:
        out, head = self._devices[number % len(self._devices)]
        payload = self._payloads[self._order[number % len(self._order)]]
        now = time.time()
        struct.pack_into("<Qd", payload, SEQUENCE_AT, int(now * 1e6), now)
        tail = struct.pack(">HBBI", 1 + number % 65_535, 5, 2, EXPIRY)
        size = remaining(len(head) + len(tail) + len(payload))
        out.sendall(b"".join((b"\x32", size, head, tail, payload)))

    def _connect(self, port: int, name: str) -> socket.socket:
        out = socket.create_connection(("127.0.0.1", port))
        out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = struct.pack(">H4sBBHB", 4, b"MQTT", 5, 2, 0, 0) + text(name)
        out.sendall(b"\x10" + remaining(len(body)) + body)
        if out.recv(64)[3] != 0:
            sys.exit("The broker doesn't let devices in.")
        self._arrivals.register(out, selectors.EVENT_READ)
        return out


def payloads(plan: dict[str, Any]) -> list[bytearray]:
    """A sighting of each vector, with a picture."""
    pictures = [path.read_bytes() for path in sorted(Path(plan["pictures"]).glob("*.jpg"))]
    session = time.time_ns() >> 10
    made = []
    for row, vector in enumerate(np.load(plan["vectors"])):
        picture = pictures[row % len(pictures)]
        sighting = Sighting("", 0, 0.0, plan["fingerprint"], vector, picture, session=session)
        made.append(bytearray(wire.pack(sighting)))
    return made


def publish_head(name: str) -> bytes:
    return text(wire.sightings_topic(name))


def text(value: str) -> bytes:
    """A text as MQTT has it."""
    return struct.pack(">H", len(value)) + value.encode()


def remaining(size: int) -> bytes:
    """A packet's length as MQTT has it: seven bits a byte, the lowest first."""
    found = bytearray()
    while True:
        size, low = divmod(size, 128)
        found.append(low | (128 if size else 0))
        if not size:
            return bytes(found)


if __name__ == "__main__":
    main()
