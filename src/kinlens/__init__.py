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
    from kinlens.admin import (
        backup,
        inspect_catalog,
        repair_catalog,
        restore,
        verify_backup,
    )
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
    "backup",
    "index",
    "inspect_catalog",
    "open_search",
    "reencode",
    "repair_catalog",
    "restore",
    "save_neighbors",
    "stream_neighbors",
    "verify_backup",
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
    "backup": "kinlens.admin",
    "index": "kinlens.ingest",
    "inspect_catalog": "kinlens.admin",
    "open_search": "kinlens.wiring",
    "reencode": "kinlens.wiring",
    "repair_catalog": "kinlens.admin",
    "restore": "kinlens.admin",
    "save_neighbors": "kinlens.neighbors",
    "stream_neighbors": "kinlens.neighbors",
    "verify_backup": "kinlens.admin",
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
