"""Settings, and the only reader of TOML and of the environment.

Precedence: an argument, the environment (``KINLENS_<NAME>``), ``kinlens.toml`` in the working
directory (or the file that ``KINLENS_CONFIG`` names), the default.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinlens.errors import ConfigError, InvalidInput
from kinlens.networks import Network, parse_networks
from kinlens.types import Metric, Where, check_k, check_metric

PREFIX = "KINLENS_"
DEFAULT_ENCODER = "kinlens-mini"


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """How a camera's sightings are looked up.

    Parameters
    ----------
    name : the device's id
    k : matches to show, from 1 up; 0 for `live_k`
    where : filter on the catalog's items, such as ``{"shelf": 3}``
    metric : "cosine" or "euclidean"
    """

    name: str
    k: int = 0
    where: Where | None = None
    metric: Metric = "cosine"

    def __post_init__(self) -> None:
        try:
            if self.k != 0:
                check_k(self.k)
            check_metric(self.metric)
        except InvalidInput as error:
            raise ConfigError(f"The settings of the device {self.name!r}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set, with its unit and its default.

    Parameters
    ----------
    data : folder of the catalog
    encoder : a model's name, a bundle folder or an ONNX file; "" for the one the catalog was
        indexed with, kinlens-mini for a new one
    runtime : "auto", "openvino" or "onnxruntime"
    precision : "float32", "bfloat16", or "auto" for the fastest that CPU and runtime have; what an
        integer network computes in integers stays so
    host, port : where `kinlens serve` listens
    public_url : prefix of the image URLs in answers when behind a proxy, such as
        "https://shop.example/visual"; "" for URLs relative to the server's root
    trusted_proxies : addresses and networks, such as "10.0.0.0/8", of the proxies whose
        X-Forwarded-For and X-Forwarded-Proto are believed
    max_bytes : largest encoded picture, in bytes
    max_pixels : largest picture, in pixels
    decode_timeout : seconds a decoder may take before it is given up
    fetch_timeout : seconds a URL may take in all
    fetch_batch_timeout : seconds that all URLs of up to 32 items added together may take
    fetch_redirects : redirects followed at most
    fetch_allowed_hosts : host names that may resolve to private addresses
    url_lifetime : seconds a signed image URL is valid
    rate_limit : requests a minute for each key or address; 0 for no limit
    max_body : largest request body, in bytes
    max_in_flight : requests worked on at once before 503
    max_connections : open connections; idle ones are closed to make room for new ones
    max_connections_each : open connections of one client address
    shutdown_timeout : seconds from SIGTERM or Ctrl-C to the end of the server; what is still in
        flight two thirds of the way is canceled
    cors_origins : origins that may call the API from a browser, such as "https://shop.example";
        "*" for all
    batch_wait : milliseconds a query waits at most for others to share its pass
    threads : threads for decoding and encoding; 0 for one a core
    live_broker : where cameras publish: "mqtt://user:password@host:1883", "mqtts://host:8883" or
        "memory://NAME"; "" for none, so that only browsers' cameras are seen
    live_store : where the newest views are kept: "redis://host:6379/0", or "" for the memory of
        one process
    live_group : matchers of the same group share the cameras' messages
    live_k : matches shown of each view
    live_max_age : seconds from a view's arrival to its matches at most; what would be later is
        dropped
    live_history : views kept of each device
    live_expiry : seconds after which a device that isn't heard of is forgotten
    live_max_devices : devices known at once
    live_rate : views a second that a device may send
    live_unnamed : take vectors that name no encoder, as a DeepLens function sends them, if their
        length fits
    live_devices : k, where and metric of single devices, as tables [live.devices.NAME]
    """

    data: Path = Path("kinlens-data")
    encoder: str = ""
    runtime: str = "auto"
    precision: str = "auto"
    host: str = "127.0.0.1"
    port: int = 7700
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000
    decode_timeout: float = 10.0
    fetch_timeout: float = 15.0
    fetch_batch_timeout: float = 60.0
    fetch_redirects: int = 5
    fetch_allowed_hosts: tuple[str, ...] = ()
    url_lifetime: int = 300
    rate_limit: int = 600
    max_body: int = 64_000_000
    max_in_flight: int = 256
    max_connections: int = 1000
    max_connections_each: int = 400
    shutdown_timeout: float = 10.0
    cors_origins: tuple[str, ...] = ()
    batch_wait: float = 0.0
    threads: int = 0
    live_broker: str = field(default="", repr=False)  # may hold a password
    live_store: str = field(default="", repr=False)
    live_group: str = "kinlens"
    live_k: int = 9
    live_max_age: float = 1.0
    live_history: int = 24
    live_expiry: float = 3600.0
    live_max_devices: int = 512
    live_rate: float = 60.0
    live_unnamed: bool = False
    live_devices: tuple[DeviceSettings, ...] = ()

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} needs a number above 0; got {getattr(self, name)}.")
        for name in _NOT_NEGATIVE:
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} needs a number from 0 up; got {getattr(self, name)}.")
        for origin in self.cors_origins:
            _check_origin(origin)
        parse_networks(self.trusted_proxies, "trusted_proxies")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port needs a number from 0 to 65535; got {self.port}.")
        if not self.live_group or set("/+#") & set(self.live_group):
            raise ConfigError(
                f"live_group needs a name without /, + and #; got {self.live_group!r}."
            )
        if self.runtime not in RUNTIMES:
            raise ConfigError(f"runtime is one of {', '.join(RUNTIMES)}; got {self.runtime!r}.")
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise ConfigError(f"precision is one of {known}; got {self.precision!r}.")

    @property
    def computing(self) -> dict[str, Any]:
        """How encoders compute: arguments of `kinlens.encoders.open_encoder`."""
        return {"runtime": self.runtime, "threads": self.threads, "precision": self.precision}

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        """`trusted_proxies`, read."""
        return parse_networks(self.trusted_proxies, "trusted_proxies")

    @property
    def worker_threads(self) -> int:
        """`threads`, or one for each core this process may use."""
        return self.threads or usable_cores()

    def device(self, name: str) -> DeviceSettings:
        """How the sightings of a device are looked up."""
        named = (entry for entry in self.live_devices if entry.name == name)
        own = next(named, DeviceSettings(name))
        return dataclasses.replace(own, k=own.k or self.live_k)


