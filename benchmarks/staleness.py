"""How stale does the page ever get while the matcher gets four times as much as it can take?

Part of `live.py`, which says what runs. Here 128 devices, in processes of their own, publish to the
broker, each view with other numbers and a picture; `kinlens live` matches them for the page of one
device in Chromium and for a few bare clients, which read the events of one device each.

What is sustained is measured just before, page and all: the rate is raised by steps until less than
95 % of what is published is matched. Then the devices publish four times as much.

Staleness, at any moment: that moment less the time when the device took the view whose matches are
shown. It grows until another view takes the place, so its peaks are where one does: the time of the
replacement less the time when the replaced view was taken. On the page a view is shown from the
animation frame on that follows its matches' arrival in the document; at a bare client, from when
its event has been read. All is on one machine and so by one clock. The run begins before the rate
goes up, and its end counts as a replacement.

stale_*_ms      over the peaks of the page
age_*_ms        how old views are when they appear on the page
clients_*_ms    as `stale`, over the peaks of all bare clients
offered_per_s   published; matched_per_s looked up; overload is the one divided by the other
dropped_share   of what was published: everything that wasn't matched
unread_share    of what was published: what the broker dropped, since it wasn't read in time
*_cores         processor time of each; machine_cores of all on the machine, which has `cores`;
                others_cores of what has nothing to do with this
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from browsers import desktop_page
from data import decoded, photos
from live_parts import Live, Parts, live, process
from processes import cpu_seconds, get

from kinlens.config import usable_cores
from kinlens.images import encode_thumbnail
from kinlens.types import Vectors

OVERLOAD = 4
DEVICES = 128
PROCESSES = 2
CLIENTS = 6
"""Bare ones, each of a device of its own."""

VIEWS = 512
PICTURES = 64
PICTURE_SIDE = 320
FIRST_RATE = 50.0
STEP = 1.25
STEP_SECONDS = 2.5
KEEPS_UP = 0.95
FAILURES = 3
"""In a row; one alone may be for what else the machine does."""

SETTLE = 3.0

WATCH = """() => {
  const main = document.getElementById('live-view');
  const look = () => [Number(main.dataset.sequence), Date.now()];
  window.shown = [look()];
  let due = false;
  const note = () => {
    if (!due) requestAnimationFrame(() => { due = false; window.shown.push(look()); });
    due = true;
  };
  const options = { attributes: true, attributeFilter: ['data-sequence'] };
  new MutationObserver(note).observe(main, options);
}"""
SHOWN = "() => [...window.shown, [0, Date.now()]]"

Shown = list[tuple[int, float]]
"""What was shown from when: sequence, which is when it was taken, in µs; and ms."""


def overload(
    data: Path, parts: Parts, vectors: Vectors, *, seconds: float, rounds: int, folder: Path
) -> dict[str, Any]:
    """Figures of the median round, by its worst staleness, and that of all."""
    prepare(folder, vectors)
    runs = sorted(
        (one_round(data, parts, seconds, folder) for _ in range(rounds)),
        key=lambda run: run["stale_worst_ms"],
    )
    worst = {
        f"rounds_{name}": [round(run[name]) for run in runs]
        for name in ("stale_worst_ms", "clients_worst_ms", "offered_per_s", "matched_per_s")
    }
    return runs[len(runs) // 2] | worst


def one_round(data: Path, parts: Parts, seconds: float, folder: Path) -> dict[str, Any]:
    with ExitStack() as stack:
        service = stack.enter_context(live(data, parts))
        crowd = stack.enter_context(devices(folder, parts, service))
        page = stack.enter_context(desktop_page())
        crowd.go_on(FIRST_RATE)
        time.sleep(SETTLE)
        page.goto(f"http://127.0.0.1:{service.port}/live?device=device-000")
        page.wait_for_selector("#grid .tile")
        clients = [Client(service.port, name) for name in crowd.names[1 : CLIENTS + 1]]
        rate = sustained(service, crowd)
        crowd.go_on(rate)
        time.sleep(SETTLE)
        page.evaluate(WATCH)
        for client in clients:
            client.watch()
        before = Moment.of(service, crowd, parts)
        crowd.go_on(OVERLOAD * rate)
        page.wait_for_timeout(seconds * 1e3)
        shown = page.evaluate(SHOWN)
        bare = [client.shown() for client in clients]
        after = Moment.of(service, crowd, parts)
    return {"sustained_per_s": rate, **figures(shown, bare), **before.until(after)}


def figures(page: Shown, clients: Sequence[Shown]) -> dict[str, float]:
    stale, others = peaks(page), np.concatenate([peaks(shown) for shown in clients])
    ages = np.array([at - taken / 1e3 for taken, at in page[1:-1]])
    return {
        "stale_p50_ms": float(np.median(stale)),
        "stale_p95_ms": float(np.percentile(stale, 95)),
        "stale_worst_ms": float(stale.max()),
        "age_p50_ms": float(np.median(ages)),
        "age_p95_ms": float(np.percentile(ages, 95)),
        "views_shown": len(page) - 2,
        "clients_p50_ms": float(np.median(others)),
        "clients_p95_ms": float(np.percentile(others, 95)),
        "clients_worst_ms": float(others.max()),
        "clients": len(clients),
    }


def peaks(shown: Shown) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Milliseconds of staleness at each replacement."""
    taken = np.array([sequence / 1e3 for sequence, _ in shown])
    at = np.array([when for _, when in shown])
    return np.asarray(at[1:] - taken[:-1], np.float64)


