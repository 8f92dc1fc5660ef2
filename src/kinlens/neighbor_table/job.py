"""The nightly job: every item's nearest, in a table that is kept up to date."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from kinlens.errors import OutputError
from kinlens.ingest.report import Counts, Pace, ProgressCallback
from kinlens.neighbor_table.asked import Asked
from kinlens.neighbor_table.candidates import Candidates, Keys, copy
from kinlens.neighbor_table.changes import DISTANCES, ROWS, Former, changes
from kinlens.neighbor_table.folder import StateFolder
from kinlens.neighbor_table.options import TableOptions
from kinlens.neighbor_table.output import publish
from kinlens.neighbor_table.queries import Queries, open_queries
from kinlens.neighbor_table.report import TableReport
from kinlens.neighbor_table.rules import ChosenVectors, Rules
from kinlens.neighbors.array_files import make_array, take_array, write_array
from kinlens.neighbors.best import BestInFiles
from kinlens.neighbors.budget import blocks_for
from kinlens.neighbors.leaving_out import NOBODY
from kinlens.neighbors.streaming import Stream
from kinlens.neighbors.vector_sources import Readable
from kinlens.parquet import check_installed
from kinlens.search import Search
from kinlens.types import Metric, Outcome, Where

_KEPT = ("items.npz", "ids.txt", "groups.json", "queries.npz", "queries.txt", DISTANCES, ROWS)
_ROWS = 8192
_LISTS = ((DISTANCES, np.float64, np.inf), (ROWS, np.int64, NOBODY))
"""Files, their numbers, and what stands for none."""
_OTHER_FORMATS = (".csv", ".tsv", ".json", ".jsonl", ".npy")


def write_neighbors(
    search: Search,
    output: str | PathLike[str],
    k: int = 20,
    *,
    metric: Metric = "cosine",
    where: Where | None = None,
    for_where: Where | None = None,
    same: Sequence[str] = (),
    min_distance: float | None = None,
    queries: Readable | None = None,
    column: str | None = None,
    memory: int | None = None,
    full: bool = False,
    progress: ProgressCallback | None = None,
) -> TableReport:
    """Write the nearest neighbors of every item, exact, to a Parquet file.

    The table has the columns id, neighbor, rank (from 1) and distance, in the order of first
    indexing and of rank. It shows one state of the catalog, whatever is written meanwhile, and
    appears when it is whole. Run again, only what can have changed is computed, and the table is
    the same as a new one. A run that was cut short, by whatever, goes on when it is repeated.

    Parameters
    ----------
    search : whose catalog
    output : the file; a folder of its name and ".state" is kept beside it, for the next run
    k : neighbors of an item at most
    metric : "cosine" or "euclidean"
    where : only such items are neighbors
    for_where : only for such items
    same : fields: neighbors only among items with the same value; of lists, that share one. A
        missing value counts as null, as in filters
    min_distance : nearer neighbors, such as near-duplicates, are left out, and farther ones follow;
        from 0 to 2
    queries : instead of the catalog's items, whose neighbors in the catalog are wanted: vectors as
        `stream_neighbors` takes them, or the path of a folder or table of pictures
    column : of the vectors, in a Parquet file of queries that has several
    memory : bytes for what is in memory at once; None for half of what is free
    full : compute all anew
    progress : called now and then, and at the end; counts lists

    Raises
    ------
    InvalidInput : an option that can't be used, or a field that no item has
    SourceError : the queries can't be read
    OutputError : another run writes this table, no space is left, or it can't be written
    MissingDependency : Parquet needs pyarrow
    """
    start = time.monotonic()
    check_installed()
    asked = open_queries(search, queries, column) if queries is not None else None
    options = TableOptions(
        k=k,
        metric=metric,
        where=where,
        for_where=for_where,
        same=tuple(same),
        min_distance=min_distance,
        queries=asked.mark if asked else "",
    )
    state = StateFolder(_checked_output(output))
    with state.locked():
        job = _Job(search, state, options, queries=asked, memory=memory, progress=progress)
        report = job.run(full=full)
    report.seconds = time.monotonic() - start
    return report


class _Job:
    def __init__(
        self,
        search: Search,
        state: StateFolder,
        options: TableOptions,
        *,
        queries: Queries | None,
        memory: int | None,
        progress: ProgressCallback | None,
    ) -> None:
        self._search = search
        self._state = state
        self._options = options
        self._queries = queries
        self._memory = memory
        self._progress = progress
        self._report = TableReport(state.output, outside=queries is not None)

    def run(self, *, full: bool) -> TableReport:
        """Go on with what was cut short, and catch up with the catalog."""
        facts = self._to_go_on_with(full=full)
        self._report.resumed = facts is not None
        if facts is not None:
            self._finish(facts)
        if facts is None or facts["revision"] != self._revision():
            self._finish(self._begin(full=full and facts is None))
        return self._report

    def _to_go_on_with(self, *, full: bool) -> dict[str, Any] | None:
        facts = self._state.under_way()
        if facts is None or self._difference(facts) or (full and facts["base"] is not None):
            return None
        return facts

    def _begin(self, *, full: bool) -> dict[str, Any]:
        """Copy what is needed, so that from now on the run goes on after a cut."""
        former = self._state.current()
        number = self._state.begin()
        folder = self._state.run(number)
        copied = copy(self._search.parts.catalog, folder, self._options)
        failures = self._queries.copy(folder, self._state.path) if self._queries else []
        facts = {
            "options": self._options.to_dict(),
            "encoder": asdict(copied.encoder),
            "revision": copied.revision,
            "warnings": copied.warnings,
            "failures": [asdict(failure) for failure in failures],
        }
        reason = "as asked" if full else "the first time"
        if former is not None and not full:
            reason = self._difference(former)
        base = former["run"] if former is not None and not reason else None
        self._state.note(number, {**facts, "base": base, "reason": reason})
        return {**facts, "run": number, "base": base, "reason": reason}

    def _difference(self, facts: dict[str, Any]) -> str:
        """What keeps this run from going on with another one; "" if nothing does."""
        encoder = self._search.encoder
        if facts["encoder"]["fingerprint"] != encoder.fingerprint:
            return f"the vectors were those of {_named(facts['encoder'])}"
        now = self._options.to_dict()
        changed = [name for name in now if now[name] != facts["options"].get(name)]
        before = (f"{name} was {_shown(facts['options'].get(name))}" for name in changed)
        return ", ".join(before)

    def _revision(self) -> int:
        with self._search.parts.catalog.snapshot(metadata=False) as snapshot:
            return snapshot.revision

    def _finish(self, facts: dict[str, Any]) -> None:
        """Do what is left of a run, and publish its table."""
        run = self._opened(facts["run"])
        former = self._opened(facts["base"]) if facts["base"] is not None else None
        self._describe(facts, run)
        if former is not None and _is_same(run, former):
            self._keep_former(former)
        else:
            self._search_lists(run, former)
            manifest = self._manifest(facts, run)
            self._state.finish(facts["run"], {**facts, "manifest": manifest})
            publish(run, self._state.output, manifest)
        self._state.tidy(keep=_KEPT)
        if self._queries is not None:
            self._queries.forget(self._state.path)

    def _opened(self, number: int) -> Former:
        folder = self._state.run(number)
        candidates = Candidates.load(folder)
        outside = bool(self._options.queries)
        return Former(folder, candidates, Asked.load(folder, candidates, outside=outside))

    def _describe(self, facts: dict[str, Any], run: Former) -> None:
        report = self._report
        report.items, report.lists = len(run.candidates.keys), len(run.asked)
        report.revision, report.reason = facts["revision"], facts["reason"] or report.reason
        report.warnings = facts.get("warnings", [])
        report.failures = [Outcome(**failure) for failure in facts["failures"]]

    def _keep_former(self, former: Former) -> None:
        current = self._state.current()
        if current is not None:
            self._report.neighbors = current["manifest"]["neighbors"]
            publish(former, self._state.output, current["manifest"])

    def _search_lists(self, run: Former, former: Former | None) -> None:
        work = changes(former, run.candidates, run.asked)
        if self._options.same:
            work = work.by_group(run.candidates.signatures[run.asked.positions])
        passing = np.flatnonzero(run.candidates.passes)
        parts = [
            _Part("anew", work.anew, passing),
            _Part("updated", work.updated, work.fresh),
        ]
        self._report.anew += len(work.anew)
        self._report.updated += len(work.updated) if len(work.fresh) else 0
        teller = _Teller(self._progress, parts, len(run.asked))
        found = []
        for part in parts:
            if part.name == "anew" and not len(part.among):
                continue
            best = BestInFiles(run.folder / part.name, part.name, len(part.lists), self._options.k)
            if part.name == "updated" and former is not None and best.position.size == 0:
                for start, lists in work.begun(former):
                    best.begin_with(start, lists)
            self._stream(run, part).run(best, teller.part(part))
            self._report.certified &= best.position.certified
            found.append((part.lists, best.files()))
        self._report.neighbors = self._combine(run, found)
        teller.last()

    def _stream(self, run: Former, part: _Part) -> Stream:
        vectors = ChosenVectors(run.candidates, part.among)
        blocks = blocks_for(
            self._memory, vectors.dim, self._options.k, len(vectors), len(part.lists)
        )
        return Stream(
            vectors=vectors,
            queries=len(part.lists),
            find=Rules(self._options, run.asked, part.lists, part.among),
            blocks=blocks,
            numbers=part.among,
            merges_first=part.name == "updated",
        )

    def _combine(self, run: Former, found: Sequence[tuple[Keys, tuple[Path, Path]]]) -> int:
        """Put all lists into one file, in their order; gives how many neighbors they have.

        Lists that weren't searched for, since there is nothing to find, are empty.
        """
        shape = len(run.asked), self._options.k
        part_of, place = np.full(shape[0], -1, np.int8), np.zeros(shape[0], np.int64)
        for number, (lists, _) in enumerate(found):
            part_of[lists], place[lists] = number, np.arange(len(lists))
        neighbors = 0
        for column, (name, dtype, empty) in enumerate(_LISTS):
            make_array(run.folder / name, dtype, shape)
            for start in range(0, shape[0], _ROWS):
                here = slice(start, start + _ROWS)
                block = np.full((len(place[here]), shape[1]), empty, dtype)
                for number, (_, files) in enumerate(found):
                    mine = part_of[here] == number
                    block[mine] = take_array(files[column], place[here][mine])
                write_array(run.folder / name, start, block)
                neighbors += int(np.count_nonzero(block != NOBODY)) if name == ROWS else 0
        return neighbors

    def _manifest(self, facts: dict[str, Any], run: Former) -> dict[str, Any]:
        return {
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "encoder": facts["encoder"],
            "revision": facts["revision"],
            "options": facts["options"],
            "items": len(run.candidates.keys),
            "lists": len(run.asked),
            "neighbors": self._report.neighbors,
        }


@dataclass(frozen=True, slots=True)
class _Part:
    """Lists that are searched for among some candidates."""

    name: str
    lists: Keys
    among: Keys

    @property
    def pairs(self) -> int:
        return len(self.lists) * len(self.among)


class _Teller:
    """Tells how many lists are done: of the pairs to be looked at, the same share."""

    def __init__(
        self, callback: ProgressCallback | None, parts: Sequence[_Part], lists: int
    ) -> None:
        self._pace = Pace(callback, lists)
        self._lists = lists
        self._parts = parts
        self._all = sum(part.pairs for part in parts)

    def part(self, part: _Part) -> Callable[[int, int], None]:
        """For `Stream.run`."""
        before = sum(one.pairs for one in self._parts[: self._parts.index(part)])
        return lambda done, _: self._tell((before + done) / self._all)

    def last(self) -> None:
        """All is done."""
        self._tell(1.0, last=True)

    def _tell(self, share: float, *, last: bool = False) -> None:
        self._pace.tell(Counts(int(share * self._lists)), last=last)


def _is_same(run: Former, former: Former) -> bool:
    return run.candidates.same_as(former.candidates) and np.array_equal(
        run.asked.digests, former.asked.digests
    )


def _checked_output(output: str | PathLike[str]) -> Path:
    path = Path(output).expanduser().absolute()
    if path.is_dir() or not path.name:
        raise OutputError(f"{path} is a folder; name a file, such as similar.parquet.")
    if path.suffix.lower() in _OTHER_FORMATS:
        raise OutputError(
            f"The table is written as Parquet; got {path.name}, name it {path.stem}.parquet."
        )
    return path


def _named(encoder: dict[str, Any]) -> str:
    return f"{encoder['name']} ({encoder['fingerprint']:.16})"


def _shown(value: Any) -> str:
    return "not set" if value in (None, "", []) else str(value)
