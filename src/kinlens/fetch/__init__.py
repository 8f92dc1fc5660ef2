"""URL to bytes, guarded."""

from kinlens.fetch.fetcher import Fetcher

__all__ = ["Fetcher"]
