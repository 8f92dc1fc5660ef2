"""From a source to the catalog: what is new or changed is encoded, and the rest is left alone."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from types import FrameType

import numpy as np

from kinlens.adding import Adder, Prepared, belongs_to_another, failure, hashes_of
from kinlens.catalog.owners import Claim
from kinlens.errors import CatalogFull, InvalidInput, SourceError
from kinlens.ingest.lock import index_lock
from kinlens.ingest.pipeline import Batch, Pipeline, Work
from kinlens.ingest.pruning import Evidence, Pruning
from kinlens.ingest.registry import Registered, Registry, with_prefix
from kinlens.ingest.report import Pace, ProgressCallback, Report
from kinlens.ingest.visits import Visits
from kinlens.search import Search
from kinlens.sources import Entry, Source, SourceOptions, column_reports, notes, open_source
from kinlens.types import NewItem, Outcome

CHUNK = 128
CHUNK_BYTES = 32_000_000
"""Of pictures that a table holds itself, as base64."""


def index(
    search: Search,
    source: Source | str | os.PathLike[str] | None,
    *,
    options: SourceOptions | None = None,
    prune: bool = False,
    prune_all: bool = False,
    replace: bool = False,
    retry_failed: bool = False,
    refresh: bool = False,
    wait: float = 0.0,
    progress: ProgressCallback | None = None,
) -> Report:
    """Index a source; what was indexed before and hasn't changed isn't encoded again.

    An item that has failed keeps nothing else from being indexed. Whatever was stored stays,
    however the run ends; the next one goes on from there. Ctrl-C ends the run within moments: what
    is being encoded is still stored, and the report says `interrupted`.

    The items belong to the source, by its path. An id that belongs to another source, or to an item
    that was added by hand, is a failure and stays as it is, unless `replace` is given.

    Parameters
    ----------
    search : into its catalog
    source : a folder, a table, or with `retry_failed`, None for all sources seen before
    options : how to read it
    prune : remove the items of this source that it no longer has. Nothing is removed where the
        source is empty, can't be read in part, or would lose more than a third of its items;
        the report says so
    prune_all : remove them all the same
    replace : take over items of other sources, and those added by hand, whose ids this source has
    retry_failed : do only what failed before
    refresh : fetch pictures at URLs again that are indexed already
    wait : seconds to wait for another indexer to end; infinity for as long as it takes
    progress : called now and then, and at the end

    Raises
    ------
    SourceError : the source can't be read
    CatalogBusy : another process indexes into this catalog
    CatalogFull : no space left; the message says how many were indexed
    """
    opened = [_open(source, options)] if source is not None else []
    if not opened and not retry_failed:
        raise SourceError("What to index is missing; name a folder of pictures, or a table.")
    start = time.monotonic()
    report = Report()
    with index_lock(search.data, wait=wait), closing(Visits(search.data)) as visits:
        registry = Registry(search.parts.catalog.owners, visits)
        for one in opened or registry.sources():
            registered = registry.register(one, whole=not retry_failed)
            run = _Run(search, registered, visits, report, refresh=refresh, replace=replace)
            if retry_failed:
                run.retry(progress)
            else:
                run.all(progress)
                if (prune or prune_all) and not report.interrupted:
                    run.prune(prune_all=prune_all)
            if report.interrupted:
                break
    report.seconds = time.monotonic() - start
    return report


class _Run:
    """One run over one source."""

    def __init__(
        self,
        search: Search,
        registered: Registered,
        visits: Visits,
        report: Report,
        *,
        refresh: bool,
        replace: bool,
    ) -> None:
        self._search = search
        self._source = registered.source
        self._visits = visits
        self._report = report
        self._refresh = refresh
        self._evidence = Evidence()
        self._claim = Claim(registered.owner, replace)
        self._adder = Adder(search.parts, self._claim)

    def all(self, progress: ProgressCallback | None) -> None:
        """Every entry; the failures of those that have gone since the last run are forgotten."""
        pace = Pace(progress, self._source.count() if progress else None)
        self._drive(self._plan(self._entries(), self._visits.mark), pace)
        self._report.columns += column_reports(self._source)
        self._report.notes += notes(self._source)
        if not self._report.interrupted:
            self._forget_gone()
        pace.tell(self._report, last=True)

    def prune(self, *, prune_all: bool) -> None:
        """Remove the items that are gone, as far as what was seen proves it."""
        pruning = Pruning(self._search, self._visits, self._claim.owner, self._evidence)
        self._report.prune_refused = "" if prune_all else pruning.objection()
        if not self._report.prune_refused:
            self._report.removed += pruning.remove(everything=prune_all)
            self._report.kept_unseen += pruning.kept
            pruning.sweep()

    def retry(self, progress: ProgressCallback | None) -> None:
        """Only the entries that the ledger calls failed."""
        failed = {outcome.id for outcome in self._search.ledger("failed")}
        wanted = (
            entry
            for entry in self._entries()
            if (entry.item.id if entry.item else entry.place) in failed
        )
        pace = Pace(progress, len(failed) if progress else None)
        self._drive(self._plan(wanted, _Memory()), pace)
        pace.tell(self._report, last=True)

    def _entries(self) -> Iterator[Entry]:
        prefix = self._source.options.id_prefix
        if not prefix:
            return iter(self._source)
        return (with_prefix(entry, prefix) for entry in self._source)

    def _drive(self, work: Iterable[Work | Outcome], pace: Pace) -> None:
        search = self._search
        with (
            Pipeline(work, search.parts, search.threads) as pipeline,
            _stops(self._interrupt(pipeline)),
        ):
            try:
                for batches in pipeline.batches():
                    self._write(batches)
                    pace.tell(self._report)
            except CatalogFull as error:
                raise CatalogFull(
                    f"{error} {self._report.indexed:,} pictures of this run are indexed and stay; "
                    "the same command goes on from there."
                ) from error

    def _interrupt(self, pipeline: Pipeline) -> Callable[[], None]:
        def interrupt() -> None:
            self._report.interrupted = True
            pipeline.stop()

        return interrupt

    def _write(self, batches: Sequence[Batch]) -> None:
        stored = [entry for batch in batches for entry in batch.stored]
        settled = [outcome for batch in batches for outcome in batch.settled]
        vectors = np.concatenate([batch.vectors for batch in batches])
        outcomes = [*self._adder.store(stored, vectors), *settled]
        # Before they are recorded: if that fails, the report still says what is stored.
        self._report.count(outcomes)
        self._count_duplicates(stored, outcomes)
        self._adder.record(outcomes, hashes_of(stored))
        self._note_fetched(stored, outcomes)

    def _count_duplicates(self, stored: Sequence[Prepared], outcomes: Sequence[Outcome]) -> None:
        indexed = {outcome.id for outcome in outcomes if outcome.state == "indexed"}
        new = [
            entry.item for entry in stored if entry.pixels is not None and entry.item.id in indexed
        ]
        self._report.duplicates += self._search.parts.catalog.owners.duplicates(new)

    def _note_fetched(self, stored: Sequence[Prepared], outcomes: Sequence[Outcome]) -> None:
        indexed = {outcome.id for outcome in outcomes if outcome.state == "indexed"}
        fetched = [
            (entry.item.id, entry.reference, entry.item.content_hash)
            for entry in stored
            if entry.item.id in indexed and _is_url(entry.reference)
        ]
        if fetched:
            self._visits.note_fetched(fetched)

    def _plan(
        self, entries: Iterable[Entry], mark: Callable[..., set[str]]
    ) -> Iterator[Work | Outcome]:
        """What is to be done for each entry, looked up chunk by chunk."""
        for chunk in _chunks(entries):
            bad = [entry for entry in chunk if entry.item is None]
            good, double = _without_doubles(chunk, mark)
            if bad or double:
                mark([entry.place for entry in (*bad, *double)], are_items=False)
            self._evidence.see(chunk)
            for entry in bad:
                yield _failed(entry, entry.reason)
            for entry in double:
                yield _failed(entry, _double(entry))
            yield from self._look_up(good)

    def _look_up(self, items: Sequence[NewItem]) -> Iterator[Work | Outcome]:
        owned = self._search.parts.catalog.owners.others([item.id for item in items], self._claim)
        for item in items:
            if item.id in owned:
                yield failure(item, InvalidInput(belongs_to_another(item.id, owned[item.id])))
        items = [item for item in items if item.id not in owned]
        known = self._search.get([item.id for item in items])
        urls = [item.id for item in items if item.url is not None and item.id in known]
        fetched = self._visits.fetched(urls) if urls and not self._refresh else {}
        for item in items:
            before = known.get(item.id)
            same = before is not None and fetched.get(item.id) == (item.url, before.content_hash)
            yield Work(item, before, same_picture=same)

    def _forget_gone(self) -> None:
        """Forget the failures of entries that have gone; their items are for `prune`."""
        while gone := self._visits.gone(CHUNK):
            kept = self._search.get(gone)
            self._search.parts.ledger.remove([entry for entry in gone if entry not in kept])
            self._visits.forget(gone)


class _Memory:
    """Stands in for `Visits.mark` where a run must not count as one over the whole source."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, ids: Sequence[str], *, are_items: bool = True) -> set[str]:
        before = self._seen & set(ids) if are_items else set()
        self._seen.update(ids)
        return before


