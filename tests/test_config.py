"""Settings come from arguments, environment, TOML and defaults, in this order."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from kinlens.config import DeviceSettings, Settings, load_settings, usable_cores
from kinlens.errors import ConfigError


def test_order(tmp_path: Path) -> None:
    file = tmp_path / "kinlens.toml"
    file.write_text('port = 1\nhost = "a"\nmax_bytes = 5\ncors_origins = ["https://x"]\n')
    environ = {"KINLENS_PORT": "2", "KINLENS_HOST": "b", "KINLENS_CONFIG": str(file)}
    settings = load_settings({"port": 3, "encoder": None}, environ=environ)
    assert (settings.port, settings.host, settings.max_bytes) == (3, "b", 5)
    assert settings.cors_origins == ("https://x",)
    assert settings.encoder == ""


def test_lists_and_paths_from_the_environment() -> None:
    settings = load_settings(
        environ={"KINLENS_FETCH_ALLOWED_HOSTS": "a.example, b.example,", "KINLENS_DATA": "x/y"}
    )
    assert settings.fetch_allowed_hosts == ("a.example", "b.example")
    assert settings.data == Path("x/y")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"ports": 1}, "Unknown setting ports"),
        ({"port": "x"}, "whole number"),
        ({"port": 70000}, "65535"),
        ({"port": 1.5}, "whole number"),
        ({"max_bytes": 0}, "above 0"),
        ({"rate_limit": -1}, "from 0 up"),
        ({"runtime": "tensorrt"}, "openvino"),
        ({"precision": "int8"}, "one of auto, float32, bfloat16; got 'int8'"),
    ],
)
def test_what_cant_be_used(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(overrides, environ={})


def test_the_file_must_be_there_and_be_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="doesn't exist"):
        load_settings(environ={"KINLENS_CONFIG": str(tmp_path / "none.toml")})
    broken = tmp_path / "kinlens.toml"
    broken.write_text("port = ")
    with pytest.raises(ConfigError, match="TOML"):
        load_settings(environ={}, file=broken)


def test_threads_default_to_the_cores() -> None:
    assert Settings().worker_threads == usable_cores() >= 1
    assert Settings(threads=3).worker_threads == 3


LIVE = """
port = 1
[live]
k = 4
unnamed = true
[live.devices.door]
where = { shelf = 3 }
[live.devices."shelf-1"]
k = 2
metric = "euclidean"
"""


def test_a_table_of_the_live_view(tmp_path: Path) -> None:
    file = tmp_path / "kinlens.toml"
    file.write_text(LIVE)
    settings = load_settings(environ={"KINLENS_LIVE_UNNAMED": "no"}, file=file)
    assert (settings.port, settings.live_k, settings.live_unnamed) == (1, 4, False)
    assert settings.device("door") == DeviceSettings("door", 4, {"shelf": 3})
    assert settings.device("shelf-1") == DeviceSettings("shelf-1", 2, None, "euclidean")
    assert settings.device("another") == DeviceSettings("another", 4)
    again = load_settings(asdict(settings), environ={})
    assert again == settings


def test_devices_from_the_environment() -> None:
    environ = {"KINLENS_LIVE_DEVICES": '{"door": {"k": 3}}', "KINLENS_LIVE_UNNAMED": "1"}
    settings = load_settings(environ=environ)
    assert settings.device("door").k == 3
    assert settings.live_unnamed


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"live_unnamed": "perhaps"}, "true or false"),
        ({"live_devices": "{"}, "table"),
        ({"live_devices": {"door": {"shelf": 3}}}, "table"),
        ({"live_devices": {"door": 3}}, "table"),
        ({"live_devices": 3}, "table"),
        ({"live_devices": {"door": {"k": -1}}}, "'door'.*hits"),
        ({"live_devices": {"door": {"metric": "manhattan"}}}, "'door'.*metric"),
        ({"live_group": "a/b"}, "live_group"),
        ({"live_max_age": 0}, "above 0"),
    ],
)
def test_live_settings_that_cant_be_used(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(overrides, environ={})


def test_passwords_arent_shown() -> None:
    settings = load_settings(
        {"live_broker": "mqtt://a:hunter2@b", "live_store": "redis://:hunter2@b"}
    )
    assert settings.live_broker.startswith("mqtt://a:hunter2")
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    "origin",
    [
        "shop.example",
        "shop.example:3000",
        "https://",
        "https://shop.example/page",
        "https://shop.example?x=1",
        "https://user@shop.example",
        "https://shop.example:port",
        "https://shop.example:0",
        "https://shop.example:70000",
        "https://shop .example",
        "https://*.shop.example",
        "//shop.example",
        "https:shop.example",
    ],
)
def test_an_origin_that_no_browser_sends(origin: str) -> None:
    with pytest.raises(ConfigError, match=r"cors_origins needs .* got"):
        load_settings({"cors_origins": ["https://fine.example", origin]}, environ={})


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "https://shop.example", "http://localhost:3000/", "http://[::1]:80", "app://x"],
)
def test_origins_that_are_fine(origin: str) -> None:
    assert load_settings({"cors_origins": [origin]}, environ={}).cors_origins == (origin,)
