"""Puts the parts together: the only module that names concrete backends."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kinlens.adding import Parts
from kinlens.camera.base import Source
from kinlens.camera.change import ChangeGate
from kinlens.camera.device import Device, Identity, Published
from kinlens.camera.eye import Eye
from kinlens.camera.newest import Newest
from kinlens.camera.opening import open_source
from kinlens.camera.options import Options
from kinlens.catalog.filters import parse
from kinlens.catalog.ledger import Ledger
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.config import DEFAULT_ENCODER, Settings, load_settings
from kinlens.encoders import list_models, open_encoder
from kinlens.encoders.base import Encoder
from kinlens.encoders.later import LaterEncoder
from kinlens.encoders.network import NetworkEncoder
from kinlens.errors import (
    CatalogError,
    CatalogUnavailable,
    ConfigError,
    FetchError,
    InvalidInput,
    ModelUnavailable,
)
from kinlens.fetch import Fetcher
from kinlens.images import Limits, PictureLoader
from kinlens.ingest import ProgressCallback, Report
from kinlens.ingest import reencode as run_reencode
from kinlens.keys import KeyStore, secret_of
from kinlens.live.matcher import Matcher
from kinlens.live.memory import MemoryStore
from kinlens.live.policy import Policy
from kinlens.live.service import LiveService
from kinlens.live.store import Bounds, LatestStore
from kinlens.live.types import check_device
from kinlens.maintenance.small_files import encoder_name
from kinlens.messaging import open_bus
from kinlens.search import Search
from kinlens.store import PictureStore, write_error
from kinlens.thumbnails import ThumbnailCache
from kinlens.types import EncoderIdentity

PICTURES = "pictures"
THUMBNAILS = "thumbnails.sqlite"
ENCODER_FILE = "encoder"
"""Names the encoder as it was asked for, by name or path, so that it can be opened again."""


def open_search(
    data: str | os.PathLike[str] | None = None,
    encoder: str | os.PathLike[str] | None = None,
    *,
    settings: Settings | None = None,
    create: bool = True,
    lazy: bool = False,
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
    chosen = _settings(data, encoder, settings, overrides)
    folder = chosen.data
    if not create and SqliteCatalog.identity_of(folder) is None:
        raise CatalogError(
            f"There is no catalog in {folder}; make one with `kinlens index SOURCE --data "
            f"{folder}`, or name the folder of one with --data."
        )
    there = SqliteCatalog.identity_of(folder) if lazy and not chosen.encoder else None
    model = encoder_for(chosen) if there is None else _later(there, chosen)
    with ExitStack() as opened:
        catalog = SqliteCatalog.open(folder, model.identity, create=create)
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


def open_live(search: Search, settings: Settings | None = None, **overrides: Any) -> LiveService:
    """The live view over a catalog; call its `start` to listen to what cameras see.

    Parameters
    ----------
    search : stays open when the live view is closed
    settings : those whose names begin with live_; None to load them from the environment and
        kinlens.toml
    overrides : single settings, by name

    Returns
    -------
    live : a context manager; close it when done

    Raises
    ------
    ConfigError : a broker, a store or a device's settings that can't be used
    MissingDependency : MQTT or Redis without the extra "live"
    """
    chosen = _settings(search.data, None, settings, overrides)
    _check_devices(chosen)
    with ExitStack() as opened:
        keys = KeyStore(search.data)
        opened.callback(keys.close)
        # The rest of the time is for the match, the way to the page, and until the next view.
        lag = max(0.15, 0.15 * chosen.live_max_age)
        bus = open_bus(chosen.live_broker, max_lag=lag) if chosen.live_broker else None
        if bus is not None:
            opened.callback(bus.close)
        store = _live_store(chosen)
        opened.pop_all()
    bound = chosen.live_max_devices
    matcher = Matcher(
        search, store, settings_of=chosen.device, max_age=chosen.live_max_age, devices=bound
    )
    policy = Policy(
        group=chosen.live_group,
        rate=chosen.live_rate,
        devices=bound,
        unnamed=chosen.live_unnamed,
    )
    return LiveService(
        search, store, matcher, bus, policy=policy, keys=keys, on_close=(keys.close,)
    )


def open_camera(
    source: str | Source,
    device: str,
    *,
    broker: str,
    key: str | None = None,
    options: Options | None = None,
    settings: Settings | None = None,
    tell: Callable[[Published | str], None] | None = None,
) -> Device:
    """A device: what a camera sees, encoded as a catalog's pictures are, and published.

    Parameters
    ----------
    source : see `kinlens.camera.opening.open_source`; or frames of one's own
    device : its id
    broker : see `kinlens.messaging.open_bus`
    key : of the device, made by `kinlens keys create --device`; None to sign nothing
    options : how it looks
    settings : name the encoder or the catalog that has it; None to load them from the environment
        and kinlens.toml
    tell : called with each sighting that went out, and with each change of state

    Returns
    -------
    device : a context manager; its `run` works until told to stop

    Raises
    ------
    KinlensError : a source, an encoder or a broker that can't be had
    """
    chosen, wishes = settings or load_settings(), options or Options()
    limits = Limits(chosen.max_bytes, chosen.max_pixels, chosen.decode_timeout)
    with ExitStack() as opened:
        if isinstance(source, str):
            source = open_source(source, rate=wishes.rate, loop=wishes.loop, limits=limits)
        encoder = encoder_for(chosen)
        loader = PictureLoader(limits, workers=1)
        opened.callback(loader.close)
        secret = secret_of(key) if key else None
        identity = Identity(device, encoder.identity.fingerprint, secret)
        bus = open_bus(broker, client_id=f"kinlens-{device}", will=identity.will)
        opened.pop_all()
    return Device(
        Newest(source),
        Eye(
            encoder,
            loader,
            region=wishes.region,
            follow=wishes.follow,
            picture=wishes.picture,
        ),
        bus,
        identity,
        gate=ChangeGate(wishes.change, wishes.heartbeat),
        rate=wishes.rate,
        tell=tell,
        on_close=(loader.close,),
    )


def _live_store(settings: Settings) -> LatestStore:
    bounds = Bounds(settings.live_history, settings.live_max_devices, settings.live_expiry)
    if not settings.live_store:
        return MemoryStore(bounds)
    from kinlens.live.redis import RedisStore  # noqa: PLC0415 - an extra

    return RedisStore(settings.live_store, bounds, group=settings.live_group)


def _check_devices(settings: Settings) -> None:
    for device in settings.live_devices:
        try:
            check_device(device.name)
            parse(device.where)
        except InvalidInput as error:
            raise ConfigError(f"The settings of the device {device.name!r}: {error}") from error


def _later(there: EncoderIdentity, settings: Settings) -> LaterEncoder:
    def opening() -> Encoder:
        model = encoder_for(settings)
        if model.identity.fingerprint != there.fingerprint:
            # Says what to do about it, as it does for everyone.
            SqliteCatalog.open(settings.data, model.identity).close()
        return model

    return LaterEncoder(there, opening)


def encoder_for(settings: Settings) -> NetworkEncoder:
    """The encoder that the settings name, or else the one that the catalog was indexed with.

    Raises
    ------
    EncoderError : the encoder can't be had
    """
    name = settings.encoder or _remembered(settings.data)
    try:
        return open_encoder(name, **settings.computing)
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
    chosen = _settings(data, encoder, settings, overrides)
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


def _settings(
    data: str | os.PathLike[str] | None,
    encoder: str | os.PathLike[str] | None,
    settings: Settings | None,
    overrides: dict[str, Any],
) -> Settings:
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