def _open(source: Source | str | os.PathLike[str], options: SourceOptions | None) -> Source:
    return open_source(source, options) if isinstance(source, str | os.PathLike) else source


def _chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    weight = 0
    for entry in entries:
        chunk.append(entry)
        weight += Work(entry.item, None).weight if entry.item else 0
        if len(chunk) == CHUNK or weight > CHUNK_BYTES:
            yield chunk
            chunk, weight = [], 0
    if chunk:
        yield chunk


def _without_doubles(
    chunk: Sequence[Entry], mark: Callable[..., set[str]]
) -> tuple[list[NewItem], list[Entry]]:
    """Items whose id comes for the first time in this run, and the entries of the others."""
    first: dict[str, Entry] = {}
    double = [
        entry
        for entry in chunk
        if entry.item is not None and first.setdefault(entry.item.id, entry) is not entry
    ]
    seen = mark(list(first)) if first else set()
    double += [entry for item_id, entry in first.items() if item_id in seen]
    items = [entry.item for item_id, entry in first.items() if item_id not in seen]
    return [item for item in items if item is not None], double


def _double(entry: Entry) -> str:
    name = entry.item.id if entry.item else ""
    return (
        f"The id {name!r} was used before in this source; the first one counts. Give each item an "
        "id of its own."
    )


def _failed(entry: Entry, reason: str) -> Outcome:
    return Outcome(entry.place, "failed", reason, entry.reference, time.time())


def _is_url(reference: str) -> bool:
    return reference[:8].lower().startswith(("http://", "https://"))


@contextmanager
def _stops(interrupt: Callable[[], None]) -> Iterator[None]:
    """Make the first Ctrl-C call a function; a second one is a `KeyboardInterrupt` as usual."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if is_main else None
    if before is not signal.default_int_handler:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Not here: the handler may run while this thread holds the lock that stopping needs.
        threading.Thread(target=interrupt, daemon=True).start()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
