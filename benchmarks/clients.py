"""Clients that post pictures to a server: one process, raw connections that are kept.

    python benchmarks/clients.py PLAN.json

A plan holds port, seconds, clients, photos, fields of the form, and optionally writes a second. It
prints as JSON the requests, [latency, decode, encode, search, total, server] in milliseconds, the
first as a client sees it, the others from the answer's Server-Timing; and the seconds of processor
that the clients took, which share the machine with the server.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

BOUNDARY = "kinlens-benchmark"
TIMING = re.compile(rb"(decode|encode|search|total|server);dur=([0-9.]+)")
STAGES = (b"decode", b"encode", b"search", b"total", b"server")
LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    before = time.process_time()
    done = asyncio.run(drive(plan))
    print(json.dumps({"requests": done, "cpu_seconds": time.process_time() - before}))


async def drive(plan: dict[str, Any]) -> list[list[float]]:
    pictures = [Path(path).read_bytes() for path in plan["photos"]]
    requests = [request("POST", "/v1/search", picture, plan["fields"]) for picture in pictures]
    deadline = time.perf_counter() + plan["seconds"]
    done: list[list[float]] = []
    clients = [
        client(plan["port"], requests, first, deadline, done) for first in range(plan["clients"])
    ]
    if plan.get("writes_per_s"):
        clients.append(writer(plan, pictures, deadline))
    await asyncio.gather(*clients)
    return done


async def client(
    port: int, requests: list[bytes], first: int, deadline: float, done: list[list[float]]
) -> None:
    """Ask for one picture after the other."""
    reader, out = await asyncio.open_connection("127.0.0.1", port)
    turn = 7 * first
    while (start := time.perf_counter()) < deadline:
        out.write(requests[turn % len(requests)])
        head = await answer(reader)
        latency = (time.perf_counter() - start) * 1e3
        stages = {name: float(value) for name, value in TIMING.findall(head)}
        done.append([latency, *(stages[name] for name in STAGES)])
        turn += 1
    out.close()


async def writer(plan: dict[str, Any], pictures: list[bytes], deadline: float) -> None:
    """Put new items at an even pace."""
    reader, out = await asyncio.open_connection("127.0.0.1", plan["port"])
    pause = 1 / plan["writes_per_s"]
    due, count = time.perf_counter(), 0
    while due < deadline:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        picture = distinct(pictures[count % len(pictures)], due.hex().encode())
        path = f"/v1/items/written-{due.hex()}"
        out.write(request("PUT", path, picture, {"metadata": '{"color": "red"}'}))
        await answer(reader)
        due, count = due + pause, count + 1
    out.close()


def distinct(jpeg: bytes, text: bytes) -> bytes:
    """The same picture with a comment, so that its content is new."""
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[2:]


def request(method: str, path: str, picture: bytes, fields: dict[str, str]) -> bytes:
    """A whole multipart request."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = "".join(parts).encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Read an answer to its end and give its head; anything but success ends the benchmark."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = LENGTH.search(head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    if not head.startswith(b"HTTP/1.1 2"):
        sys.exit(f"The server answered {head[:200]!r} {body[:300]!r}")
    return head


if __name__ == "__main__":
    main()
