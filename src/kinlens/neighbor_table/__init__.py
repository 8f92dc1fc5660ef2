"""The table of similar items: every item's nearest neighbors, kept up to date night by night."""

from kinlens.neighbor_table.job import write_neighbors
from kinlens.neighbor_table.report import TableReport

__all__ = ["TableReport", "write_neighbors"]
