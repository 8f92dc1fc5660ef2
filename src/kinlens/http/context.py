"""What every route of one app shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from kinlens.config import Settings
from kinlens.http.hosts import Hosts
from kinlens.http.limits import RateLimits
from kinlens.http.metrics import Metrics
from kinlens.http.signing import UrlSigner
from kinlens.http.streams import Streams
from kinlens.http.workers import Workers
from kinlens.keys import KeyStore
from kinlens.types import NewItem, Query

if TYPE_CHECKING:
    from kinlens.live.service import LiveService
    from kinlens.search import Search


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts behind the routes.

    Parameters
    ----------
    search : the service
    live : what cameras see; None where that isn't wanted
    settings : of this process
    keys : who may come in
    hosts : under which names, and from which pages
    limits : how often
    signer : of picture URLs
    metrics : what is counted
    streams : that are open
    readers, writers, fetchers, url_writers, cameras : the threads for calls that read the catalog,
        that change it, that search by a URL, that add items by URL, and that look at frames; a
        flood of writes or frames, or of URLs whose servers are slow, leaves the others free
    """

    search: Search
    live: LiveService | None
    settings: Settings
    keys: KeyStore
    hosts: Hosts
    limits: RateLimits
    signer: UrlSigner
    metrics: Metrics
    streams: Streams
    readers: Workers
    writers: Workers
    fetchers: Workers
    url_writers: Workers
    cameras: Workers

    @property
    def pools(self) -> tuple[Workers, ...]:
        """All of the threads."""
        return self.readers, self.writers, self.fetchers, self.url_writers, self.cameras

    def cancel(self) -> None:
        """Give up what waits for threads, decoders and other machines; it is answered with 503."""
        for pool in self.pools:
            pool.cancel()
        self.search.cancel()

    def adders(self, items: Sequence[NewItem]) -> Workers:
        """The threads in which to add items."""
        return self.url_writers if any(new.url is not None for new in items) else self.writers

    def searchers(self, query: Query) -> Workers:
        """The threads in which to search."""
        fetches = any(example.url is not None for example in query.examples)
        return self.fetchers if fetches else self.readers


def context_of(request: Request) -> Context:
    """The context of the app that got this request."""
    context: Context = request.app.state.kinlens
    return context
