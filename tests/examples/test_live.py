from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from kinlens.cli import app
from kinlens.messaging import Message, open_bus
from live_servers import Server, mosquitto, require, wait_for

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "live"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    """Mosquitto with the example's configuration, but for the port and where its files are."""
    program = require("mosquitto_passwd")
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    for user in ("matcher", "shelf-1", "shelf-2"):
        subprocess.run([program, "-b", passwords, user, f"of-{user}"], check=True)
    shutil.copy(FOLDER / "acl.conf", tmp_path)
    (tmp_path / "acl.conf").chmod(0o600)
    text = (FOLDER / "mosquitto.conf").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("listener", "#"))]
    moved = [line.replace("/mosquitto/config", str(tmp_path)) for line in lines]
    with mosquitto(tmp_path, *moved) as server:
        yield server


def address(broker: Server, user: str) -> str:
    return f"mqtt://{user}:of-{user}@127.0.0.1:{broker.port}"


def test_a_camera_publishes_as_itself_alone_and_reads_nothing(broker: Server):
    heard: list[Message] = []
    overheard: list[Message] = []
    matcher = open_bus(address(broker, "matcher"))
    matcher.subscribe(["kinlens/+/sightings"], heard.append, group="kinlens")
    matcher.subscribe(["kinlens/+/status", "$aws/things/+/infer"], heard.append)
    camera = open_bus(address(broker, "shelf-1"))
    camera.subscribe(["kinlens/+/sightings"], overheard.append)
    wait_for(lambda: matcher.connected and camera.connected)
    for device in ("shelf-2", "shelf-1"):
        for topic in ("kinlens/{}/sightings", "kinlens/{}/status", "$aws/things/{}/infer"):
            camera.publish(topic.format(device), b"seen")
    matcher.publish("kinlens/shelf-1/status", b"forged")
    wait_for(lambda: len(heard) >= 3)
    wait_for(lambda: camera.dropped >= 3 and matcher.dropped >= 1)
    assert sorted(message.topic for message in heard) == [
        "$aws/things/shelf-1/infer",
        "kinlens/shelf-1/sightings",
        "kinlens/shelf-1/status",
    ]
    assert not overheard
    camera.close()
    matcher.close()


def test_nobody_comes_in_without_a_password(broker: Server):
    stranger = open_bus(f"mqtt://shelf-1:wrong@127.0.0.1:{broker.port}")
    known = open_bus(address(broker, "shelf-1"))
    wait_for(lambda: known.connected)
    assert not stranger.connected
    stranger.close()
    known.close()


def options(verb: str) -> set[str]:
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [verb, "--help"]).output
    return set(re.findall(r"--[a-z-]+", shown))


def test_the_commands_are_ones_that_kinlens_has():
    compose = yaml.safe_load((FOLDER / "docker-compose.yml").read_text(encoding="utf-8"))
    commands = [compose["services"][name]["command"] for name in ("matcher", "camera")]
    for unit in FOLDER.glob("*.service"):
        (line,) = re.findall(r"^ExecStart=\S+ (.*)$", unit.read_text(encoding="utf-8"), re.M)
        commands.append(shlex.split(line))
    (more,) = re.findall(r"^ARGUMENTS=(.*)$", (FOLDER / "camera.env").read_text("utf-8"), re.M)
    commands.append(["camera", *shlex.split(more)])
    for verb, *rest in commands:
        assert {word for word in rest if word.startswith("--")} <= options(verb)


def test_the_units_are_ones_that_systemd_reads():
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze isn't there")
    units = sorted(map(str, FOLDER.glob("*.service")))
    found = subprocess.run([program, "verify", *units], capture_output=True, text=True, check=False)
    complaints = [
        line for line in found.stderr.splitlines() if str(FOLDER) in line or ".service:" in line
    ]
    # kinlens needn't be installed where the tests run.
    assert [line for line in complaints if "is not executable" not in line] == []