def sustained(service: Live, crowd: Crowd) -> float:
    """Views a second that are matched, but for a few, when as many are published."""
    rate, best, failures = FIRST_RATE, 0.0, 0
    while failures < FAILURES:
        matched = keeping_up(service, crowd, rate)
        if matched is None:
            failures += 1
        else:
            rate, best, failures = rate * STEP, matched, 0
    if not best:
        sys.exit(f"{FIRST_RATE} views a second are too many: the machine is busy.")
    return best


def keeping_up(service: Live, crowd: Crowd, rate: float) -> float | None:
    """Views a second that are matched at a rate; None if that is fewer than are published."""
    crowd.go_on(rate)
    time.sleep(0.5)
    sent, counts, began = crowd.sent(), outcomes(service), time.monotonic()
    time.sleep(STEP_SECONDS)
    spent = time.monotonic() - began
    offered = (crowd.sent() - sent) / spent
    matched = (done(outcomes(service)) - done(counts)) / spent
    return matched if min(matched, offered) >= KEEPS_UP * rate else None


@dataclass(frozen=True, slots=True)
class Moment:
    """What had been counted at a time."""

    at: float
    sent: int
    counts: dict[str, int]
    cpu: dict[str, float]

    @classmethod
    def of(cls, service: Live, crowd: Crowd, parts: Parts) -> Moment:
        cpu = {
            "matcher_cores": cpu_seconds(service.pid),
            "devices_cores": sum(map(cpu_seconds, crowd.pids)),
            "servers_cores": sum(map(cpu_seconds, parts.pids)),
            "others_cores": busy_seconds() - sum(map(cpu_seconds, family())),
            "machine_cores": busy_seconds(),
        }
        return cls(time.monotonic(), crowd.sent(), outcomes(service), cpu)

    def until(self, later: Moment) -> dict[str, float]:
        spent, sent = later.at - self.at, later.sent - self.sent
        matched = done(later.counts) - done(self.counts)
        received = later.counts["received"] - self.counts["received"]
        lost = {
            name: later.counts[name] - self.counts[name]
            for name in ("dropped", "stale", "limited", "malformed", "failed")
        }
        return {
            "seconds": spent,
            "offered_per_s": sent / spent,
            "matched_per_s": matched / spent,
            "overload": sent / matched,
            "dropped_share": 1 - matched / sent,
            "unread_share": 1 - received / sent,
            **lost,
            **{name: (later.cpu[name] - self.cpu[name]) / spent for name in self.cpu},
            "cores": usable_cores(),
        }


