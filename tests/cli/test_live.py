"""What `kinlens live` says of itself, and the keys of cameras."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kinlens.cli import app
from kinlens.cli.live import _state_shown, state_line
from kinlens.keys import KeyStore, secret_of
from kinlens.live.counters import Counters
from kinlens.live.memory import MemoryStore
from kinlens.live.types import DeviceStatus
from live_servers import wait_for


class Service:
    """What the line is made of."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.store = MemoryStore()
        self.bus = None
        self.store.set_status(DeviceStatus("door", "online", time.time()))

    def devices(self) -> list[DeviceStatus]:
        return self.store.devices()


def test_the_line_tells_rates_and_losses() -> None:
    service = Service()
    before = service.counters.snapshot()
    service.counters.add("matched", 20)
    service.counters.add("repeated", 10)
    service.counters.add("stale", 3)
    now = service.counters.snapshot()
    assert state_line(service, before, now, 2.0) == "15 views/s · 1 online · 3 stale"  # type: ignore[arg-type]
    service.store.trouble = "READONLY"
    line = state_line(service, now, now, 1.0)  # type: ignore[arg-type]
    assert line.endswith("no store (READONLY)")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_is_shown_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for screen, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", screen)
        with _state_shown(Service()):  # type: ignore[arg-type]
            if shown:
                wait_for(lambda screen=screen: "online" in screen.getvalue())
        assert ("online" in screen.getvalue()) is shown


def test_keys_of_cameras(tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["keys", *arguments, "--data", str(tmp_path)])
        return result.exit_code, result.output + str(result.exception or "")

    code, output = run("create", "door camera", "--device", "door-1", "--json")
    assert code == 0
    made = json.loads(output)
    assert (made["device"], made["scopes"]) == ("door-1", ["device"])
    with KeyStore(tmp_path) as keys:
        assert keys.secrets("door-1") == [secret_of(made["key"])]
    _, listed = run("list")
    assert re.search(r"door camera\s+device\s+door-1", listed)
    _, shown = run("create", "another", "--device", "door-1")
    assert "kinlens camera --device door-1" in shown
    assert "can't write" in run("create", "wrong", "--device", "door-1", "--write")[1]
    assert "1 to 64" in run("create", "wrong", "--device", "no good")[1]
