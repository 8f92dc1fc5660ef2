"""The page in Firefox, over WebDriver BiDi, before `kinlens serve`: what a person does there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from images.samples import encoded
from kinlens import wiring
from kinlens.config import Settings
from tiny_encoder import write_tiny
from web_shop import draw, photo, products

ROOT = Path(__file__).resolve().parents[2]
Seen = dict[str, Any]

pytestmark = pytest.mark.xdist_group("firefox")  # one run of the browser is looked at by all


def needed(path: str | Path | None, what: str) -> str:
    """The path of what a test needs; in CI it fails without, elsewhere it is skipped."""
    if path is not None and Path(path).exists():
        return str(path)
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}; `make test` installs it")
    pytest.skip(what)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of `kinlens serve` over the drawn shop."""
    folder = tmp_path_factory.mktemp("shop")
    settings = Settings(data=folder / "data", threads=2)
    with wiring.open_search(encoder=write_tiny(folder), settings=settings) as search:
        search.add(products())
    process = subprocess.Popen(
        [sys.executable, "-m", "kinlens", "serve", "--data", str(settings.data), "--port", "0"],
        env=os.environ | {"KINLENS_RATE_LIMIT": "0", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0]
                break
        else:
            pytest.fail(f"kinlens serve ended: {''.join(said)}")
    finally:
        process.terminate()
        process.communicate(timeout=120)


@pytest.fixture(scope="module")
def seen(server: str, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What the page showed, step by step; see firefox.mjs."""
    firefox = needed(
        shutil.which("firefox-esr") or shutil.which("firefox"),
        "Firefox is missing; on Debian: apt-get install firefox-esr",
    )
    node = needed(shutil.which("node"), "Node.js is missing")
    needed(ROOT / "node_modules" / "puppeteer-core", "node_modules are missing; run: npm ci")
    folder = tmp_path_factory.mktemp("pictures")
    with Image.open(BytesIO(draw("disc", "Red", (300, 400), "PNG"))) as disc:
        (folder / "phone.heic").write_bytes(encoded(disc, "heif"))
    (folder / "disc.png").write_bytes(draw("disc", "Red", format="PNG"))
    (folder / "frame.jpg").write_bytes(draw("disc", "Red"))
    (folder / "both.png").write_bytes(photo())
    command = [node, str(Path(__file__).with_name("firefox.mjs")), firefox, server, str(folder)]
    home = tmp_path_factory.mktemp("home")
    ran = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found: Seen = json.loads(ran.stdout)
    return found


def test_it_browses_without_a_complaint(seen: Seen) -> None:
    assert seen["browse"] == {"status": "60 pictures"}
    assert seen["complaints"] == []


def test_an_upload_is_searched_with(seen: Seen) -> None:
    assert seen["upload"]["status"] == "24 of 60"
    assert seen["upload"]["first"] == "Red disc"
    assert seen["upload"]["address"].startswith("?like=upload:")


def test_a_value_filters(seen: Seen) -> None:
    assert seen["filter"]["chips"] == ["Red"]
    assert seen["filter"]["first"] == "Red disc"
    assert "f.color=Red" in seen["filter"]["address"]


def test_a_number_filter_fits_and_takes_a_decimal_comma(seen: Seen) -> None:
    assert seen["range"]["inside"]
    assert "r.price=..20.5" in seen["range"]["address"]
    assert seen["range"]["status"] == "2 of 2"


def test_a_crop_is_dragged(seen: Seen) -> None:
    assert seen["crop"]["first"] == "Green disc"
    assert seen["crop"]["status"] == "24 of 60"


def test_examples_are_mixed(seen: Seen) -> None:
    assert seen["mix"]["examples"] == 2
    added = seen["mix"]["added"].replace(" ", "+")
    assert seen["mix"]["address"] == f"?like=id:shop/disc+0&like=id:{added}"
    assert seen["mix"]["status"] == "24 of 60"


def test_a_heic_has_a_preview(seen: Seen) -> None:
    assert seen["heic"]["preview"] == [300, 400]
    assert seen["heic"]["first"] == "Red disc"


def test_the_live_page_shows_what_a_camera_sees(seen: Seen) -> None:
    assert seen["live"] == {"state": "live", "first": "Red disc"}
