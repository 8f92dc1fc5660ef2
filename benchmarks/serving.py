"""How long does `kinlens serve` take to answer, to start, and how much memory does it need?

    python benchmarks/serving.py [--items 100000] [--rounds 3] [--seconds 5] [--encoders ...]

A catalog of 100,000 items is written through its own upsert and served by the real command. One
client, in a process of its own, posts photos of clothes over a kept connection and asks for 24
hits. All times are in milliseconds:

latency   as the client sees it
server    in the server, from the request's headers to the answer's (Server-Timing)
beyond    server less its stages decode and encode: reading the form, threads, search, writing the
          answer; `seen_beyond` is latency less the two, with the client and the loopback in it
search    the stage of that name: the matrix, the items of the hits, facets
cpu       processor time a request, of the server and of the clients, which share the cores

The pictures asked for are among those that the catalog is made around, as when a shop's customer
photographs what it sells; "new pictures" are others, whose neighbors are farther away.

The encoder of 512 dimensions has random weights (see made_encoder.py); only its cost counts here.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from data import decoded, make_catalog, photos, real_vectors
from made_encoder import RECIPE, make_encoder
from processes import Running, cpu_seconds, get, memory, serving
from report import Report
from search_peers import measure

from kinlens.encoders import open_encoder

MADE, MINI = "random-512", "kinlens-mini"
HITS = "24"
QUERIES = 64
MANY = 32
WRITES = 20
ALONE: dict[str, dict[str, str]] = {
    "all items": {},
    "filter keeps 50 %": {"where": '{"sale": true}'},
    "filter keeps 5 %": {"where": '{"shelf": 7}'},
    "filter keeps 0.1 %": {"where": '{"lot": 77}'},
    "three facets": {"facets": "color,brand,sale"},
    "three facets, filter keeps 5 %": {"facets": "color,brand,sale", "where": '{"shelf": 7}'},
}
STAGES = ("latency", "decode", "encode", "search", "total", "server")

Table = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Load:
    """What clients do: how many there are, what they ask for, and how much is written."""

    name: str
    clients: int = 1
    fields: tuple[tuple[str, str], ...] = ()
    writes_per_s: int = 0
    new_pictures: bool = False


@dataclass(frozen=True, slots=True)
class Driven:
    """What came of a load: a row of `STAGES` for each request that was answered."""

    seconds: float
    table: Table
    server_cpu: float
    client_cpu: float


@dataclass(frozen=True, slots=True)
class Photos:
    """What the catalog is made around, and other photos."""

    known: list[Path]
    new: list[Path]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load in each round")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--encoders", nargs="+", default=[MADE, MINI], choices=[MADE, MINI])
    options = parser.parse_args()
    report = Report("serving", __doc__.splitlines()[0])
    pictures = photos(1500)
    both = Photos(pictures, sorted(set(photos()) - set(pictures)))
    with tempfile.TemporaryDirectory(prefix="kinlens-serving-") as folder:
        for name in options.encoders:
            encoder = name
            if name == MADE:
                encoder = make_encoder(Path(folder, "encoder"), decoded(pictures, RECIPE.min_side))
            data = Path(folder, name)
            vectors = make_catalog(data, encoder, options.items, pictures)
            queries = real_vectors(open_encoder(encoder), pictures[:QUERIES])
            measure(report, vectors, queries, options.rounds)
            del vectors
            about = {"encoder": name, "items": options.items}
            start(report, about, data, options.starts)
            with serving(data) as server:
                load(report, about, server, both, options)
    report.write()


def start(report: Report, about: dict[str, Any], data: Path, times: int) -> None:
    """Seconds from the command to a server that is ready, its files being in the page cache."""
    seconds = []
    for _ in range(times):
        with serving(data) as server:
            seconds.append(server.ready_seconds)
    report.add(
        **about,
        measured="start",
        median_s=float(np.median(seconds)),
        worst_s=max(seconds),
        rounds_s=[round(value, 3) for value in seconds],
    )


def load(
    report: Report,
    about: dict[str, Any],
    server: Running,
    both: Photos,
    options: argparse.Namespace,
) -> None:
    matrix = json.loads(get(server.port, "/v1/stats")[1])["matrix_bytes"] / 1e6
    idle = memory(server.pid)
    rounds: dict[Load, list[Driven]] = defaultdict(list)
    loads = list(_loads())
    drive(server, both, Load("warm-up"), 1.0)
    for _ in range(options.rounds):
        for one in loads:
            rounds[one].append(drive(server, both, one, options.seconds))
    for one in loads:
        report.add(**about, measured="queries", load=one.name, **figures(rounds[one]))
    alone, together = (rate(rounds[one]) for one in loads if one.name in ("one client", "many"))
    report.add(**about, measured="many clients", clients=MANY, times_one=together / alone)
    report.add(
        **about,
        measured="memory",
        matrix_mb=matrix,
        ready_mb=idle,
        beyond_matrix_mb=idle - matrix,
        peak_mb=memory(server.pid, "VmHWM"),
    )


def _loads() -> Iterator[Load]:
    for name, fields in ALONE.items():
        yield Load(f"one client, {name}", 1, tuple(fields.items()))
    yield Load(f"one client, {WRITES} items written a second", writes_per_s=WRITES)
    yield Load("one client, new pictures", new_pictures=True)
    yield Load("one client")
    yield Load("many", MANY)


def drive(server: Running, both: Photos, one: Load, seconds: float) -> Driven:
    """Run the clients of a load."""
    pictures = both.new if one.new_pictures else both.known
    plan = {
        "port": server.port,
        "seconds": seconds,
        "clients": one.clients,
        "photos": [str(path) for path in pictures[:: max(1, len(pictures) // QUERIES)]],
        "fields": {"k": HITS, **dict(one.fields)},
        "writes_per_s": one.writes_per_s,
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(plan, file)
        file.flush()
        script = str(Path(__file__).with_name("clients.py"))
        before = cpu_seconds(server.pid)
        done = subprocess.run(
            [sys.executable, script, file.name], stdout=subprocess.PIPE, check=False
        )
    if done.returncode:
        sys.exit(f"The clients of {one.name!r} ended with {done.returncode}.")
    told = json.loads(done.stdout)
    taken = cpu_seconds(server.pid) - before
    return Driven(seconds, np.array(told["requests"]), taken, told["cpu_seconds"])


def rate(rounds: list[Driven]) -> float:
    """Requests a second: the median of the rounds."""
    return float(np.median([len(one.table) / one.seconds for one in rounds]))


def figures(rounds: list[Driven]) -> dict[str, Any]:
    table = np.concatenate([one.table for one in rounds])
    latency, decode, encode, search, _, server = table.T
    beyond = server - decode - encode
    return {
        "requests": len(table),
        "per_s": rate(rounds),
        "latency_p50": float(np.median(latency)),
        "latency_p99": float(np.percentile(latency, 99)),
        "server_p50": float(np.median(server)),
        "beyond_p50": float(np.median(beyond)),
        "beyond_p99": float(np.percentile(beyond, 99)),
        "seen_beyond_p50": float(np.median(latency - decode - encode)),
        "decode_p50": float(np.median(decode)),
        "encode_p50": float(np.median(encode)),
        "search_p50": float(np.median(search)),
        "search_p99": float(np.percentile(search, 99)),
        "server_cpu_ms": sum(one.server_cpu for one in rounds) / len(table) * 1e3,
        "client_cpu_ms": sum(one.client_cpu for one in rounds) / len(table) * 1e3,
        "rounds_per_s": [round(len(one.table) / one.seconds, 1) for one in rounds],
    }


if __name__ == "__main__":
    main()
