"""Indexing: from sources to the catalog, with a ledger of what became of each picture."""

from kinlens.ingest.indexing import index
from kinlens.ingest.reencoding import reencode
from kinlens.ingest.report import Progress, ProgressCallback, Report

__all__ = ["Progress", "ProgressCallback", "Report", "index", "reencode"]
