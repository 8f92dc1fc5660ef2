"""Items added together: read, fetched and decoded side by side, stored batch by batch."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

from kinlens.adding import LOST, Adder, Parts, Prepared, failure, separate
from kinlens.errors import FetchError, KinlensError, Overloaded
from kinlens.types import NewItem, Outcome

ADD_BATCH = 32
ADD_ATTEMPTS = 2
"""Times that a picture is read whose copy others delete meanwhile; they wait for the last time."""

THREADS = 64
"""That prepare items for all callers. Only as many are started as are needed at once."""

FETCHES_EACH = 8
"""URLs that one call fetches at once, so that other calls find free threads."""

T = TypeVar("T")


class BatchAdder:
    """Adds items for callers in any thread. Thread-safe.

    Parameters
    ----------
    parts : of the search
    threads : that decode the pictures of one call
    fetch_seconds : that all URLs of one batch may take
    """

    def __init__(self, parts: Parts, threads: int, fetch_seconds: float) -> None:
        self._parts = parts
        self._adder = Adder(parts)
        self._decodes_each = max(4, threads)
        self._fetch_seconds = fetch_seconds
        self._cancels = 0
        self._pool = ThreadPoolExecutor(
            max(THREADS, self._decodes_each), thread_name_prefix="kinlens-add"
        )

    def add(self, items: Iterable[NewItem]) -> Iterator[Outcome]:
        """See `Search.add`."""
        cancels = self._cancels
        for batch in _batches(items):
            if self._cancels != cancels:
                raise Overloaded("The server is shutting down; try again in a moment.")
            yield from self._add_batch(batch)

    def cancel(self) -> None:
        """Begin no more batches of the calls that are under way."""
        self._cancels += 1

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _add_batch(self, batch: Sequence[NewItem]) -> list[Outcome]:
        by_id: dict[str, Outcome] = {}
        left = batch
        for attempt in range(1, ADD_ATTEMPTS + 1):
            found = self._add_once(left) if attempt < ADD_ATTEMPTS else self._add_locked(left)
            by_id |= {outcome.id: outcome for outcome in found}
            left = [new for new in batch if by_id[new.id].reason == LOST]
            if not left:
                break
        return [by_id[new.id] for new in batch]

    def _add_locked(self, batch: Sequence[NewItem]) -> list[Outcome]:
        """Add while nobody removes copies; URLs are fetched before, since they may take long."""
        fetched = self._side_by_side([new for new in batch if new.url is not None], self._fetch)
        with self._parts.store.locked():
            return self._add_once(batch, {new.id: data for new, data in fetched})

    def _add_once(
        self, batch: Sequence[NewItem], fetched: dict[str, bytes | Outcome] | None = None
    ) -> list[Outcome]:
        known = self._parts.catalog.get([new.id for new in batch])

        def prepare(new: NewItem, end: float) -> Prepared | Outcome:
            data = (fetched or {}).get(new.id)
            if data is None and new.url is not None:
                data = self._fetch(new, end)
            if isinstance(data, Outcome):
                return data
            return self._adder.prepare(new, known.get(new.id), data=data)

        prepared = [entry for _, entry in self._side_by_side(batch, prepare)]
        settled = [entry for entry in prepared if isinstance(entry, Outcome)]
        ready = [entry for entry in prepared if isinstance(entry, Prepared)]
        stored, vectors, failed = separate(ready, self._parts.encoder)
        return self._adder.commit(stored, vectors, [*settled, *failed])

    def _fetch(self, new: NewItem, end: float) -> bytes | Outcome:
        left = end - time.monotonic()
        try:
            if left <= 0:
                raise FetchError(
                    f"The URLs added together took longer than {self._fetch_seconds:g} s "
                    "(fetch_batch_timeout), so this one wasn't fetched; add it again, with fewer."
                )
            return self._adder.read(new, left)
        except Overloaded:
            raise
        except KinlensError as error:
            return failure(new, error)

    def _side_by_side(
        self, batch: Sequence[NewItem], work: Callable[[NewItem, float], T]
    ) -> list[tuple[NewItem, T]]:
        """Run `work(item, end of fetching)` in threads, with a bound for each call of this."""
        end = time.monotonic() + self._fetch_seconds
        waiting = deque(batch)
        futures: dict[str, Future[T]] = {}
        running: dict[Future[T], bool] = {}
        try:
            while waiting or running:
                for new in self._next(waiting, list(running.values())):
                    future = self._pool.submit(copy_context().run, work, new, end)
                    futures[new.id] = future
                    running[future] = new.url is not None
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    del running[future]
                    future.result()
            return [(new, futures[new.id].result()) for new in batch]
        finally:
            for future in running:
                future.cancel()

    def _next(self, waiting: deque[NewItem], fetching: Sequence[bool]) -> list[NewItem]:
        """Take those items from the line that may begin beside those that run."""
        free = {True: FETCHES_EACH, False: self._decodes_each}
        for is_url in fetching:
            free[is_url] -= 1
        begun = []
        for new in list(waiting):
            if free[new.url is not None] > 0:
                free[new.url is not None] -= 1
                waiting.remove(new)
                begun.append(new)
        return begun


def _batches(items: Iterable[NewItem]) -> Iterator[list[NewItem]]:
    """Runs of at most `ADD_BATCH` items with distinct ids."""
    batch: dict[str, NewItem] = {}
    for item in items:
        if item.id in batch or len(batch) == ADD_BATCH:
            yield list(batch.values())
            batch = {}
        batch[item.id] = item
    if batch:
        yield list(batch.values())
