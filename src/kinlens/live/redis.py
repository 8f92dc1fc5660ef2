"""The newest views in Redis, for several processes; its only importer.

What is put is shown at once to those who watch in this process, and written by a thread: of each
device the newest first, as long as it takes. While Redis is away, this process shows what it knows.
"""

from __future__ import annotations

import logging
import math
import random
import secrets
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from kinlens.errors import ConfigError, InvalidInput, MissingDependency
from kinlens.live.memory import MemoryStore
from kinlens.live.redis_health import ELSEWHERE, WHOLE, Health, code_of
from kinlens.live.redis_scripts import PUT, SET_STATUS
from kinlens.live.slots import Slots
from kinlens.live.store import RESTART, Bounds, Event, Watcher, is_newer, same_sighting, same_view
from kinlens.live.types import DeviceStatus, View
from kinlens.messaging import redacted

log = logging.getLogger("kinlens.live")

T = TypeVar("T")

PREFIX = "{kinlens}:live:"
"""Of all keys, before the group; the braces keep them together in a cluster."""

TIMEOUT = 2.0
GOODBYE = 3.0
LISTEN = 0.2
FIRST_WAIT = 0.1
LONGEST_WAIT = 2.0
BATCH = 32
COMPLAIN = 10.0
"""Seconds between two lines in the log about what can't be read."""


