"""Tests of examples/stl10.py, its pictures and its notebook, on small data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tiny_encoder import write_tiny

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "stl10.ipynb"


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    """60 pictures in 20 groups of three alike, as STL-10 stores them."""
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 200, (20, 1, 4, 4, 3)), np.ones((1, 3, 24, 24, 1), int))
    pictures = (smooth + rng.integers(0, 56, (20, 3, 96, 96, 3))).reshape(60, 96, 96, 3)
    path = tmp_path / "unlabeled_X.bin"
    path.write_bytes(pictures.transpose(0, 3, 2, 1).astype(np.uint8).tobytes())
    return path


@pytest.fixture
def run(
    stl10: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., list[str]]:
    """Runs the example in a folder of its own; gives the lines it prints."""

    def run(*options: str | Path) -> list[str]:
        monkeypatch.chdir(tmp_path)
        encoder = write_tiny(tmp_path)
        command = ["stl10.py", "--encoder", encoder, *options]
        monkeypatch.setattr(sys, "argv", [str(part) for part in command])
        stl10.main()
        said = capsys.readouterr()
        assert said.err == ""
        return said.out.splitlines()

    return run


@pytest.mark.parametrize(("pooling", "dim"), [("none", 48), ("max", 3)])
def test_beside_scikit_learn(
    run: Callable[..., list[str]], binary: Path, pooling: str, dim: int
) -> None:
    pytest.importorskip("sklearn")
    said = run("--path", binary, "--save", "grid.png", "--output", "parts", "--pooling", pooling)
    assert said[0] == "60 pictures, 6 of them queries among 54"
    assert said[1].startswith(f"tiny0: {dim} numbers")
    assert said[4].startswith("6 of 6 queries have the same neighbors")
    with Image.open(binary.parent / "grid.png") as grid:
        assert grid.size[0] > 4 * 128
        assert grid.size[1] > 5 * 128


def test_alone_and_few(run: Callable[..., list[str]], binary: Path) -> None:
    said = run("--path", binary.parent, "--alone", "--most", "20", "-k", "1")
    assert said[0] == "20 pictures, 2 of them queries among 18"
    assert not any("scikit-learn" in line for line in said)


def test_shared_pictures(run: Callable[..., list[str]], shared_data: Path, tmp_path: Path) -> None:
    folders = [shared_data / name for name in ("clothing", "objects", "products", "tiny")]
    said = run("--pictures", *folders, "--most", "200", "--alone")
    assert said[0] == "200 pictures, 20 of them queries among 180"
    assert (tmp_path / "stl10.png").is_file()


def test_what_a_user_may_get_wrong(
    run: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^stl10: There is no "):
        run("--path", tmp_path)
    with pytest.raises(SystemExit, match="2"):
        run()
    assert "--download --path --pictures is required" in capsys.readouterr().err


def test_it_starts_from_the_command_line() -> None:
    command = [sys.executable, EXAMPLES / "stl10.py", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "--pooling" in done.stdout


def test_split(stl10: ModuleType) -> None:
    base, queries = stl10.split(100)
    assert (len(base), len(queries)) == (90, 10)
    assert sorted([*base, *queries]) == list(range(100))
    np.testing.assert_array_equal(stl10.split(100)[1], queries)
    assert (stl10.split(100, seed=1)[1] != queries).any()


def test_the_comparison_tells_ties_from_mistakes(stl10: ModuleType) -> None:
    base = np.array([[0, 0], [0, 0], [3, 0], [0, 3], [9, 9]], np.float32)
    queries = np.zeros((4, 2), np.float32)
    near, right = np.array([0.0, 0.0, 3.0]), np.array([0, 1, 2])
    ours = stl10.Found(np.tile(near, (4, 1)), np.tile(right, (4, 1)), 0, 0)
    theirs = stl10.Found(
        np.tile([0.0, 0.5, 3.0], (4, 1)),
        np.array([[0, 1, 2], [1, 0, 3], [0, 1, 4], [0, 1, 2]]),
        0,
        0,
    )
    found = stl10.compare(base, queries, ours, theirs)
    assert (found.queries, found.same, found.as_near) == (4, 2, 1)
    assert (found.farther, found.nearer) == (1, 0)
    assert found.apart == 0.5
    assert stl10.compare(base, queries, theirs, ours).nearer == 1


def test_the_comparison_holds_the_nearest_against_the_nearest(stl10: ModuleType) -> None:
    base = np.array([[1, 0], [1.0000001, 0]], np.float32)
    rows = np.array([[0, 1]])
    one = stl10.Found(np.ones((1, 2)), rows, 0, 0)
    other = stl10.Found(np.ones((1, 2)), rows[:, ::-1], 0, 0)
    found = stl10.compare(base, np.zeros((1, 2), np.float32), one, other)
    assert (found.same, found.as_near) == (0, 1)


def cells(kind: str) -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


PROGRAM = """
import json, sys
cells = json.load(open(sys.argv[1], encoding="utf-8"))["cells"]
names = {}
for cell in cells:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]), names)
        if "parameters" in cell["metadata"].get("tags", []):
            exec(sys.argv[2], names)
