"""How long is it from a frame to its matches on the page, and how much can one matcher take?

    python benchmarks/live.py [--items 100000] [--seconds 20]
    python benchmarks/live.py --only overload [--rounds 3]
    python benchmarks/live.py --memory 30

Everything runs as its users run it, each in a process of its own, all on the cores of one machine:
Mosquitto, Redis, `kinlens camera` on the recorded walk, `kinlens live`, and the page in Chromium.
Where a broker and a store aren't installed, the camera is in the matcher's process instead, as in
`kinlens live --demo`; a row says which it was.

page      milliseconds from when the camera had a frame to the animation frame in which the page
          shows its matches, of every view that the page showed
matcher   views matched in a second by one matcher that always has some waiting, in one process
devices   200 devices that each publish a vector a second, to the server-sent events of all
store     four times as many views as one matcher can take, in one process: how old the views are
          that it hands to the store
overload  four times as many views as can be matched, from devices over the broker to the page: how
          stale the page ever gets; `staleness.py` says what exactly that is
memory    of `kinlens live` while a camera publishes at full rate; only with --memory, in minutes
"""

from __future__ import annotations

import argparse
import http.client
import json
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from browsers import desktop_page
from data import make_catalog, photos
from live_parts import Parts, camera, live, servers
from processes import cpu_seconds, get, memory
from report import Report
from staleness import DEVICES as CROWD
from staleness import OVERLOAD, overload

from kinlens.config import DEFAULT_ENCODER
from kinlens.live import wire
from kinlens.live.matcher import Matcher
from kinlens.live.memory import MemoryStore
from kinlens.live.types import Sighting, View
from kinlens.messaging import open_bus
from kinlens.search import Search
from kinlens.types import Vectors
from kinlens.wiring import open_search

RATES = (5, 15, 30)
DEVICES = 200

