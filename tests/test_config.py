"""Settings come from arguments, environment, TOML and defaults, in this order."""

from __future__ import annotations

from pathlib import Path

import pytest

from kinlens.config import Settings, load_settings, usable_cores
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
