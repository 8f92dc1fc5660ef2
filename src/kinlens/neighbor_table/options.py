"""What a table of neighbors is to hold."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from kinlens.catalog import filters
from kinlens.errors import InvalidInput
from kinlens.types import Metric, Where, check_k, check_metric

FARTHEST = 2
"""Of unit vectors, the distance of opposite ones, by either metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """Which neighbors are wanted, of which items.

    Parameters
    ----------
    k : neighbors of an item at most, from 1 up
    metric : "cosine" or "euclidean"
    where : only such items are neighbors
    for_where : only for such items; not with queries from outside the catalog
    same : fields: neighbors only among items with the same value; of lists, that share one. A
        missing value counts as null, as in filters
    min_distance : nearer ones, such as near-duplicates, are left out; from 0 to 2, None for none
    queries : what the vectors asked for are, where they aren't the catalog's own
    """

    k: int = 20
    metric: Metric = "cosine"
    where: Where | None = None
    for_where: Where | None = None
    same: tuple[str, ...] = ()
    min_distance: float | None = None
    queries: str = ""

    def __post_init__(self) -> None:
        check_k(self.k)
        check_metric(self.metric)
        filters.parse(self.where)
        filters.parse(self.for_where)
        nearest = self.min_distance
        if nearest is not None and not 0 <= nearest <= FARTHEST:
            raise InvalidInput(
                f"min_distance is a {self.metric} distance, a number from 0 to {FARTHEST}: vectors "
                f"have unit length, so none are farther apart; got {nearest}."
            )
        if self.queries and (self.same or self.for_where):
            raise InvalidInput(
                "Queries from outside the catalog have no metadata, so neither `same` nor "
                "`for_where` can apply to them; leave them out."
            )

    @property
    def needs_metadata(self) -> bool:
        """Whether anything depends on the items' metadata."""
        return bool(self.where or self.for_where or self.same)

    def to_dict(self) -> dict[str, Any]:
        """As JSON reads it back."""
        facts: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return facts
