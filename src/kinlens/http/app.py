"""The ASGI application: the service behind routes, guards and descriptions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from kinlens.config import Settings
from kinlens.http import openapi, page, problems
from kinlens.http.context import Context
from kinlens.http.headers import Crashes, Named
from kinlens.http.host_headers import OneHost
from kinlens.http.hosts import Hosts, KnownHost
from kinlens.http.limits import BodyLimit, RateLimits
from kinlens.http.methods import Methods
from kinlens.http.metrics import Measured, Metrics
from kinlens.http.parameters import only_known_parameters
from kinlens.http.paths import ReadablePaths
from kinlens.http.proxies import TrustedProxies
from kinlens.http.routes import facets, health, items, live, pictures, sample, search
from kinlens.http.signing import UrlSigner, load_secret
from kinlens.http.streams import Streams
from kinlens.http.workers import Workers
from kinlens.keys import KeyStore
from kinlens.types import Example, Query

if TYPE_CHECKING:
    from kinlens.live.service import LiveService
    from kinlens.search import Search

log = logging.getLogger("kinlens.http")

READERS = 64
WRITERS = 8
URL_WRITERS = 8
FETCHERS = 32
CAMERAS = 16
BODIES_AT_ONCE = 8
DESCRIPTION = """Find the look-alikes of a picture in a catalog of pictures.

Where keys exist, send one as `Authorization: Bearer kl_...`; `kinlens keys create` makes them,
with the scopes `read` and `write`. Picture URLs in answers are signed, need no key, and expire.

Errors are problem documents (RFC 9457). A URL that gives no picture is 422: the server works, and
sending the same again won't help. 429 and 503 say in `Retry-After` when to come back."""
TAGS = ("search", "items", "catalog", "pictures", "live", "health", "aws sample")


def create_app(
    service: Search, settings: Settings, keys: KeyStore, live_view: LiveService | None = None
) -> FastAPI:
    """Put the HTTP door before a service.

    Parameters
    ----------
    service : stays open when the app ends; who made it closes it
    settings : limits, lifetimes, origins
    keys : of the service's data folder
    live_view : what cameras see; stays open too
    """
    context = _context(service, settings, keys, live_view)
    app = FastAPI(
        title="Kinlens",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_tags=[{"name": name} for name in TAGS],
        redirect_slashes=False,
        lifespan=_lifespan,
        middleware=_middleware(context),
    )
    app.state.kinlens = context
    app.state.warm = "starting"
    routers = [part.router for part in (search, items, facets, pictures, live, health, sample)]
    app.state.routes = [*app.routes, *chain(*(router.routes for router in [*routers, page.router]))]
    for router in routers:
        app.include_router(router, dependencies=[Depends(only_known_parameters)])
    app.include_router(page.router)  # its links may carry what others have added to them
    problems.install(app)
    openapi.install(app)
    return app


def _context(
    service: Search, settings: Settings, keys: KeyStore, live_view: LiveService | None
) -> Context:
    readers = Workers("read", max(READERS, settings.max_in_flight // 4), settings.max_in_flight)
    quarter, eighth = max(1, settings.max_in_flight // 4), max(1, settings.max_in_flight // 8)
    writers = Workers("write", WRITERS, quarter, share=0.75)
    fetchers = Workers("fetch", FETCHERS, quarter, share=0.5)
    url_writers = Workers("fetch-write", URL_WRITERS, eighth, share=0.25)
    cameras = Workers("camera", CAMERAS, quarter)
    pools = (readers, writers, fetchers, url_writers, cameras)
    metrics = Metrics(
        items=lambda: service.stats().items,
        matrix_bytes=lambda: service.stats().matrix_bytes,
        in_flight=lambda: sum(pool.in_flight for pool in pools),
        live=live_view.counters.snapshot if live_view else dict,
        connections=live_view.connections if live_view else dict,
    )
    return Context(
        search=service,
        live=live_view,
        settings=settings,
        keys=keys,
        hosts=Hosts(settings),
        limits=RateLimits(settings.rate_limit),
        signer=UrlSigner(load_secret(service.data), settings.url_lifetime, settings.public_url),
        metrics=metrics,
        streams=Streams(),
        readers=readers,
        writers=writers,
        fetchers=fetchers,
        url_writers=url_writers,
        cameras=cameras,
    )


def _middleware(context: Context) -> list[Middleware]:
    """From the outermost in: what is named, counted and allowed across origins, even if refused."""
    settings = context.settings
    stack = [
        Middleware(TrustedProxies, trusted=settings.proxy_networks),
        Middleware(Measured, metrics=context.metrics),
        Middleware(Named),
    ]
    if settings.cors_origins:
        cross_origin = Middleware(
            CORSMiddleware,
            allow_origins=[origin.lower().rstrip("/") for origin in settings.cors_origins],
            allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
            allow_headers=("*",),
            expose_headers=("Retry-After", "Server-Timing", "X-Request-Id"),
            allow_private_network=True,
            max_age=3600,
        )
        stack.append(cross_origin)
    return [
        *stack,
        Middleware(Crashes),
        Middleware(OneHost),
        Middleware(ReadablePaths),
        Middleware(KnownHost, hosts=context.hosts, keys=context.keys),
        Middleware(
            BodyLimit,
            max_body=settings.max_body,
            max_bodies=BODIES_AT_ONCE * settings.max_body,
        ),
        Middleware(Methods),
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    context: Context = app.state.kinlens
    warming = asyncio.create_task(_warm(app, context))
    yield
    if any(pool.in_flight for pool in context.pools):
        context.cancel()  # nobody is left to wait for an answer
    await warming
    for workers in context.pools:
        await asyncio.to_thread(workers.close)


async def _warm(app: FastAPI, context: Context) -> None:
    """Load what searches need and run the network, so that the first client doesn't wait for it."""
    try:
        await context.readers.run(_exercise, context.search)
    except Exception as error:  # /readyz tells of it for as long as the server runs
        log.exception("The first search failed")
        app.state.warm = type(error).__name__
    else:
        app.state.warm = "ok"


def _exercise(service: Search) -> None:
    ramp = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    [vector] = service.parts.encoder.encode_images([ramp])
    # Batches are computed by another compiled network than single pictures.
    service.parts.encoder.encode_images([ramp, ramp])
    service.search(Query((Example(vector=vector),), k=1))
    service.fields()