compared = names["compared"]
print(len(names["pictures"]), compared.same + compared.as_near, names["grid"].width)
"""


def run_notebook(folder: Path, tmp_path: Path, parameters: str) -> list[int]:
    """Run the code cells in a process of its own, as Jupyter does in the folder it is opened in."""
    assert any("parameters" in cell["metadata"].get("tags", []) for cell in cells("code"))
    notebook = next(folder.rglob("stl10.ipynb"))
    command = [sys.executable, "-c", PROGRAM, str(notebook), parameters]
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr
    return [int(part) for part in done.stdout.splitlines()[-1].split()]


@pytest.mark.parametrize("start", ["examples", "."])
def test_the_notebook_runs_from_a_clone(tmp_path: Path, start: str) -> None:
    pytest.importorskip("sklearn")
    clone = tmp_path / "clone"
    shutil.copytree(EXAMPLES, clone / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    pictures, right, width = run_notebook(clone / start, tmp_path, "SAMPLE = 40")
    assert (pictures, right) == (40, 4)
    assert width > 400


def test_the_notebook_runs_on_pictures_of_ones_own(tmp_path: Path, binary: Path) -> None:
    pytest.importorskip("sklearn")
    stl10 = f"STL10 = Path({str(binary)!r})"
    assert run_notebook(EXAMPLES, tmp_path, stl10)[:2] == [60, 6]
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, pixels in enumerate(np.memmap(binary, np.uint8).reshape(60, 3, 96, 96)[:20]):
        Image.fromarray(np.ascontiguousarray(pixels.T)).save(photos / f"{number}.png")
    folders = f"PICTURES = [Path({str(photos)!r})]"
    assert run_notebook(EXAMPLES, tmp_path, folders)[:2] == [20, 2]


def test_the_notebook_tells_a_new_user_how_to_begin() -> None:
    first = "".join(cells("markdown")[0]["source"])
    assert "pip install . scikit-learn jupyterlab" in first
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert "pip install kinlens" not in text
    assert json.loads(text)["metadata"]["kernelspec"]["name"] == "python3"


def test_the_notebook_was_run_and_names_no_machine() -> None:
    turns = [cell["execution_count"] for cell in cells("code")]
    assert turns == list(range(1, len(turns) + 1))
    shown = [output for cell in cells("code") for output in cell["outputs"]]
    assert not [output for output in shown if output["output_type"] == "error"]
    assert sum("image/jpeg" in output.get("data", {}) for output in shown) >= 2
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 1_500_000
    for mark in ("/home/", "/root/", "/work/", "/tmp/", "../../"):
        assert mark not in text
