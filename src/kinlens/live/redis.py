"""The newest views in Redis, for several processes; its only importer.

What is put is shown at once to those who watch in this process, and written by a thread: of each
device the newest first, as long as it takes. While Redis is away, this process shows what it knows.
"""

from __future__ import annotations

import json
import logging
import random
import secrets
import struct
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from kinlens.errors import ConfigError, InvalidInput, MissingDependency
from kinlens.live.memory import MemoryStore
from kinlens.live.slots import Slots
from kinlens.live.store import RESTART, Bounds, Event, Watcher, same_view
from kinlens.live.types import DeviceStatus, View
from kinlens.messaging import redacted

log = logging.getLogger("kinlens.live")

T = TypeVar("T")

PREFIX = "{kinlens}:live"
"""Of all keys; the braces keep them together in a cluster."""

TIMEOUT = 2.0
GOODBYE = 3.0
LISTEN = 0.2
FIRST_WAIT = 0.1
LONGEST_WAIT = 2.0
BATCH = 32

_COMMON = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local prefix, device, event = ARGV[1], ARGV[2], ARGV[3]
local bound, expiry = tonumber(ARGV[4]), tonumber(ARGV[5])
local function heard()
  local devices = KEYS[1]
  redis.call('ZADD', devices, now, device)
  local gone = redis.call('ZRANGEBYSCORE', devices, '-inf', now - expiry)
  local over = redis.call('ZCARD', devices) - bound
  if over > 0 then
    for _, name in ipairs(redis.call('ZRANGE', devices, 0, over - 1)) do
      gone[#gone + 1] = name
    end
  end
  for _, name in ipairs(gone) do
    redis.call('ZREM', devices, name)
    redis.call('HDEL', KEYS[2], name)
    redis.call('DEL', prefix .. ':views:' .. name, prefix .. ':head:' .. name)
  end
  redis.call('PEXPIRE', devices, expiry)
  redis.call('PEXPIRE', KEYS[2], expiry)
  redis.call('PUBLISH', prefix .. ':events', event)
end
"""

_PUT = (
    _COMMON
    + """
local views, head = KEYS[3], KEYS[4]
local packed, session, sequence, key = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local last = redis.call('HMGET', head, 'session', 'sequence', 'key', 'at')
local same = last[1] == session
if same and last[2] >= sequence and (session ~= '0' or now - last[4] < tonumber(ARGV[11])) then
  return 0
end
if same and last[3] == key and redis.call('EXISTS', views) == 1 then
  redis.call('LSET', views, 0, packed)
else
  redis.call('LPUSH', views, packed)
  redis.call('LTRIM', views, 0, ARGV[10] - 1)
end
redis.call('HSET', head, 'session', session, 'sequence', sequence, 'key', key, 'at', now)
redis.call('PEXPIRE', views, expiry)
redis.call('PEXPIRE', head, expiry)
heard()
return 1
"""
)

_SET_STATUS = _COMMON + "redis.call('HSET', KEYS[2], device, ARGV[6]) heard()"


class RedisStore:
    """The newest views in Redis; see `LatestStore`.

    Parameters
    ----------
    url : "redis://user:password@host:6379/0", or with TLS "rediss://..."
    bounds : the same for all processes that share a Redis

    Raises
    ------
    MissingDependency : without the extra "live"
    ConfigError : a URL that isn't one of Redis
    """

    def __init__(self, url: str, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._redis, self._error = _open(url)
        self._place = redacted(url)
        self._own = MemoryStore(self._bounds)
        self._origin = secrets.token_hex(8)
        self._slots: Slots[tuple[str, str], Event] = Slots(2 * self._bounds.devices)
        self._closing = threading.Event()
        self._up = False
        self._said = False
        self._threads = [
            threading.Thread(target=target, name=f"kinlens-redis-{name}", daemon=True)
            for name, target in (("write", self._write), ("listen", self._listen))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def connected(self) -> bool:
        """See `LatestStore.connected`."""
        return self._up

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

    def history(self, device: str, limit: int) -> list[View]:
        """See `LatestStore.history`."""
        own = self._own.history(device, limit)
        if limit <= 0:
            return []
        packed: list[bytes] = self._ask(
            lambda: self._redis.lrange(_key("views", device), 0, limit - 1), []
        )
        kept = [_unpack(value) for value in packed]
        if not kept:
            return own
        if not own or not _newer(own[0], kept[0]):
            return kept
        return [own[0], *kept[same_view(own[0], kept[0]) :]][:limit]

    def devices(self) -> list[DeviceStatus]:
        """See `LatestStore.devices`."""
        found = {status.device: status for status in self._own.devices()}
        kept: list[bytes] = self._ask(lambda: self._redis.hvals(_key("status")), [])
        for data in kept:
            status = DeviceStatus.from_json(data)
            known = found.get(status.device)
            if known is None or known.at <= status.at:
                found[status.device] = status
        return [found[device] for device in sorted(found)]

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """See `LatestStore.watch`."""
        return self._own.watch(callback)

    def close(self) -> None:
        """See `LatestStore.close`."""
        self._closing.set()
        self._slots.close()
        for thread in self._threads:
            thread.join(GOODBYE)
        self._own.close()
        self._redis.close()

    def _ask(self, question: Callable[[], T], otherwise: T) -> T:
        if not self._up:
            return otherwise  # without waiting; the threads find out when it is back
        try:
            return question()
        except self._error as error:
            self._lost(error)
            return otherwise

    def _write(self) -> None:
        wait = FIRST_WAIT
        while events := [event for _, event in self._slots.take(BATCH)]:
            try:
                self._send(events)
            except self._error as error:
                self._lost(error)
                if self._closing.wait(wait * random.uniform(0.5, 1)):  # noqa: S311
                    return
                wait = min(2 * wait, LONGEST_WAIT)
                for event in reversed(events):
                    self._slots.put_back(_slot(event), event)
            else:
                wait = FIRST_WAIT
                self._found()

    def _send(self, events: list[Event]) -> None:
        with self._redis.pipeline(transaction=False) as pipeline:
            for event in events:
                if isinstance(event, View):
                    self._queue_view(pipeline, event)
                else:
                    self._queue_status(pipeline, event)
            pipeline.execute()

    def _queue_view(self, pipeline: Any, view: View) -> None:
        body = view.to_json()
        pipeline.eval(
            _PUT,
            4,
            *(_key("devices"), _key("status"), _key("views", view.device)),
            _key("head", view.device),
            *self._arguments(view.device, "view", body),
            struct.pack("<I", len(body)) + body + (view.picture or b""),
            view.session,
            f"{view.sequence:020}",  # texts compare as numbers do, without the loss of floats
            view.key,
            self._bounds.history,
            int(RESTART * 1000),
        )

    def _queue_status(self, pipeline: Any, status: DeviceStatus) -> None:
        body = status.to_json()
        arguments = self._arguments(status.device, "status", body)
        pipeline.eval(_SET_STATUS, 2, _key("devices"), _key("status"), *arguments, body)

    def _arguments(self, device: str, kind: str, body: bytes) -> tuple[Any, ...]:
        event = f"{self._origin} {kind} ".encode() + body
        return PREFIX, device, event, self._bounds.devices, int(self._bounds.expiry * 1000)

    def _listen(self) -> None:
        wait = FIRST_WAIT
        while not self._closing.wait(wait * random.uniform(0.5, 1)):  # noqa: S311
            try:
                with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    channel.subscribe(_key("events"))
                    channel.get_message(timeout=TIMEOUT)
                    self._catch_up()
                    self._found()
                    wait = FIRST_WAIT
                    while not self._closing.is_set():
                        message = channel.get_message(timeout=LISTEN)
                        if message is not None:
                            self._hear(message["data"])
            except self._error as error:
                self._lost(error)
                wait = min(2 * wait, LONGEST_WAIT)

    def _catch_up(self) -> None:
        """Take what others wrote while nobody listened."""
        known = {own.device: own.at for own in self._own.devices()}
        for data in self._redis.hvals(_key("status")):
            status = DeviceStatus.from_json(data)
            if status.at > known.get(status.device, 0.0):
                self._own.set_status(status)
        devices = [name.decode() for name in self._redis.zrange(_key("devices"), 0, -1)]
        with self._redis.pipeline(transaction=False) as pipeline:
            for device in devices:
                pipeline.lindex(_key("views", device), 0)
            newest = [_unpack(packed) for packed in pipeline.execute() if packed]
        for view in newest:
            own = self._own.latest(view.device)
            if own is None or view.received_at > own.received_at:
                self._own.put(view)

    def _hear(self, data: bytes) -> None:
        origin, _, rest = data.partition(b" ")
        kind, _, body = rest.partition(b" ")
        if origin == self._origin.encode():
            return
        try:
            if kind == b"view":
                self._own.put(View.from_json(body))
            else:
                self._own.set_status(DeviceStatus.from_json(body))
        except InvalidInput as error:  # someone else's message, or another version's
            log.warning("A message of Redis can't be read: %s", error)

    def _found(self) -> None:
        self._up = True
        self._said = False

    def _lost(self, error: Exception) -> None:
        self._up = False
        if not self._said and not self._closing.is_set():
            self._said = True
            log.warning("Redis at %s can't be used: %s. Trying again.", self._place, error)


def _open(url: str) -> tuple[Any, type[Exception]]:
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
    return client, redis.RedisError


def _key(kind: str, device: str | None = None) -> str:
    return f"{PREFIX}:{kind}" if device is None else f"{PREFIX}:{kind}:{device}"


def _slot(event: Event) -> tuple[str, str]:
    return ("view" if isinstance(event, View) else "status", event.device)


def _unpack(packed: bytes) -> View:
    (size,) = struct.unpack_from("<I", packed)
    return View.from_dict(json.loads(packed[4 : 4 + size]), packed[4 + size :] or None)


def _newer(view: View, than: View) -> bool:
    """Whether our own view hasn't got to Redis yet, or not with its picture."""
    whole = view.picture is not None or not view.pictured
    return whole and view.received_at > than.received_at
