"""Puts the parts of cameras and of live views together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from kinlens.camera.base import Source
from kinlens.camera.change import ChangeGate
from kinlens.camera.device import Device, Identity, Published
from kinlens.camera.eye import Eye
from kinlens.camera.newest import Newest
from kinlens.camera.opening import open_source
from kinlens.camera.options import Options
from kinlens.catalog.filters import parse
from kinlens.config import Settings, load_settings
from kinlens.errors import ConfigError, InvalidInput
from kinlens.images import Limits, PictureLoader
from kinlens.keys import KeyStore, secret_of
from kinlens.live.matcher import Matcher
from kinlens.live.memory import MemoryStore
from kinlens.live.policy import Policy
from kinlens.live.service import LiveService
from kinlens.live.store import Bounds, LatestStore
from kinlens.live.types import check_device
from kinlens.messaging import open_bus
from kinlens.search import Search
from kinlens.wiring import encoder_for, settings_with


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
    chosen = settings_with(search.data, None, settings, overrides)
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
    chosen, camera_options = settings or load_settings(), options or Options()
    limits = Limits(chosen.max_bytes, chosen.max_pixels, chosen.decode_timeout)
    with ExitStack() as opened:
        if isinstance(source, str):
            source = open_source(
                source, rate=camera_options.rate, loop=camera_options.loop, limits=limits
            )
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
            region=camera_options.region,
            follow=camera_options.follow,
            picture=camera_options.picture,
        ),
        bus,
        identity,
        gate=ChangeGate(camera_options.change, camera_options.heartbeat),
        rate=camera_options.rate,
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