RUNTIMES = ("auto", "openvino", "onnxruntime")
PRECISIONS = ("auto", "float32", "bfloat16")
_POSITIVE = (
    "max_bytes",
    "max_pixels",
    "decode_timeout",
    "fetch_timeout",
    "fetch_batch_timeout",
    "url_lifetime",
    "max_body",
    "max_in_flight",
    "max_connections",
    "max_connections_each",
    "shutdown_timeout",
    "live_k",
    "live_max_age",
    "live_history",
    "live_expiry",
    "live_max_devices",
    "live_rate",
)
_NOT_NEGATIVE = ("fetch_redirects", "rate_limit", "batch_wait", "threads")


def _check_origin(origin: str) -> None:
    """Raise `ConfigError` unless a browser can send this as an Origin header."""
    found = _ORIGIN.fullmatch(origin)
    has_port = found and found["port"]
    if origin in ("*", "null") or (found and (not has_port or 0 < int(found["port"]) < 65536)):
        return
    raise ConfigError(
        "cors_origins needs origins as browsers send them, a scheme, a host and perhaps a port, "
        'such as "https://shop.example" or "http://localhost:3000", or "*" for all; got '
        f"{origin!r:.200}. Write the scheme, and leave out paths."
    )


_ORIGIN = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://"
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)


def usable_cores() -> int:
    """Cores this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Settings from arguments, environment, TOML file and defaults, in this order.

    Parameters
    ----------
    overrides : values by setting name; None counts as not given
    environ : instead of the process's environment
    file : instead of ``KINLENS_CONFIG`` or ``kinlens.toml``

    Raises
    ------
    ConfigError : an unknown setting, or a value of the wrong kind
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for name, raw in _flat(_from_file(file, environ)).items():
        values[name] = _convert(name, raw, f"{name} in the settings file")
    for name in _FIELDS:
        variable = PREFIX + name.upper()
        if variable in environ:
            values[name] = _convert(name, environ[variable], f"the variable {variable}")
    for name, value in (overrides or {}).items():
        if value is not None:
            values[name] = _convert(name, value, name)
    return Settings(**values)


def device_key(file: Path | None = None, environ: Mapping[str, str] | None = None) -> str | None:
    """The key that a camera signs with: a file's content, else ``KINLENS_DEVICE_KEY``; or None.

    Raises
    ------
    ConfigError : a file that can't be read or is empty
    """
    environ = os.environ if environ is None else environ
    if file is None:
        return environ.get(PREFIX + "DEVICE_KEY") or None
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file of the device's key can't be read: {error}.") from error
    if not key:
        raise ConfigError(f"The file {file} is empty; it needs the device's key.")
    return key


def _from_file(file: Path | None, environ: Mapping[str, str]) -> dict[str, Any]:
    named = file or (Path(environ["KINLENS_CONFIG"]) if environ.get("KINLENS_CONFIG") else None)
    path = named or Path("kinlens.toml")
    if not path.is_file():
        if named:
            raise ConfigError(f"The settings file {path} doesn't exist; create it or name another.")
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"The settings file {path} can't be read as TOML: {error}.") from error


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, where a table [live] holds those whose names begin with live_."""
    table = values.get("live")
    if not isinstance(table, Mapping):
        return dict(values)
    others = {name: value for name, value in values.items() if name != "live"}
    return others | {f"live_{name}": value for name, value in table.items()}


def _convert(name: str, raw: Any, where: str) -> Any:
    if name not in _FIELDS:
        raise ConfigError(f"Unknown setting {where}; the settings are {', '.join(_FIELDS)}.")
    if name == "live_devices":
        return _devices(raw, where)
    kind: Any = type(_FIELDS[name].default)
    if issubclass(kind, Path):
        return Path(raw).expanduser()
    if kind is tuple:
        parts = raw.split(",") if isinstance(raw, str) else raw
        return tuple(part.strip() for part in parts if part.strip())
    if kind is bool:
        return _truth(raw, where)
    try:
        if kind is int and isinstance(raw, float) and not raw.is_integer():
            raise ValueError
        return kind(raw)
    except (TypeError, ValueError):
        raise ConfigError(f"{where} needs {_NAMES[kind]}; got {raw!r}.") from None


def _truth(raw: Any, where: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    found = known.get(str(raw).lower())
    if found is None:
        raise ConfigError(f"{where} needs true or false; got {raw!r}.")
    return found


def _devices(raw: Any, where: str) -> tuple[DeviceSettings, ...]:
    """Settings of single devices, from tables by name, a JSON of such, or what was made of them."""
    try:
        tables = json.loads(raw) if isinstance(raw, str) else raw
        if isinstance(tables, Mapping):
            return tuple(DeviceSettings(name, **table) for name, table in tables.items())
        return tuple(
            table if isinstance(table, DeviceSettings) else DeviceSettings(**table)
            for table in tables
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{where} needs a table for each device, such as [live.devices.shelf-1] with k, where "
            f"and metric; {error}."
        ) from error


_FIELDS = {entry.name: entry for entry in dataclasses.fields(Settings)}
_NAMES = {int: "a whole number", float: "a number", str: "a text"}
