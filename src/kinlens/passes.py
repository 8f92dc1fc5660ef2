"""Passes over the matrix: queries with one filter and metric, answered together from one state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinlens.batching import Batcher
from kinlens.catalog.advice import filter_warnings
from kinlens.catalog.base import Catalog, CatalogView
from kinlens.catalog.filters import EVERYTHING, Filter
from kinlens.errors import KinlensError
from kinlens.examples import Mixture
from kinlens.types import FacetCount, Match, Metric, Vectors

BATCH = 64


@dataclass(frozen=True, slots=True)
class Asked:
    """One query's share in a pass.

    Parameters
    ----------
    mixture : what it looks for
    k : matches at most
    where : the parsed filter
    metric : of the distances
    facets : fields to count
    """

    mixture: Mixture
    k: int
    where: Filter
    metric: Metric
    facets: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Queries with equal keys can share a pass."""
        return self.metric, repr(self.where)


@dataclass(frozen=True, slots=True)
class Found:
    """What the catalog has for a query, all of it from one state.

    Parameters
    ----------
    matches : best first
    total : items that pass the filter
    facets : counts over these items
    warnings : see `filter_warnings`
    """

    matches: list[Match]
    total: int
    facets: Mapping[str, tuple[FacetCount, ...]]
    warnings: tuple[str, ...]


class Passes:
    """Answers queries; those that come at the same time share passes. Thread-safe.

    Parameters
    ----------
    catalog : that is searched
    wait : seconds that a query may wait for others; see `Batcher`
    """

    def __init__(self, catalog: Catalog, *, wait: float) -> None:
        self._catalog = catalog
        self._batcher: Batcher[Asked, Found] = Batcher(self._run, max_size=BATCH, wait=wait)

    def find(self, asked: Asked) -> Found:
        """Answer one query.

        Raises
        ------
        NotFound : an example's item isn't in the catalog
        InvalidInput : the examples cancel each other out
        Overloaded : too many queries wait already
        """
        return self._batcher.submit(asked)

    def close(self) -> None:
        """Take no more queries."""
        self._batcher.close()

    def _run(self, batch: Sequence[Asked]) -> Sequence[Found | Exception]:
        groups: dict[tuple[str, str], list[int]] = {}
        for position, asked in enumerate(batch):
            groups.setdefault(asked.key, []).append(position)
        results: dict[int, Found | Exception] = {}
        for positions in groups.values():
            try:
                found = self._pass([batch[position] for position in positions])
                results.update(zip(positions, found, strict=True))
            except KinlensError as error:
                results.update(dict.fromkeys(positions, error))
        return [results[position] for position in range(len(batch))]

    def _pass(self, group: Sequence[Asked]) -> list[Found | Exception]:
        where = group[0].where
        counted = tuple(dict.fromkeys(name for asked in group for name in asked.facets))
        with self._catalog.view(where, vectors=True, metadata=bool(counted)) as view:
            looked_for = [_vector(asked, view) for asked in group]
            matches = _matches(view, group, looked_for)
            facets = view.facets(counted) if counted else {}
            total = view.count()
            warnings = () if where == EVERYTHING else filter_warnings(view)
        return [
            vector
            if isinstance(vector, Exception)
            else Found(
                next(matches)[: asked.k],
                total,
                {name: facets[name] for name in asked.facets},
                warnings,
            )
            for asked, vector in zip(group, looked_for, strict=True)
        ]


def _vector(asked: Asked, view: CatalogView) -> Vectors | KinlensError:
    try:
        return asked.mixture.vector(view)
    except KinlensError as error:
        return error


def _matches(
    view: CatalogView, group: Sequence[Asked], vectors: Sequence[Vectors | KinlensError]
) -> Iterator[list[Match]]:
    """The matches of each query that has a vector, in order."""
    usable = [vector for vector in vectors if isinstance(vector, np.ndarray)]
    if not usable:
        return iter(())
    most = max(asked.k for asked in group)
    return iter(view.search(np.stack(usable), most, metric=group[0].metric))
