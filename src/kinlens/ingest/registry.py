"""The sources of a catalog: which one owns which items, and how each is read."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from kinlens.catalog.owners import KnownSource, Owners
from kinlens.errors import InvalidInput
from kinlens.ingest.visits import Visits
from kinlens.sources import Entry, Source, SourceOptions, open_source, reopened

BLOCK = 1000


@dataclass(frozen=True, slots=True)
class Registered:
    """A source that is about to be indexed.

    Parameters
    ----------
    source : read with the options that hold for it
    owner : its number in the catalog
    """

    source: Source
    owner: int


class Registry:
    """Knows the sources that were indexed into a catalog.

    Sources and owners of an older catalog are in the file of visits, and are taken over from it.

    Parameters
    ----------
    owners : of the catalog
    visits : of its data folder
    """

    def __init__(self, owners: Owners, visits: Visits) -> None:
        self._owners = owners
        self._visits = visits
        self._adopt()

    def sources(self) -> list[Source]:
        """All but those that went away without items, opened with the options of their last run."""
        return [
            open_source(known.name, SourceOptions.from_json(known.options))
            for known in self._owners.sources()
            if os.path.lexists(known.name) or self._owners.count(known.number)
        ]

    def register(self, source: Source, *, whole: bool) -> Registered:
        """Begin a run over a source.

        Parameters
        ----------
        whole : over all its entries; its options are kept for later runs
        """
        known = self._known(source.name)
        before = SourceOptions.from_json(known.options) if known else SourceOptions()
        chosen = reopened(source, source.options.after(before))
        name = known.name if known else source.name
        if known and not whole:
            owner, options = known.number, known.options
        else:
            options = chosen.options.to_json()
            owner = self._owners.register(name, options)
        self._visits.begin(name, options, whole=whole)
        return Registered(chosen, owner)

    def _known(self, name: str) -> KnownSource | None:
        """The source of this path, or else the one that another path of the same file leads to."""
        sources = self._owners.sources()
        real = os.path.realpath(name)
        same = [one for one in sources if one.name == name]
        same += [one for one in sources if os.path.realpath(one.name) == real]
        return same[0] if same else None

    def _adopt(self) -> None:
        if not self._owners.any_unknown():
            return
        known = {one.name: one.number for one in self._owners.sources()}
        for name, options in self._visits.sources():
            owner = known.get(name) or self._owners.register(name, options)
            for ids in self._visits.items_of(name, BLOCK):
                self._owners.adopt(ids, owner)


def with_prefix(entry: Entry, prefix: str) -> Entry:
    """The entry of a source whose ids begin with a prefix."""
    named = replace(
        entry,
        place=prefix + entry.place,
        under=prefix + entry.under if entry.under else "",
        id=prefix + entry.id if entry.id else "",
    )
    if entry.item is None:
        return named
    try:
        return replace(named, item=replace(entry.item, id=prefix + entry.item.id))
    except InvalidInput as error:
        return replace(named, item=None, reason=str(error))
