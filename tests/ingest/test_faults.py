"""What was acknowledged stays: through kill -9, Ctrl-C, a second indexer and a full disk."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from indexer_processes import Launcher, launcher
from kinlens.search import Search
from kinlens.store import content_hash
from kinlens.wiring import open_search

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and sends signals")

KILLS = 20
MakePicture = Callable[..., bytes]


@pytest.fixture(scope="module")
def indexers(tmp_path_factory) -> Iterator[Launcher]:
    with launcher(tmp_path_factory.mktemp("launcher")) as opened:
        yield opened


@pytest.fixture
def many(tmp_path: Path, make_picture: MakePicture) -> Path:
    """Two hundred pictures."""
    folder = tmp_path / "many"
    folder.mkdir()
    for seed in range(200):
        (folder / f"{seed:03}.jpg").write_bytes(make_picture(160, 120, seed=seed))
    return folder


def check_sound(search: Search, vectors: dict[str, np.ndarray]) -> None:
    """The database is whole, and each vector is that of the picture its item names."""
    with sqlite3.connect(search.data / "catalog.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    items = search.items()
    stored = search.parts.catalog.vectors([item.id for item in items])
    for item, vector in zip(items, stored, strict=True):
        np.testing.assert_allclose(vector, vectors[item.content_hash], atol=1e-5)


def test_kill_9_twenty_times_at_random_moments(indexers, many, data, encoder, make_picture):
    rng = random.Random(7)
    vectors: dict[str, np.ndarray] = {}
    current: dict[str, str] = {}
    with open_search(data, encoder) as search:

        def write(name: str, seed: int) -> None:
            content = make_picture(160, 120, seed=seed)
            (many / name).write_bytes(content)
            current[name] = content_hash(content)
            pixels = search.parts.loader.load(content, min_side=32).pixels
            vectors[current[name]] = search.parts.encoder.encode_images([pixels])[0]

        for seed in range(200):
            write(f"{seed:03}.jpg", seed)
        killed = 0
        for round_ in range(10 * KILLS):
            if round_ >= KILLS and killed >= KILLS // 2:  # some were done before they could be
                break
            run = indexers.start(many, data)
            run.wait_ready()
            time.sleep(rng.uniform(0, 0.2))
            run.signal(signal.SIGKILL)
            said = list(run.messages())
            killed += not any("report" in message for message in said)
            acknowledged = max((message.get("done", 0) for message in said), default=0)
            items = {item.id: item for item in search.items()}
            right = sum(items[n].content_hash == h for n, h in current.items() if n in items)
            assert right >= acknowledged
            for number in rng.sample(range(200), 40):
                write(f"{number:03}.jpg", 1000 * (round_ + 1) + number)
        check_sound(search, vectors)
        assert killed >= KILLS // 2

        last = list(indexers.start(many, data).messages())
        assert last[-1]["report"]["failed"] == 0
        check_sound(search, vectors)
        assert {item.id: item.content_hash for item in search.items()} == current
        assert search.search(many / "123.jpg", k=1).hits[0].id == "123.jpg"


def test_ctrl_c_stores_what_is_under_way_and_reports(indexers, many, data, encoder):
    for seed in range(200, 3000):
        os.link(many / "000.jpg", many / f"{seed}.jpg")
    run = indexers.start(many, data, encoder, closely=True)
    messages = run.messages()
    for message in messages:
        if message.get("done", 0) > 0:
            break
    run.signal(signal.SIGINT)
    report = list(messages)[-1]["report"]
    assert report["interrupted"]
    assert 0 < report["indexed"] < 3000
    with open_search(data) as search:
        assert search.count() == report["indexed"]
    again = list(indexers.start(many, data).messages())[-1]["report"]
    assert again["unchanged"] == report["indexed"]
    assert again["indexed"] == 3000 - report["indexed"]


def test_two_indexers_at_once_one_waits(indexers, many, data, encoder):
    runs = [indexers.start(many, data, encoder, wait=60.0) for _ in range(2)]
    reports = [list(run.messages())[-1]["report"] for run in runs]
    assert sorted(report["indexed"] for report in reports) == [0, 200]
    assert sorted(report["unchanged"] for report in reports) == [0, 200]


def test_two_indexers_at_once_one_is_told(indexers, many, data, encoder):
    runs = [indexers.start(many, data, encoder) for _ in range(2)]
    ends = [list(run.messages())[-1] for run in runs]
    told = [end for end in ends if "error" in end]
    if told:
        assert told[0]["error"] == "CatalogBusy"
        assert "--wait" in told[0]["message"]
        assert any(f"process {run.pid} " in told[0]["message"] for run in runs)
    else:  # the first was done before the second began
        assert sorted(end["report"]["unchanged"] for end in ends) == [0, 200]
    with open_search(data) as search:
        assert search.count() == 200


def test_a_reader_sees_what_another_process_writes_at_once(indexers, many, data, encoder):
    with open_search(data, encoder) as search:
        run = indexers.start(many, data)
        totals = []
        done = 0
        for message in run.messages():
            done = message.get("done", done)
            answer = search.search(many / "005.jpg", k=5)
            totals.append(answer.total)
            assert answer.total >= done
            assert len(answer.hits) == min(5, answer.total)
        assert totals == sorted(totals)
        assert totals[-1] == 200
        assert search.search(many / "005.jpg", k=1).hits[0].id == "005.jpg"


def test_a_full_disk_stops_the_run_and_leaves_a_sound_catalog(indexers, many, data, encoder):
    with open_search(data, encoder):
        pass
    end = list(indexers.start(many, data, file_size=200_000).messages())[-1]
    assert end["error"] == "CatalogFull"
    assert "pictures of this run are indexed and stay" in end["message"]
    stored = int(end["message"].split(" pictures of this run")[0].split()[-1].replace(",", ""))
    with open_search(data) as search:
        assert search.count() == stored < 200
    report = list(indexers.start(many, data).messages())[-1]["report"]
    assert report["indexed"] == 200 - stored
    assert report["unchanged"] == stored
    with open_search(data) as search:
        assert search.count() == 200
        with sqlite3.connect(data / "catalog.sqlite") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if not mount or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_small_file_system_that_fills_up(indexers, many, small_disk, encoder):
    for seed in range(200, 6000):
        os.link(many / "000.jpg", many / f"{seed}.jpg")
    data, ballast = small_disk / "data", small_disk / "ballast"
    ballast.write_bytes(bytes(500_000))
    end = list(indexers.start(many, data, encoder).messages())[-1]
    assert end["error"] == "CatalogFull"
    with open_search(data) as search:
        before = search.count()
        assert search.search(many / "000.jpg", k=1).hits[0].score == pytest.approx(1, abs=1e-5)
    ballast.unlink()
    with open_search(data) as search:
        assert search.count() == before
        half = [item.id for item in search.items(limit=before // 2)]
        assert search.delete(half) == half
        assert search.count() == before - len(half)
