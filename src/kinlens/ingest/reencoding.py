"""New vectors for a catalog, by another encoder, while it stays in use."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

from kinlens.adding import Parts, Prepared, separate
from kinlens.catalog.spaces import SpaceFill
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.errors import CatalogError, KinlensError
from kinlens.ingest.lock import index_lock
from kinlens.ingest.pipeline import BATCH
from kinlens.ingest.report import Pace, ProgressCallback, Report
from kinlens.types import Item, Outcome

ROUNDS = 10
"""Times that what others added or changed meanwhile is caught up with."""


def reencode(
    catalog: SqliteCatalog,
    parts: Parts,
    data: Path,
    *,
    threads: int = 2,
    drop_failed: bool = False,
    wait: float = 0.0,
    progress: ProgressCallback | None = None,
) -> Report:
    """Give every item a vector of another encoder, then switch to those in one transaction.

    Until then the catalog answers with the old ones. A run that ends early goes on where it was.
    If a picture can't be read any more, nothing is switched, so that no item gets lost: put it
    back and run again, or give `drop_failed`.

    Parameters
    ----------
    catalog : the one to change, opened with the encoder it has
    parts : to read pictures with; `parts.encoder` is the new encoder
    data : the data folder
    threads : that decode
    drop_failed : delete the items whose pictures can't be encoded
    wait : seconds to wait for an indexer to end
    progress : called now and then, and at the end

    Returns
    -------
    report : `indexed` have a vector of the new encoder; what failed is in `failures`, and if there
        is any, the old encoder is still the one in use, unless `drop_failed`

    Raises
    ------
    CatalogBusy : another process indexes into this catalog
    CatalogFull : no space left; the catalog goes on with the old encoder
    """
    start = time.monotonic()
    report = Report()
    identity = parts.encoder.identity
    with index_lock(data, wait=wait), ThreadPoolExecutor(threads) as pool:
        if catalog.encoder.fingerprint == identity.fingerprint:
            return report
        fill = catalog.fill_space(identity)
        pace = Pace(progress, fill.remaining())
        failed: dict[str, Outcome] = {}
        for _ in range(ROUNDS):
            items = (item for item in fill.missing() if item.id not in failed)
            for batch in _prepared(items, parts, pool):
                lost = _store(batch, fill, parts)
                failed.update((outcome.id, outcome) for outcome in lost)
                report.indexed += len(batch) - len(lost)
                report.failed = len(failed)
                pace.tell(report)
            if fill.remaining() <= len(failed):
                break
        report.failed, report.failures = len(failed), list(failed.values())
        if failed and drop_failed:
            gone = catalog.delete(list(failed))
            parts.ledger.record([replace(failed[item_id], state="removed") for item_id in gone])
            report.removed = len(gone)
        if not failed or drop_failed:
            _activate(catalog, identity.fingerprint)
        pace.tell(report, last=True)
    report.seconds = time.monotonic() - start
    return report


def _store(batch: Sequence[Prepared | Outcome], fill: SpaceFill, parts: Parts) -> list[Outcome]:
    """Encode and store a batch; gives those that failed."""
    ready = [entry for entry in batch if isinstance(entry, Prepared)]
    stored, vectors, failed = separate(ready, parts.encoder)
    fill.put([entry.item for entry in stored], vectors)
    return failed + [entry for entry in batch if isinstance(entry, Outcome)]


def _prepared(
    items: Iterator[Item], parts: Parts, pool: ThreadPoolExecutor
) -> Iterator[list[Prepared | Outcome]]:
    """Batches, each decoded while the one before it is being encoded."""
    following = [pool.submit(_prepare, item, parts) for item in islice(items, BATCH)]
    while following:
        current = following
        following = [pool.submit(_prepare, item, parts) for item in islice(items, BATCH)]
        yield [future.result() for future in current]


def _prepare(item: Item, parts: Parts) -> Prepared | Outcome:
    try:
        recipe = parts.encoder.recipe
        data = parts.store.read(item.picture)
        picture = parts.loader.load(data, min_side=recipe.min_side)
    except CatalogError:
        raise
    except KinlensError as error:
        return Outcome(item.id, "failed", str(error), item.picture, time.time())
    return Prepared(item, item, recipe.square(picture.pixels), item.picture)


def _activate(catalog: SqliteCatalog, fingerprint: str) -> None:
    before = catalog.encoder.fingerprint
    catalog.activate_space(fingerprint)
    catalog.delete_space(before)
