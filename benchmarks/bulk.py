"""The table of similar items of a whole catalog: every item's 20 nearest, all pairs, to Parquet.

    python benchmarks/bulk.py [--items 100000] [--rounds 3] [--k 20]

"kinlens" is `write_neighbors` as the nightly job calls it: it copies a snapshot out of the catalog,
indexes and searches, and writes the table. FAISS has the vectors in memory already: IndexFlatIP is
filled and searched for k + 1, so that each item can be left out of its own list; "with table" adds
what writing the same Parquet file takes. Both use all cores.

The incremental run begins with the table of 99 % of the items; the last 1 % came since. Its share
is of the full run of the same round. `same_neighbors` is the share of Kinlens's neighbors that
FAISS finds too; Kinlens's own are compared with float64 on some of the items.

The encoder of 512 dimensions has random weights (see made_encoder.py); only its vectors count here.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import faiss
import numpy as np
import numpy.typing as npt
from data import decoded, make_catalog, photos
from made_encoder import RECIPE, make_encoder
from report import Report

from kinlens.config import usable_cores
from kinlens.neighbor_table import TableReport, write_neighbors
from kinlens.neighbors import Neighbors, save_neighbors
from kinlens.parquet import ParquetTable
from kinlens.search import Search
from kinlens.types import Vectors
from kinlens.wiring import open_search

SAMPLE = 200
FAISS_BATCH = 4096
Rows = npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--k", type=int, default=20)
    options = parser.parse_args()
    report = Report("bulk", "How long does the table of all items' neighbors take?")
    with tempfile.TemporaryDirectory(prefix="kinlens-bench-") as name:
        folder = Path(name)
        pictures = photos(2000)
        encoder = make_encoder(folder / "encoder", decoded(pictures, RECIPE.min_side))
        vectors = make_catalog(folder / "data", encoder, options.items, pictures)
        with open_search(folder / "data", create=False, lazy=True) as search:
            measure(report, Bench(search, vectors, options.k, folder), options.rounds)
    report.write()


class Bench:
    """The runs that take turns; each gives its seconds."""

    def __init__(self, search: Search, vectors: Vectors, k: int, folder: Path) -> None:
        self.search, self.vectors, self.k, self.folder = search, vectors, k, folder
        self.ids = [f"item-{row:06}" for row in range(len(vectors))]
        self.new = max(1, len(vectors) // 100)
        self.faiss_scores = np.empty((0, 0))
        self.faiss_rows: Rows = np.empty((0, 0), np.int64)
        self._make_base()

    def _make_base(self) -> None:
        """The table of all items but the last ones, kept aside."""
        catalog, late = self.search.parts.catalog, self.ids[-self.new :]
        known = catalog.get(late)
        catalog.delete(late)
        write_neighbors(self.search, self._base, self.k)
        catalog.upsert([known[one] for one in late], self.vectors[-self.new :])

    @property
    def _base(self) -> Path:
        return self.folder / "base.parquet"

    def full(self) -> float:
        return timed(lambda: self._checked(self._table("full"), len(self.vectors)))

    def incremental(self) -> float:
        output = self.folder / "incremental.parquet"
        shutil.rmtree(state_of(output), ignore_errors=True)
        shutil.copytree(state_of(self._base), state_of(output))
        shutil.copyfile(self._base, output)
        return timed(lambda: self._checked(self._table("incremental"), self.new))

    def _table(self, name: str) -> TableReport:
        output = self.folder / f"{name}.parquet"
        return write_neighbors(self.search, output, self.k, full=name == "full")

    def _checked(self, made: TableReport, anew: int) -> None:
        assert (made.anew, made.certified) == (anew, True), made

    def faiss(self) -> float:
        faiss.omp_set_num_threads(usable_cores())
        return timed(self._faiss)

    def _faiss(self) -> None:
        index = faiss.IndexFlatIP(self.vectors.shape[1])
        index.add(self.vectors)
        found = []
        for start in range(0, len(self.vectors), FAISS_BATCH):
            block = self.vectors[start : start + FAISS_BATCH]
            scores, rows = index.search(block, self.k + 1)
            found.append(without_itself(scores, rows, start))
        self.faiss_scores, self.faiss_rows = map(np.concatenate, zip(*found, strict=True))

    def faiss_table(self) -> float:
        """What writing its answer takes besides."""
        found = Neighbors(1.0 - self.faiss_scores, self.faiss_rows, False, "faiss", 0)
        output = self.folder / "faiss.parquet"
        return timed(lambda: save_neighbors(found, output, ids=self.ids, neighbor_ids=self.ids))

    def rows(self, name: str) -> Rows:
        """The neighbors that a table holds, (items, k)."""
        numbers = {item: row for row, item in enumerate(self.ids)}
        values = ParquetTable(self.folder / f"{name}.parquet").values("neighbor")
        found = np.fromiter((numbers[item] for item in values), np.int64)
        return found.reshape(len(self.ids), -1)


def measure(report: Report, bench: Bench, rounds: int) -> None:
    runs: dict[str, Callable[[], float]] = {
        "kinlens": bench.full,
        "kinlens after 1 % came": bench.incremental,
        "faiss": bench.faiss,
        "faiss table": bench.faiss_table,
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(run())
    about = {"items": len(bench.vectors), "dim": bench.vectors.shape[1], "k": bench.k}
    full = bench.rows("full")
    assert np.array_equal(full, bench.rows("incremental")), "the incremental table differs"
    check(bench, full)
    pairs = zip(full, bench.faiss_rows, strict=True)
    shared = [np.isin(ours, theirs).mean() for ours, theirs in pairs]
    searched, written = seconds["faiss"], seconds["faiss table"]
    with_table = [one + two for one, two in zip(searched, written, strict=True)]
    for name, taken in (
        ("kinlens", seconds["kinlens"]),
        ("faiss flat, search alone", searched),
        ("faiss flat, with table", with_table),
    ):
        report.add(
            measured="all pairs",
            peer=name,
            **about,
            seconds=median(taken),
            items_per_s=len(bench.vectors) / median(taken),
            same_neighbors=1.0 if name == "kinlens" else float(np.mean(shared)),
            rounds=[round(one, 2) for one in taken],
        )
    later = seconds["kinlens after 1 % came"]
    shares = [one / two for one, two in zip(later, seconds["kinlens"], strict=True)]
    report.add(
        measured="after 1 % came",
        peer="kinlens",
        **about,
        seconds=median(later),
        share_of_full=median(shares),
        rounds=[round(one, 2) for one in later],
    )


def check(bench: Bench, rows: Rows) -> None:
    """Compare some lists with float64 over all items."""
    wide = bench.vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    for item in np.random.default_rng(0).integers(0, len(wide), SAMPLE):
        scores = wide @ wide[item]
        scores[item] = -np.inf
        kth = np.sort(scores)[-bench.k]
        assert scores[rows[item]].min() >= kth - 1e-12, f"item {item} lacks a neighbor"


def without_itself(
    scores: npt.NDArray[np.float32], rows: Rows, first: int
) -> tuple[npt.NDArray[np.float64], Rows]:
    """FAISS's neighbors of consecutive items without the items themselves."""
    own = rows == np.arange(first, first + len(rows))[:, None]
    own[~own.any(axis=1), -1] = True
    kept = len(rows), rows.shape[1] - 1
    return scores[~own].reshape(kept).astype(np.float64), rows[~own].reshape(kept)


def state_of(table: Path) -> Path:
    return table.with_name(f"{table.name}.state")


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