def outcomes(service: Live) -> dict[str, int]:
    """What became of the messages so far, by `/metrics`."""
    found = {}
    for line in get(service.port, "/metrics")[1].decode().splitlines():
        if line.startswith("kinlens_live_messages_total{"):
            name, value = line.rsplit(" ", 1)
            found[name.split('"')[1]] = int(float(value))
    return found


def done(counts: dict[str, int]) -> int:
    return counts["matched"] + counts["repeated"]


def busy_seconds() -> float:
    """Seconds that the machine's processors have worked; Linux."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split()
    user, nice, system, _, _, irq, soft = (int(field) for field in fields[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def family() -> list[int]:
    """This process, and all that it has started; Linux."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [os.getpid()]
    for pid in found:
        found += children.get(pid, [])
    return found


class Client:
    """Reads the events of a device, as a program would; no more of it than their sequence."""

    def __init__(self, port: int, device: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", f"/v1/live/{device}/events")
        self._answer = connection.getresponse()
        self._last = 0
        self._shown: Shown | None = None
        threading.Thread(target=self._read, daemon=True).start()

    def watch(self) -> None:
        """Begin."""
        self._shown = [(self._last, 1e3 * time.time())]

    def shown(self) -> Shown:
        """What was shown until now."""
        return [*(self._shown or []), (0, 1e3 * time.time())]

    def _read(self) -> None:
        while line := self._answer.readline():
            _, found, rest = line[:200].partition(b'"sequence":')
            if found:
                self._last = int(rest.split(b",")[0])
                if self._shown is not None:
                    self._shown.append((self._last, 1e3 * time.time()))


class Crowd:
    """Processes of devices."""

    def __init__(self, running: Sequence[subprocess.Popen[str]], names: list[str]) -> None:
        self.names = names
        self.pids = [one.pid for one in running]
        self._pipes = [(pipe(one.stdin), pipe(one.stdout)) for one in running]
        self._rate = 0.0

    def go_on(self, rate: float) -> None:
        """All of them at this rate from now on."""
        self._rate = rate
        self.sent()

    def sent(self) -> int:
        """Views that were published until now."""
        total = 0
        for told, says in self._pipes:
            told.write(f"{self._rate / len(self._pipes)}\n")
            told.flush()
            total += int(says.readline())
        return total


def pipe(found: IO[str] | None) -> IO[str]:
    assert found is not None
    return found


@contextmanager
def devices(folder: Path, parts: Parts, service: Live) -> Iterator[Crowd]:
    """Device processes, still silent."""
    names = [f"device-{number:03}" for number in range(DEVICES)]
    stats = json.loads(get(service.port, "/v1/stats")[1])
    with ExitStack() as stack:
        running = []
        for number in range(PROCESSES):
            plan = folder / f"plan-{number}.json"
            content = {
                "port": int(parts.broker.rpartition(":")[2]),
                "devices": names[number::PROCESSES],
                "fingerprint": stats["encoder"]["fingerprint"],
                "vectors": str(folder / "views.npy"),
                "pictures": str(folder / "pictures"),
            }
            plan.write_text(json.dumps(content), encoding="utf-8")
            command = [sys.executable, str(Path(__file__).with_name("crowd.py")), str(plan)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": None}
            running.append(stack.enter_context(process(command, **pipes)))
        yield Crowd(running, names)


def prepare(folder: Path, vectors: Vectors) -> None:
    """What devices publish: vectors of the catalog's kind, and photos as cameras show them."""
    rng = np.random.default_rng(7)
    np.save(folder / "views.npy", vectors[rng.permutation(len(vectors))[:VIEWS]].astype("<f2"))
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for number, pixels in enumerate(decoded(photos(PICTURES), PICTURE_SIDE)):
        small = encode_thumbnail(pixels, PICTURE_SIDE)
        (pictures / f"{number:03}.jpg").write_bytes(small)