WARM_UP = 3.0
WATCH = """() => {
  window.shown = [];
  const main = document.getElementById('live-view');
  const note = () => {
    const { sequence } = main.dataset;
    requestAnimationFrame(() => window.shown.push([Number(sequence), Date.now()]));
  };
  const options = { attributes: true, attributeFilter: ['data-sequence'] };
  new MutationObserver(note).observe(main, options);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--only", choices=["overload"], help="measure this, and no more")
    parser.add_argument("--rounds", type=int, default=3, help="of the overload")
    parser.add_argument("--memory", type=float, help="minutes to watch memory for, and no more")
    options = parser.parse_args()
    part = "memory" if options.memory else options.only
    report = Report(f"live-{part}" if part else "live", __doc__.splitlines()[0])
    with tempfile.TemporaryDirectory(prefix="kinlens-live-") as folder:
        data = Path(folder, "data")
        vectors = make_catalog(data, DEFAULT_ENCODER, options.items, photos(1500))
        with servers(Path(folder)) as parts:
            if options.memory:
                about = {"items": options.items, "parts": parts.names}
                report.add(measured="memory", **about, **memory_over(data, parts, options.memory))
            elif options.only:
                overloaded(report, data, parts, vectors, options)
            else:
                in_process(report, data, vectors, options)
                between_processes(report, data, parts, vectors, options)
                overloaded(report, data, parts, vectors, options)
    report.write()


def overloaded(
    report: Report, data: Path, parts: Parts, vectors: Vectors, options: argparse.Namespace
) -> None:
    """How stale the page gets."""
    about = {"measured": "overload", "items": options.items, "parts": parts.names}
    if not parts.broker:
        report.add(**about, skipped="needs Mosquitto and Redis")
        return
    with tempfile.TemporaryDirectory(prefix="kinlens-crowd-") as folder:
        times = {"seconds": options.seconds, "rounds": options.rounds}
        found = overload(data, parts, vectors, folder=Path(folder), **times)
    report.add(**about, times=OVERLOAD, devices=CROWD, **found)


def between_processes(
    report: Report, data: Path, parts: Parts, vectors: Vectors, options: argparse.Namespace
) -> None:
    """What goes over a broker."""
    about = {"items": options.items, "parts": parts.names}
    if not parts.broker:
        report.add(measured="page", **about, skipped="needs Mosquitto and Redis")
        return
    for rate in RATES:
        figures = page(data, parts, rate, options.seconds)
        report.add(measured="page", frames_per_s=rate, **about, **figures)
    report.add(measured="devices", **about, **devices(data, parts, vectors, options.seconds))


def page(data: Path, parts: Parts, rate: float, seconds: float) -> dict[str, Any]:
    """From a frame to the page."""
    with ExitStack() as stack:
        service = stack.enter_context(live(data, parts))
        told = stack.enter_context(camera(data, parts, rate))
        opened = stack.enter_context(desktop_page())
        while not told.taken:
            time.sleep(0.05)
        opened.goto(f"http://127.0.0.1:{service.port}/live?device=walk")
        opened.wait_for_selector("#grid .tile")
        opened.wait_for_timeout(WARM_UP * 1e3)
        opened.evaluate(WATCH)
        before = cpu_seconds(service.pid), cpu_seconds(told.pid), len(told.taken)
        opened.wait_for_timeout(seconds * 1e3)
        shown = opened.evaluate("window.shown")
        after = cpu_seconds(service.pid), cpu_seconds(told.pid), len(told.taken)
    milliseconds = np.array([at - 1e3 * told.taken[n] for n, at in shown if n in told.taken])
    times = np.array([at for _, at in shown])
    return {
        "published_per_s": (after[2] - before[2]) / seconds,
        "shown_per_s": len(shown) / seconds,
        "p50_ms": float(np.median(milliseconds)),
        "p95_ms": float(np.percentile(milliseconds, 95)),
        "worst_ms": float(milliseconds.max()),
        "longest_gap_ms": float(np.diff(times).max()),
        "matcher_cores": (after[0] - before[0]) / seconds,
        "camera_cores": (after[1] - before[1]) / seconds,
    }


def in_process(report: Report, data: Path, vectors: Vectors, options: argparse.Namespace) -> None:
    """What one matcher can take, and what it does with more."""
    with open_search(data) as search:
        search.parts.catalog.search(vectors[:1], 1)
        rates = [crowd(search, vectors, options.seconds / 3)["matched_per_s"] for _ in range(3)]
        rate = float(np.median(rates))
        rounds = [round(one, 1) for one in rates]
        report.add(measured="matcher", items=options.items, views_per_s=rate, rounds=rounds)
        found = crowd(search, vectors, options.seconds, OVERLOAD * rate)
        report.add(measured="store", items=options.items, times=OVERLOAD, **found)


class Watching:
    """Ages of views when they get to the store."""

    def __init__(self) -> None:
        self.ages: list[float] = []

    def __call__(self, event: object) -> None:
        if isinstance(event, View):
            self.ages.append(time.time() - event.received_at)


def crowd(
    search: Search, vectors: Vectors, seconds: float, rate: float | None = None
) -> dict[str, Any]:
    """Many devices that offer views to one matcher: at a rate, or as many as it takes."""
    rng = np.random.default_rng(3)
    store, watching = MemoryStore(), Watching()
    store.watch(watching)
    matcher = Matcher(search, store)
    fingerprint = search.encoder.fingerprint
    started, offered = time.monotonic(), 0
    while (now := time.monotonic() - started) < seconds:
        due = offered + CROWD if rate is None else int(now * rate)
        for number in range(offered, min(due, offered + CROWD)):
            vector = vectors[rng.integers(len(vectors))]
            name = f"camera-{number % CROWD}"
            matcher.offer(
                Sighting(name, number, 0.0, fingerprint, vector, received_at=time.time(), session=1)
            )
        offered = min(due, offered + CROWD)
        time.sleep(0.002)
    matcher.close()
    counts, ages = matcher.counters.snapshot(), np.array(watching.ages) * 1e3
    return {
        "offered_per_s": offered / seconds,
        "matched_per_s": counts["matched"] / seconds,
        "dropped": counts["dropped"],
        "stale": counts["stale"],
        "age_p50_ms": float(np.median(ages)),
        "age_p95_ms": float(np.percentile(ages, 95)),
        "oldest_ms": float(ages.max()),
    }


def devices(data: Path, parts: Parts, vectors: Vectors, seconds: float) -> dict[str, Any]:
    """Many devices at one view a second, over the broker."""
    with ExitStack() as stack:
        service = stack.enter_context(live(data, parts))
        bus = open_bus(parts.broker)
        stack.callback(bus.close)
        fingerprint = json.loads(get(service.port, "/v1/stats")[1])["encoder"]["fingerprint"]
        ages, done = list[float](), threading.Event()
        reader = threading.Thread(target=read_ages, args=(service.port, ages, done), daemon=True)
        reader.start()
        rng = np.random.default_rng(5)
        while not bus.connected:
            time.sleep(0.05)
        published, started = 0, time.monotonic()
        cpu = cpu_seconds(service.pid)
        while (now := time.monotonic() - started) < seconds + WARM_UP:
            if now < WARM_UP:
                ages.clear()
            while published < now * DEVICES:
                round_, number = divmod(published, DEVICES)
                vector = vectors[rng.integers(len(vectors))]
                name = f"device-{number:03}"
                sighting = Sighting(name, round_, time.time(), fingerprint, vector, session=1)
                bus.publish(wire.sightings_topic(name), wire.pack(sighting))
                published += 1
            time.sleep(0.002)
        time.sleep(0.5)
        cores = (cpu_seconds(service.pid) - cpu) / (seconds + WARM_UP)
        done.set()
    found = np.array(ages) * 1e3
    return {
        "devices": DEVICES,
        "published_per_s": published / (seconds + WARM_UP),
        "shown_per_s": len(found) / seconds,
        "p50_ms": float(np.median(found)),
        "p95_ms": float(np.percentile(found, 95)),
        "worst_ms": float(found.max()),
        "matcher_cores": cores,
    }


def read_ages(port: int, ages: list[float], done: threading.Event) -> None:
    """Ages of all views as a client gets them."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/v1/live/events")
    answer = connection.getresponse()
    while not done.is_set():
        line = answer.readline()
        if line.startswith(b"data:"):
            event = json.loads(line[5:])
            if "taken_at" in event:
                ages.append(time.time() - event["taken_at"])


def memory_over(data: Path, parts: Parts, minutes: float) -> dict[str, Any]:
    """Of `kinlens live` at 15 frames a second, sampled after a warm-up of a tenth of the time."""
    with live(data, parts) as service, ExitStack() as stack:
        if parts.broker:
            stack.enter_context(camera(data, parts, 15))
        samples = sampled(lambda: memory(service.pid), minutes * 60)
    first, last = np.median(samples[: len(samples) // 5]), np.median(samples[-len(samples) // 5 :])
    return {
        "minutes": minutes,
        "first_fifth_mb": float(first),
        "last_fifth_mb": float(last),
        "most_mb": max(samples),
        "growth_percent": float(100 * (last / first - 1)),
    }


def sampled(value: Callable[[], float], seconds: float) -> list[float]:
    """A value every second, after a tenth of the time."""
    time.sleep(seconds / 10)
    found, ends = [], time.monotonic() + 0.9 * seconds
    while time.monotonic() < ends:
        found.append(value())
        time.sleep(1)
    return found


if __name__ == "__main__":
    main()
