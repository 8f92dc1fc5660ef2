from __future__ import annotations

import json
import signal
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from camera.scenes import scene
from camera.unhurried import unhurried
from kinlens.camera.film import to_jpeg, write_frames
from kinlens.cli import app, main
from kinlens.config import load_settings
from kinlens.keys import secret_of
from kinlens.live import wire
from kinlens.live.types import DeviceStatus, Sighting
from kinlens.messaging import Message, open_bus
from kinlens.types import NewItem
from kinlens.wiring import encoder_for, open_search
from live_servers import kinlens, wait_for
from tiny_encoder import write_tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_frames([scene(seed) for seed in range(5)], tmp_path / "frames")
    return tmp_path / "frames"


@pytest.fixture(autouse=True)
def held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or may be: no frame is passed over, and none is too late."""
    monkeypatch.setattr("kinlens.live_wiring.Newest", unhurried)
    monkeypatch.setattr("kinlens.camera.device.MAX_AGE", 600.0)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(write_tiny(tmp_path))


def run(*arguments: str) -> tuple[list[dict[str, Any]], str]:
    found = CliRunner().invoke(app, ["camera", *arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in found.stdout.splitlines()]
    return lines, found.stderr


def failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *given: str
) -> str:
    monkeypatch.setattr("sys.argv", ["kinlens", "camera", *given])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in {1, 2}
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return captured.err


def test_a_folder_is_looked_at_and_printed(folder: Path, model: str):
    lines, said = run(str(folder), "--encoder", model, "--rate", "4", "--json")
    *seen, last = lines
    assert [line["frame"] for line in seen] == [f"{n:05d}.jpg" for n in range(5)]
    assert [line["sequence"] for line in seen] == list(range(5))
    assert all(line["bytes"] > 100 and line["box"] is None for line in seen)
    assert last["totals"]["published"] == last["totals"]["seen"] == 5
    assert "online" in said
    assert "offline" in said


def test_for_people_it_prints_lines_and_a_sum(folder: Path, model: str):
    found = CliRunner().invoke(
        app, ["camera", str(folder), "--encoder", model, "--rate", "4", "--print", "--no-picture"]
    )
    assert found.exit_code == 0
    assert found.stdout.splitlines()[0].endswith("00000.jpg")
    assert "Published 5 of 5 frames." in found.stderr


class Heard:
    def __init__(self, secret: str | None = None) -> None:
        self.sightings: list[Sighting] = []
        self.statuses: list[DeviceStatus] = []
        self._secrets = [secret] if secret else None
        self.bus = open_bus("memory://cli-camera")
        self.bus.subscribe([wire.SIGHTINGS, wire.STATUSES], self._hear)

    def _hear(self, message: Message) -> None:
        device = wire.device_of(message.topic)
        if message.topic.endswith("/status"):
            status = wire.unpack_status(message.payload, device, secrets=self._secrets, at=0)
            self.statuses.append(status)
        else:
            self.sightings.append(wire.unpack(message.payload, device, secrets=self._secrets))


@pytest.mark.parametrize("kept", ["file", "variable"])
def test_it_publishes_what_it_sees_signed(
    folder: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
):
    key = "kl_a-key"
    heard = Heard(secret_of(key))
    given = []
    if kept == "file":
        (tmp_path / "key").write_text(f"{key}\n")
        given = ["--key-file", str(tmp_path / "key")]
    else:
        monkeypatch.setenv("KINLENS_DEVICE_KEY", key)
    monkeypatch.setenv("KINLENS_LIVE_BROKER", "memory://cli-camera")
    run(
        str(folder), "--encoder", model, "--rate", "4", "--device", "shelf-7",
        "--region", "0.5,0,0.5,1", *given,
    )  # fmt: skip
    wait_for(lambda: heard.statuses and heard.statuses[-1].state == "offline")
    assert {sighting.device for sighting in heard.sightings} == {"shelf-7"}
    assert len(heard.sightings) == 5
    encoder = encoder_for(load_settings({"encoder": model}))
    right = scene(0)[:, 80:]
    assert heard.sightings[0].vector @ encoder.encode_images([right])[0] > 0.99
    assert heard.sightings[0].picture is not None
    heard.bus.close()


def test_the_encoder_is_the_catalogs(folder: Path, model: str, tmp_path: Path):
    with open_search(tmp_path / "catalog", model) as search:
        search.add([NewItem("a", image=to_jpeg(scene(3)))])
        fingerprint = search.encoder.fingerprint
    heard = Heard()
    run(
        str(folder), "--data", str(tmp_path / "catalog"), "--rate", "4", "--broker",
        "memory://cli-camera",
    )  # fmt: skip
    wait_for(lambda: len(heard.sightings) == 5)
    assert {sighting.fingerprint for sighting in heard.sightings} == {fingerprint}
    heard.bus.close()


def test_the_recorded_walk(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = count(0.0, 1 / 60)  # it is looked at twice a frame
    monkeypatch.setattr("kinlens.camera.walk.time", SimpleNamespace(monotonic=clock.__next__))
    with open_search(tmp_path / "catalog", model) as search:
        search.add([NewItem("one", image=to_jpeg(scene(3, 320, 240)))])
    lines, _ = run(
        "walk", "--data", str(tmp_path / "catalog"), "--rate", "30", "--change", "0", "--json"
    )
    assert lines[-1]["totals"]["published"] >= 5
    assert all(line["frame"].isdigit() for line in lines[:-1])


def test_measuring(folder: Path, model: str):
    for source in ([], [str(folder)]):
        lines, _ = run(*source, "--encoder", model, "--measure", "--json")
        (figures,) = lines
        assert figures["total"] > 0
        assert figures["frames_per_second"] > 0
    assert figures["width"] == 160
    found = CliRunner().invoke(app, ["camera", "--encoder", model, "--measure"])
    assert "frames a second with tiny0" in " ".join(found.stdout.split())


def test_sigterm_says_offline_and_ends_well(folder: Path, model: str, tmp_path: Path):
    log = tmp_path / "log"
    process = kinlens("camera", str(folder), "--loop", "--encoder", model, "--print", log=log)
    try:
        wait_for(lambda: log.exists() and "00003.jpg" in log.read_text(), patience=120)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    assert "offline" in said
    assert "Published" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "Which camera is missing"),
        (["0"], "Where to publish is missing"),
        (["nowhere", "--print"], "no such file"),
        (["FOLDER", "--print", "--region", "0,0,2,2"], "crop"),
        (["FOLDER", "--print", "--rate", "0"], "rate"),
        (["FOLDER", "--print", "--picture", "5"], "side"),
        (["FOLDER", "--print", "--device", "a/b"], "device's id"),
        (["FOLDER", "--broker", "ftp://host"], "A broker is"),
        (["FOLDER", "--print", "--encoder", "nothing"], "encoder"),
        (["FOLDER", "--print", "--key-file", "nowhere"], "key"),
        (["walk", "--print", "--data", "nowhere"], "no catalog"),
        (["EMPTY", "--print"], "no frames"),
    ],
)
def test_mistakes_are_one_line(
    given: list[str],
    message: str,
    folder: Path,
    model: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    named = {"FOLDER": str(folder), "EMPTY": str(tmp_path / "empty")}
    encoder = [] if "--encoder" in given or "walk" in given else ["--encoder", model]
    error = failure(capsys, monkeypatch, *[named.get(word, word) for word in given], *encoder)
    assert message in error
