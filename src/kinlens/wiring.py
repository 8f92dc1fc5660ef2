"""Puts the parts together: with `live_wiring`, the only module that names concrete backends."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinlens.adding import Parts
from kinlens.catalog.ledger import Ledger
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.config import DEFAULT_ENCODER, Settings, load_settings
from kinlens.encoder_note import FILE_NAME as ENCODER_FILE
from kinlens.encoder_note import encoder_name
from kinlens.encoders import list_models, open_encoder
from kinlens.encoders.base import Encoder
from kinlens.encoders.later import LaterEncoder
from kinlens.encoders.network import NetworkEncoder
from kinlens.errors import (
    CatalogError,
    CatalogUnavailable,
    ConfigError,
    FetchError,
    ModelUnavailable,
)
from kinlens.fetch import Fetcher
from kinlens.images import Limits, PictureLoader
from kinlens.search import Search
from kinlens.store import PictureStore, write_error
from kinlens.thumbnails import ThumbnailCache
from kinlens.types import EncoderIdentity

if TYPE_CHECKING:
    from kinlens.ingest import ProgressCallback, Report
    from kinlens.live_wiring import open_camera, open_live

__all__ = [
    "check_catalog",
    "encoder_for",
    "open_camera",
    "open_live",
    "open_search",
    "reencode",
    "settings_with",
]

PICTURES = "pictures"
THUMBNAILS = "thumbnails.sqlite"
COMPILED = "compiled"

_OF_LIVE = ("open_camera", "open_live")


def __getattr__(name: str) -> Any:
    """What cameras and live views need is imported when it is asked for."""
    if name not in _OF_LIVE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kinlens import live_wiring  # noqa: PLC0415 - a search needs none

    return getattr(live_wiring, name)


def open_search(
    data: str | os.PathLike[str] | None = None,
    encoder: str | os.PathLike[str] | None = None,
    *,
    settings: Settings | None = None,
    create: bool = True,
    lazy: bool = False,
    resident: bool = True,
    **overrides: Any,
) -> Search:
    """Open a catalog to search and change it.

    Parameters
    ----------
    data : the data folder; None for that of the settings, "kinlens-data" by default
    encoder : a model's name, a bundle folder or an ONNX file; None or "" for the one that the
        catalog was indexed with, kinlens-mini for a new catalog
    settings : None to load them from the environment and kinlens.toml
    create : make the catalog if there is none
    lazy : open the encoder of an existing catalog when it is first needed, so that the catalog can
        be listed, searched by item and cleaned without it; its errors come then
    resident : keep all vectors in memory from the first search on. False for a process that
        searches once and then starts sooner: vectors are read from the database, and the compiled
        encoder is kept in the data folder for the next process
    overrides : single settings, by name

    Returns
    -------
    search : a context manager; close it when done

    Raises
    ------
    EncoderMismatch : the catalog holds vectors of another encoder
    CatalogError : there is no catalog, or it can't be used
    EncoderError : the encoder can't be had
    ConfigError : a setting that can't be used
    """
    chosen = settings_with(data, encoder, settings, overrides)
    folder = chosen.data
    if not create and SqliteCatalog.identity_of(folder) is None:
        raise CatalogError(
            f"There is no catalog in {folder}; make one with `kinlens index SOURCE --data "
            f"{folder}`, or name the folder of one with --data."
        )
    there = SqliteCatalog.identity_of(folder) if lazy and not chosen.encoder else None
    cache = None if resident else folder / COMPILED
    model = encoder_for(chosen, cache) if there is None else _later(there, chosen, cache)
    with ExitStack() as opened:
        catalog = SqliteCatalog.open(folder, model.identity, create=create, resident=resident)
        opened.callback(catalog.close)
        if chosen.encoder:
            _remember(folder, chosen.encoder)
        parts = _parts(chosen, catalog, model, opened)
        closing = opened.pop_all()
    return Search(
        parts,
        data=folder,
        threads=chosen.worker_threads,
        fetch_seconds=chosen.fetch_batch_timeout,
        wait=chosen.batch_wait / 1000,
        on_close=(closing.close,),
    )


def _later(there: EncoderIdentity, settings: Settings, cache: Path | None) -> LaterEncoder:
    def opening() -> Encoder:
        model = encoder_for(settings, cache)
        if model.identity.fingerprint != there.fingerprint:
            # Says what to do about it, as it does for everyone.
            SqliteCatalog.open(settings.data, model.identity).close()
        return model

    return LaterEncoder(there, opening)


def encoder_for(settings: Settings, cache: Path | None = None) -> NetworkEncoder:
    """The encoder that the settings name, or else the one that the catalog was indexed with.

    Parameters
    ----------
    settings : that name it
    cache : folder of compiled networks, see `open_encoder`

    Raises
    ------
    EncoderError : the encoder can't be had
    """
    name = settings.encoder or _remembered(settings.data)
    try:
        return open_encoder(name, cache=cache, **settings.computing)
    except ModelUnavailable as error:
        if settings.encoder:
            raise
        raise ModelUnavailable(
            f"The catalog in {settings.data} was indexed with the encoder {name}, which isn't "
            f"there any more: put it back, or make new vectors with `kinlens reencode --data "
            f"{settings.data} --encoder NAME`."
        ) from error


def check_catalog(settings: Settings) -> dict[str, Any]:
    """What `kinlens doctor` says of a catalog: its size, and how its pictures fared.

    Raises
    ------
    CatalogError : it can't be used
    """
    found = SqliteCatalog.identity_of(settings.data)
    if found is None:
        return {"folder": str(settings.data), "state": "nothing indexed yet"}
    with SqliteCatalog.open(settings.data) as catalog, Ledger.open(settings.data) as ledger:
        stats = catalog.stats()
        counts = ledger.counts()
    return {
        "folder": str(settings.data),
        "encoder": f"{found.name} ({found.fingerprint:.16})",
        "items": stats.items,
        "failed": counts["failed"],
        "database_bytes": stats.database_bytes,
    }


def reencode(
    data: str | os.PathLike[str] | None,
    encoder: str | os.PathLike[str],
    *,
    settings: Settings | None = None,
    drop_failed: bool = False,
    wait: float = 0.0,
    progress: ProgressCallback | None = None,
    **overrides: Any,
) -> Report:
    """Give a catalog the vectors of another encoder; see `kinlens.ingest.reencode`."""
    from kinlens.ingest import reencode as run_reencode  # noqa: PLC0415 - a search needs none

    chosen = settings_with(data, encoder, settings, overrides)
    model = open_encoder(chosen.encoder, **chosen.computing)
    with ExitStack() as opened:
        catalog = SqliteCatalog.open(chosen.data)
        opened.callback(catalog.close)
        parts = _parts(chosen, catalog, model, opened)
        report = run_reencode(
            catalog,
            parts,
            chosen.data,
            threads=chosen.worker_threads,
            drop_failed=drop_failed,
            wait=wait,
            progress=progress,
        )
        if catalog.encoder.fingerprint == model.identity.fingerprint:
            _remember(chosen.data, chosen.encoder)
    return report


def settings_with(
    data: str | os.PathLike[str] | None,
    encoder: str | os.PathLike[str] | None,
    settings: Settings | None,
    overrides: dict[str, Any],
) -> Settings:
    """The settings: single ones given, before those of the caller, the environment and files."""
    given = {**overrides, "data": data, "encoder": os.fspath(encoder) if encoder else None}
    if settings is not None:
        given = {
            **asdict(settings),
            **{n: value for n, value in given.items() if value is not None},
        }
    return load_settings(given)


def _remember(data: Path, encoder: str) -> None:
    path = Path(encoder).expanduser()
    # As `open_encoder` has it, a known name comes before a file that happens to be called so.
    known = encoder in {model.name for model in list_models()}
    name = str(path.resolve()) if path.exists() and not known else encoder
    if _remembered(data) == name:
        return
    draft = data / f"{ENCODER_FILE}.{os.getpid()}"
    try:
        draft.write_text(name, encoding="utf-8")
        draft.replace(data / ENCODER_FILE)
    except OSError as error:
        raise write_error(error, draft) from error


def _remembered(data: Path) -> str:
    """How to open the encoder that the catalog was indexed with; the default for a new one."""
    file = data / ENCODER_FILE
    try:
        if file.is_file():
            file.open("rb").close()
    except OSError as error:
        raise CatalogUnavailable(
            f"{file} can't be read: {error.strerror}. Check the permissions of its folder.",
            "the data folder can't be read",
        ) from error
    if name := encoder_name(data):
        return name
    identity = SqliteCatalog.identity_of(data)
    return identity.name if identity else DEFAULT_ENCODER


def _parts(
    settings: Settings, catalog: SqliteCatalog, encoder: Encoder, opened: ExitStack
) -> Parts:
    limits = Limits(settings.max_bytes, settings.max_pixels, settings.decode_timeout)
    ledger = Ledger.open(settings.data)
    opened.callback(ledger.close)
    thumbnails = ThumbnailCache(settings.data / THUMBNAILS)
    opened.callback(thumbnails.close)
    # Two at least: one that a slow picture keeps busy leaves the other to the other callers.
    loader = PictureLoader(limits, workers=max(2, settings.worker_threads))
    opened.callback(loader.close)
    fetcher = _fetcher(settings)
    opened.callback(fetcher.close)
    return Parts(
        catalog=catalog,
        encoder=encoder,
        loader=loader,
        fetcher=fetcher,
        store=PictureStore(settings.data / PICTURES, limits),
        ledger=ledger,
        thumbnails=thumbnails,
        limits=limits,
    )


def _fetcher(settings: Settings) -> Fetcher:
    try:
        return Fetcher(
            timeout=settings.fetch_timeout,
            redirects=settings.fetch_redirects,
            max_bytes=settings.max_bytes,
            allowed_hosts=settings.fetch_allowed_hosts,
        )
    except FetchError as error:
        raise ConfigError(
            "fetch_allowed_hosts needs host names, such as pictures.internal, without scheme or "
            f"port: {error}"
        ) from error