class RedisStore:
    """The newest views in Redis; see `LatestStore`.

    Parameters
    ----------
    url : "redis://user:password@host:6379/0", or with TLS "rediss://..."
    bounds : the same for all processes that share a Redis
    group : those of other groups are left alone

    Raises
    ------
    MissingDependency : without the extra "live"
    ConfigError : a URL that isn't one of Redis
    """

    def __init__(self, url: str, bounds: Bounds | None = None, *, group: str = "kinlens") -> None:
        self._bounds = bounds or Bounds()
        self._redis, self._error, self._refusal = _open(url)
        self._prefix = PREFIX + group
        # Redis keeps the keys of its databases apart, but not what is published in them.
        database = self._redis.get_connection_kwargs().get("db", 0)
        self._channel = f"{self._prefix}:events:{database}"
        self._place = redacted(url)
        self._health = Health(self._place)
        self._own = MemoryStore(self._bounds)
        self._complained_at = -COMPLAIN
        self._origin = secrets.token_hex(8)
        self._slots: Slots[tuple[str, str], Event] = Slots(2 * self._bounds.devices)
        self._closing = threading.Event()
        self._moves = 0
        self._threads = [
            threading.Thread(target=target, name=f"kinlens-redis-{name}", daemon=True)
            for name, target in (("write", self._write), ("listen", self._listen))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def connected(self) -> bool:
        """See `LatestStore.connected`."""
        return self._health.trouble is None

    @property
    def trouble(self) -> str | None:
        """See `LatestStore.trouble`."""
        return self._health.trouble

    def put(self, view: View) -> None:
        """See `LatestStore.put`."""
        self._own.put(view)
        self._slots.put(("view", view.device), view)

    def set_status(self, status: DeviceStatus) -> None:
        """See `LatestStore.set_status`."""
        self._own.set_status(status)
        self._slots.put(("status", status.device), status)

    def latest(self, device: str) -> View | None:
        """See `LatestStore.latest`."""
        found = self.history(device, 1)
        return found[0] if found else None

    def newest(self) -> View | None:
        """See `LatestStore.newest`."""
        return self._own.newest()  # which hears of the others' views too

    def history(self, device: str, limit: int) -> list[View]:
        """See `LatestStore.history`."""
        own = self._own.history(device, limit)
        if limit <= 0:
            return []
        packed: list[bytes] = self._ask(
            lambda: self._redis.lrange(self._key("views", device), 0, limit - 1), []
        )
        kept = [view for value in packed if (view := self._read(_unpack, value)) is not None]
        if not kept:
            return own
        if own and same_sighting(own[0], kept[0]):
            kept[0] = replace(kept[0], came=own[0].came)
        if not own or not _newer(own[0], kept[0]):
            return kept
        return [own[0], *kept[same_view(own[0], kept[0]) :]][:limit]

    def devices(self) -> list[DeviceStatus]:
        """See `LatestStore.devices`."""
        found = {status.device: status for status in self._own.devices()}
        kept: list[bytes] = self._ask(lambda: self._redis.hvals(self._key("status")), [])
        for data in kept:
            status = self._read(DeviceStatus.from_json, data)
            known = found.get(status.device) if status else None
            if status and (known is None or known.at < status.at):
                found[status.device] = status
        return [found[device] for device in sorted(found)]

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """See `LatestStore.watch`."""
        return self._own.watch(callback)

    def close(self) -> None:
        """See `LatestStore.close`."""
        self._closing.set()
        self._health.mute()
        self._slots.close()
        for thread in self._threads:
            thread.join(GOODBYE)
        self._own.close()
        self._redis.close()

    def _ask(self, question: Callable[[], T], otherwise: T) -> T:
        if not self._health.is_up:
            return otherwise  # without waiting; the threads find out when it is back
        try:
            return question()
        except self._refusal as error:
            self._health.puzzled(error)
        except self._error as error:
            self._health.lost(error)
        return otherwise

    def _write(self) -> None:
        wait = FIRST_WAIT
        while events := [event for _, event in self._slots.take(BATCH)]:
            try:
                self._send(events)
            except self._error as error:
                self._note(error)
                if self._closing.wait(wait * random.uniform(0.5, 1)):  # noqa: S311
                    return
                wait = min(2 * wait, LONGEST_WAIT)
                for event in reversed(events):
                    self._slots.put_back(_slot(event), event)
            else:
                wait = FIRST_WAIT

    def _send(self, events: list[Event]) -> None:
        """Write events; raises what keeps Redis from taking any of them."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for event in events:
                if isinstance(event, View):
                    self._queue_view(pipeline, event)
                else:
                    self._queue_status(pipeline, event)
            results = pipeline.execute(raise_on_error=False)
        _raise_if_whole(results)
        refusals = [result for result in results if isinstance(result, Exception)]
        if refusals:
            # A newer one follows; trying this one again would keep all others waiting.
            self._health.refused(refusals[0])
        else:
            self._health.wrote()

    def _note(self, error: Exception) -> None:
        """Redis is away, or takes no writes: then another may answer at its address."""
        code = code_of(error)
        if code in WHOLE:
            self._health.refused(error)
        else:
            self._health.lost(error)
        if code in ELSEWHERE:
            self._moves += 1  # the listener connects again, too
            self._redis.connection_pool.disconnect(inuse_connections=False)

    def _queue_view(self, pipeline: Any, view: View) -> None:
        body = view.to_json()
        pipeline.eval(
            PUT,
            4,
            *(self._key("devices"), self._key("status"), self._key("views", view.device)),
            self._key("head", view.device),
            *self._arguments(view, "view", body),
            struct.pack("<I", len(body)) + body + (view.picture or b""),
            view.session,
            f"{view.sequence:020}",  # texts compare as numbers do, without the loss of floats
            view.key,
            self._bounds.history,
            int(RESTART * 1000),
        )

    def _queue_status(self, pipeline: Any, status: DeviceStatus) -> None:
        body = status.to_json()
        arguments = self._arguments(status, "status", body)
        keys = self._key("devices"), self._key("status")
        pipeline.eval(SET_STATUS, 2, *keys, *arguments, body)

    def _arguments(self, of: Event, kind: str, body: bytes) -> tuple[Any, ...]:
        # With its age, it is as old to those who hear of it, whatever their clocks say.
        event = f"{self._origin}:{of.age:.3f} {kind} ".encode() + body
        expiry = int(self._bounds.expiry * 1000)
        return self._prefix, of.device, event, self._bounds.devices, expiry, self._channel

    def _listen(self) -> None:
        wait = FIRST_WAIT
        while not self._closing.wait(wait * random.uniform(0.5, 1)):  # noqa: S311
            try:
                with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(self._channel)
                    channel.get_message(timeout=TIMEOUT)
                    moves = self._moves
                    self._catch_up()
                    self._health.answered()
                    wait = FIRST_WAIT
                    while not self._closing.is_set() and moves == self._moves:
                        message = channel.get_message(timeout=LISTEN)
                        if message is not None:
                            self._hear(message["data"])
                        if not self._health.is_up:  # a question took too long; this one holds
                            self._redis.ping()
                            self._health.answered()
            except self._error as error:
                self._health.lost(error)
                wait = min(2 * wait, LONGEST_WAIT)

    def _catch_up(self) -> None:
        """Take what others wrote while nobody listened."""
        known = {own.device: own.at for own in self._own.devices()}
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hvals(self._key("status"))
            pipeline.zrange(self._key("devices"), 0, -1)
            found = pipeline.execute(raise_on_error=False)
        _raise_if_whole(found)
        statuses, devices = map(_listed, found)
        for data in statuses:
            status = self._read(DeviceStatus.from_json, data)
            if status and status.at > known.get(status.device, 0.0):
                self._own.set_status(status)
        with self._redis.pipeline(transaction=False) as pipeline:
            for name in devices:
                pipeline.lindex(self._key("views", name.decode(errors="replace")), 0)
            newest = pipeline.execute(raise_on_error=False)
        for packed in newest:
            view = self._read(_unpack, packed) if isinstance(packed, bytes) else None
            own = self._own.latest(view.device) if view else None
            if view and (own is None or is_newer(view, own)):
                self._own.put(view)

    def _hear(self, data: bytes) -> None:
        sender, _, rest = data.partition(b" ")
        origin, _, age = sender.partition(b":")
        kind, _, body = rest.partition(b" ")
        if origin == self._origin.encode():
            return
        if kind == b"view" and (view := self._read(View.from_json, body)) is not None:
            self._own.put(replace(view, came=_came(age) or view.came))
        if kind != b"view" and (status := self._read(DeviceStatus.from_json, body)) is not None:
            self._own.set_status(replace(status, came=_came(age) or status.came))

    def _read(self, read: Callable[[bytes], T], data: bytes) -> T | None:
        """What was read, or None for someone else's, or another version's."""
        try:
            return read(data)
        except InvalidInput as error:
            if time.monotonic() - self._complained_at >= COMPLAIN:
                self._complained_at = time.monotonic()
                log.warning("Something in Redis at %s can't be read: %s", self._place, error)
            return None

    def _key(self, kind: str, device: str | None = None) -> str:
        name = f"{self._prefix}:{kind}"
        return name if device is None else f"{name}:{device}"


def _open(url: str) -> tuple[Any, type[Exception], type[Exception]]:
    """A client, what it raises, and what of that tells that Redis is there but refuses."""
    try:
        import redis  # noqa: PLC0415 - an extra
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependency(
            "A store in Redis needs the extra \"live\": pip install 'kinlens[live]'."
        ) from error
    try:
        client = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            health_check_interval=10,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise ConfigError(
            f"A store is redis://host:port/number; got {redacted(url)!r:.200}."
        ) from error
    return client, redis.RedisError, redis.ResponseError


def _raise_if_whole(results: list[Any]) -> None:
    """Raise the first error that any other command would have met as well."""
    for result in results:
        if isinstance(result, Exception) and code_of(result) in WHOLE:
            raise result


def _slot(event: Event) -> tuple[str, str]:
    return ("view" if isinstance(event, View) else "status", event.device)


def _unpack(packed: bytes) -> View:
    size = int.from_bytes(packed[:4], "little")
    return View.from_json(packed[4 : 4 + size], packed[4 + size :] or None)


def _listed(found: object) -> list[bytes]:
    return found if isinstance(found, list) else []


def _newer(view: View, than: View) -> bool:
    """Whether our own view hasn't got to Redis yet, or not with its picture."""
    whole = view.picture is not None or not view.pictured
    return whole and is_newer(view, than)


def _came(age: bytes) -> float | None:
    """Monotonic seconds of what was so old when it was sent; None if that can't be read."""
    try:
        seconds = float(age)
    except ValueError:  # it is by an earlier version, or someone else's
        return None
    return time.monotonic() - seconds if 0 <= seconds < math.inf else None
