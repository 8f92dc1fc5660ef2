"""Visual search that you run yourself: index pictures, show it one, get the look-alikes.

    import kinlens

    with kinlens.open_search("kinlens-data") as search:
        kinlens.index(search, "photos/")
        for hit in search.search("query.jpg", k=5).hits:
            print(hit.id, hit.score)

Heavy parts are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kinlens.errors import KinlensError

if TYPE_CHECKING:
    from kinlens.ingest import Progress, Report, index
    from kinlens.neighbor_table import TableReport, write_neighbors
    from kinlens.neighbors import ExactIndex, NearestNeighbors, save_neighbors, stream_neighbors
    from kinlens.search import Search
    from kinlens.sources import SourceOptions
    from kinlens.types import Answer, Crop, Example, Hit, Item, NewItem, Outcome, Query
    from kinlens.wiring import open_search, reencode

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Crop",
    "ExactIndex",
    "Example",
    "Hit",
    "Item",
    "KinlensError",
    "NearestNeighbors",
    "NewItem",
    "Outcome",
    "Progress",
    "Query",
    "Report",
    "Search",
    "SourceOptions",
    "TableReport",
    "index",
    "open_search",
    "reencode",
    "save_neighbors",
    "stream_neighbors",
    "write_neighbors",
]

_LAZY = {
    "Answer": "kinlens.types",
    "Crop": "kinlens.types",
    "ExactIndex": "kinlens.neighbors",
    "Example": "kinlens.types",
    "Hit": "kinlens.types",
    "Item": "kinlens.types",
    "NearestNeighbors": "kinlens.neighbors",
    "NewItem": "kinlens.types",
    "Outcome": "kinlens.types",
    "Progress": "kinlens.ingest",
    "Query": "kinlens.types",
    "Report": "kinlens.ingest",
    "Search": "kinlens.search",
    "SourceOptions": "kinlens.sources",
    "TableReport": "kinlens.neighbor_table",
    "index": "kinlens.ingest",
    "open_search": "kinlens.wiring",
    "reencode": "kinlens.wiring",
    "save_neighbors": "kinlens.neighbors",
    "stream_neighbors": "kinlens.neighbors",
    "write_neighbors": "kinlens.neighbor_table",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
