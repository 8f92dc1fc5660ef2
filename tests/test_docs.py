"""What the docs say is so."""

from __future__ import annotations

import doctest
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kinlens
from kinlens.config import Settings
from kinlens.http.answers import AnswerBody
from kinlens.http.serve import Server
from kinlens.sample import build_sample
from kinlens.wiring import open_live

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return module_at(DOCS / "generate.py")


@pytest.mark.parametrize("page", ["cli.md", "settings.md"])
def test_generated_pages_are_current(generator: ModuleType, page: str) -> None:
    written = (DOCS / page).read_text(encoding="utf-8")
    assert generator.PAGES[page]() == written, "run python docs/generate.py"


def test_every_setting_is_described(generator: ModuleType) -> None:
    page = generator.settings_page()
    for name in Settings.__dataclass_fields__:
        assert f"| `{name}` |" in page


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "examples" / "README.md", *sorted(DOCS.glob("*.md"))],
    ids=lambda page: f"{page.parent.name}-{page.name}",
)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        place = page.parent / target if target else page
        assert place.exists(), f"{page.name} links {target}"
        if anchor:
            assert anchor.removeprefix("#") in anchors(place), f"{page.name} links {anchor}"


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


def test_the_python_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(
        str(DOCS / "python.md"),
        module_relative=False,
        optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL,
        encoding="utf-8",
    )
    assert found.attempted > 20
    assert found.failed == 0


def test_the_page_on_exactness() -> None:
    found = doctest.testfile(str(DOCS / "exact.md"), module_relative=False, encoding="utf-8")
    assert found.attempted > 20
    assert found.failed == 0


@pytest.mark.parametrize("name", ["candidates.svg", "bound.svg"])
def test_plots_are_drawn_from_the_results(name: str) -> None:
    plots = module_at(ROOT / "benchmarks" / "plots.py")
    drawn = plots.drawings(plots.newest())[name]
    assert drawn == (DOCS / name).read_text(encoding="utf-8"), "run python benchmarks/plots.py"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples need curl")
def test_the_http_page(tmp_path: Path) -> None:
    table = build_sample(tmp_path / "shop", 24)
    examples = re.findall(r"```sh\n(.*?)```", (DOCS / "http.md").read_text(encoding="utf-8"), re.S)
    catalog = tmp_path / "catalog"
    with kinlens.open_search(catalog) as search:
        kinlens.index(search, table)
        settings = Settings(data=catalog, port=0, live_max_age=600.0)
        with open_live(search, settings) as live, Server(search, settings, live=live) as server:
            answers = [run(example, server.url, table.parent) for example in examples]
        assert search.count() == 24
    form, mixed, uploads, similar, one, many, lists, camera, _, sample = answers
    assert [len(found[0]["hits"]) for found in (form, mixed, uploads, similar)] == [3, 3, 3, 1]
    assert set(form[0]) == set(AnswerBody.model_fields)
    assert form[0]["hits"][0]["id"] == "mug-0002"
    assert [item["metadata"] for item in one] == [
        {"color": "red", "price": 9.5}, {"color": "blue"}, {"color": "blue"},
    ]  # fmt: skip
    assert [result["state"] for result in many[0]["results"]] == ["indexed", "failed"]
    assert many[1] == {"deleted": ["a"]}
    assert len(lists[0]["items"]) == 2
    assert lists[3]["items"] == 24
    assert camera[0] == {"accepted": True}
    assert camera[1]["devices"][0]["state"] == "online"
    assert camera[2]["hits"][0]["id"] == "mug-0002"
    assert sample[0]["images"][0].startswith(server.url)


def run(example: str, url: str, folder: Path) -> list[dict[str, object]]:
    """The JSON documents that an example prints; every request of it has to succeed."""
    keyfile = folder / "key"
    script = (
        "set -eu\n"
        'curl() { command curl -sS --fail-with-body "$@"; echo; }\n'
        f'kinlens() {{ {sys.executable} -c "from kinlens.cli import main; main()" "$@"; }}\n'
        # Until what comes after a pause is there, however long that takes.
        f"sleep() {{ for _ in $(seq 300); do command curl -sf {url}/v1/live/shelf-1/latest "
        ">/dev/null && break; command sleep 0.1; done; }\n"
        f'KEY=$(cat "{keyfile}" 2>/dev/null || true)\n'
        f'{example.replace("http://127.0.0.1:7700", url)}\necho "$KEY" > "{keyfile}"\n'
    )
    environ = {**os.environ, "NO_PROXY": "*"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
