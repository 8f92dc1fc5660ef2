"""Removing the items that a source no longer has, where what was seen of it proves that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from kinlens.ingest.visits import Visits
from kinlens.search import Search
from kinlens.sources import Entry

CHUNK = 128
MOST_GONE = 3
"""Pruning stops where more than one in so many items would go."""


class Evidence:
    """What a run saw of its source, so far as pruning depends on it."""

    def __init__(self) -> None:
        self.entries = 0
        self.blind: str = ""
        self.unseen: set[str] = set()
        self.named: set[str] = set()

    def see(self, entries: Sequence[Entry]) -> None:
        """Take entries into account."""
        for entry in entries:
            self.entries += entry.item is not None or bool(entry.id)
            if entry.id and entry.item is None:
                self.named.add(entry.id)
            if entry.hides and entry.under:
                self.unseen.add(entry.under)
            elif entry.hides:
                self.blind = self.blind or entry.place

    def covers(self, item_id: str) -> bool:
        """Whether the item would have been seen if it were there."""
        return item_id not in self.named and not item_id.startswith(tuple(self.unseen))


class Pruning:
    """The items of one source that its run didn't show.

    Parameters
    ----------
    search : over the catalog
    visits : what the run has named
    owner : number of the source
    evidence : what else it saw
    """

    def __init__(self, search: Search, visits: Visits, owner: int, evidence: Evidence) -> None:
        self._search = search
        self._visits = visits
        self._owner = owner
        self._evidence = evidence
        self.kept = 0

    def objection(self) -> str:
        """Why nothing should be removed on this evidence; "" where nothing speaks against it."""
        gone = sum(map(len, self._gone(everything=False)))
        if not gone:
            return ""
        has = self._search.parts.catalog.owners.count(self._owner)
        if not self._evidence.entries:
            reason = "the source is empty; perhaps it isn't mounted"
        elif self._evidence.blind:
            reason = f"{self._evidence.blind} can't be read, and items may be behind it"
        elif gone * MOST_GONE > has:
            reason = f"more than a third of the {has:,} items of this source would go"
        else:
            return ""
        missed = "1 item wasn't seen" if gone == 1 else f"{gone:,} items weren't seen"
        return (
            f"Nothing was pruned: {reason}. {missed}. To remove what wasn't seen, run again with "
            "--prune-all."
        )

    def remove(self, *, everything: bool) -> int:
        """Remove them; gives how many were.

        Parameters
        ----------
        everything : those too that may be in a folder that can't be read
        """
        return sum(
            len(self._search.delete(ids, owner=self._owner))
            for ids in self._gone(everything=everything)
        )

    def sweep(self) -> None:
        """Delete copies that a run that was killed has left behind."""
        store = self._search.parts.store
        copies = store.copies()
        while chunk := list(islice(copies, CHUNK)):
            with store.locked():
                store.remove(set(chunk) - self._search.parts.catalog.referenced(chunk))

    def _gone(self, *, everything: bool) -> Iterator[list[str]]:
        self.kept = 0
        for ids in self._search.parts.catalog.owners.owned(self._owner, CHUNK):
            seen = self._visits.seen(ids)
            unseen = [item_id for item_id in ids if item_id not in seen]
            gone = [one for one in unseen if everything or self._evidence.covers(one)]
            self.kept += len(unseen) - len(gone)
            yield gone
