"""The slow, obvious catalog that every engine is compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from kinlens.catalog import filters
from kinlens.types import FacetCount, Item, Metric, Vectors, Where


class NaiveCatalog:
    """Items in a dict, which keeps the order of first indexing; distances in float64."""

    def __init__(self) -> None:
        self.items: dict[str, tuple[Item, Vectors]] = {}

    def upsert(self, items: Sequence[Item], vectors: Vectors) -> None:
        for item, vector in zip(items, vectors, strict=True):
            self.items[item.id] = item, vector

    def update_metadata(self, items: Sequence[Item]) -> None:
        self.items.update({item.id: (item, self.items[item.id][1]) for item in items})

    def delete(self, ids: Sequence[str]) -> list[str]:
        return [one for one in ids if self.items.pop(one, None) is not None]

    def passing(self, where: Where | None) -> list[Item]:
        tree = filters.parse(where)
        return [item for item, _ in self.items.values() if filters.matches(tree, item.metadata)]

    def distances(self, query: Vectors, where: Where | None, metric: Metric) -> dict[str, float]:
        found = {}
        for item in self.passing(where):
            mine = self.items[item.id][1].astype(float)
            cosine = mine @ query / np.linalg.norm(mine) / np.linalg.norm(query)
            found[item.id] = 1 - cosine if metric == "cosine" else np.linalg.norm(mine - query)
        return dict(sorted(found.items(), key=lambda pair: pair[1]))

    def facet(self, name: str, where: Where | None) -> dict[tuple[str, object], int]:
        counts: Counter[tuple[str, object]] = Counter()
        for item in self.passing(where):
            if name in item.metadata:
                value = item.metadata[name]
                values = set(value) if isinstance(value, list) else {value}
                counts.update((filters.kind(one), one) for one in values)
        return dict(counts)

    def scan(self, where: Where | None) -> list[Item]:
        return sorted(self.passing(where), key=lambda item: item.id.encode())


def facet_counts(found: Sequence[FacetCount]) -> Mapping[tuple[str, object], int]:
    """As `NaiveCatalog.facet` gives them."""
    return {(filters.kind(one.value), one.value): one.count for one in found}
