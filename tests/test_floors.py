"""The house stands: a module imports only what is below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "kinlens"

FLOORS = {
    0: {
        "types",
        "errors",
        "config",
        "callers",
        "file_identity",
        "printable",
        "picture_bytes",
        "networks",
    },
    1: {
        "images",
        "fetch",
        "preprocess",
        "ranking",
        "store",
        "drafts",
        "thumbnails",
        "batching",
        "parquet",
        "messaging",
        "keys",
        "glyphs",
        "encoder_note",
    },
    2: {"encoders", "neighbors"},
    3: {"catalog"},
    4: {
        "adding",
        "batch_adding",
        "examples",
        "passes",
        "search",
        "sources",
        "ingest",
        "neighbor_table",
        "live",
    },
    5: {"http", "maintenance", "camera", "training", "evaluation", "sample", "contact_sheet"},
    6: {"wiring", "live_wiring", "admin"},
    7: {"cli", "__main__"},
    8: {"__init__"},
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names}
STRANGERS = {2, 3, 5}
"""Floors whose modules never import each other."""

ONE_FILE = {
    "openvino", "onnxruntime", "numkong", "pyarrow", "huggingface_hub", "pi_heif", "paho",
    "redis", "mlflow", "deltalake", "scipy", "sklearn", "cv2", "threadpoolctl",
}  # fmt: skip
NOT_AT_ONCE = ONE_FILE | {
    "fastapi", "pydantic", "uvicorn", "typer", "rich", "PIL", "simplejpeg", "torch",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(tree: ast.AST, parts: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Dotted names that a module imports, with the line; `from a import b` gives a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(("kinlens", *parts)[: -node.level]) + "." if node.level else ""
            yield from ((f"{above}{node.module or ''}.{a.name}", node.lineno) for a in node.names)


def faults(name: str, source: str) -> list[str]:
    """What is wrong with the imports of the module at this path within the package."""
    parts = tuple(name.removesuffix(".py").split("/"))
    own = parts[0]
    if own not in FLOOR_OF:
        return [f"{name} has no floor; give {own} one in FLOORS"]
    found = []
    for target, line in imports(ast.parse(source), parts):
        place = target.split(".")
        other = place[1] if place[0] == "kinlens" and len(place) > 1 else own
        if other == own:
            continue
        if other not in FLOOR_OF:
            if FLOOR_OF[own] < 8:  # `from kinlens import open_search` reaches to the roof
                found.append(f"{name}:{line} imports {target}, which has no floor")
        elif FLOOR_OF[other] > FLOOR_OF[own]:
            found.append(f"{name}:{line} imports upward: {target}")
        elif FLOOR_OF[other] == FLOOR_OF[own] and FLOOR_OF[own] in STRANGERS:
            found.append(f"{name}:{line} imports sideways: {target}")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_is_below(path: Path):
    name = path.relative_to(PACKAGE).as_posix()
    assert faults(name, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("images/jpeg.py", "from kinlens.types import Pixels", []),
        ("images/jpeg.py", "from kinlens.images.limits import Limits", []),
        ("catalog/matrix.py", "from kinlens.neighbors import ExactIndex", []),
        ("images/jpeg.py", "import kinlens.catalog.base", ["upward"]),
        ("images/jpeg.py", "def f():\n    from kinlens.search import Search", ["upward"]),
        ("encoders/base.py", "from kinlens import neighbors", ["sideways"]),
        ("encoders/base.py", "from ..neighbors import index", ["sideways"]),
        ("http/app.py", "from kinlens.training import loop", ["sideways"]),
        ("http/app.py", "from kinlens import open_search", ["no floor"]),
        ("attic/box.py", "", ["no floor"]),
        ("wiring.py", "from kinlens.catalog import sqlite\nimport os", []),
    ],
)
def test_the_check_itself(name: str, source: str, expected: list[str]):
    found = faults(name, source)
    assert len(found) == len(expected)
    assert all(word in fault for word, fault in zip(expected, found, strict=True))


def test_what_may_change_or_be_missing_is_imported_in_one_file_each():
    users: dict[str, list[str]] = {}
    for path in modules():
        name = path.relative_to(PACKAGE).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for package in {target.split(".")[0] for target, _ in imports(tree, (name,))}:
            if package in ONE_FILE:
                users.setdefault(package, []).append(name)
            if package == "torch":
                assert name.startswith("training/") or name == "neighbors/tensors.py"
    assert {package: names for package, names in users.items() if len(names) > 1} == {}


def test_importing_kinlens_imports_nothing_heavy():
    code = "import sys, kinlens; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert NOT_AT_ONCE.isdisjoint(found.stdout.split())


def test_public_names_are_sorted_and_there():
    import kinlens

    assert kinlens.__all__ == sorted(kinlens.__all__)
    for name in kinlens.__all__:
        assert getattr(kinlens, name) is not None
    assert set(kinlens.__all__) <= set(dir(kinlens))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kinlens.nothing  # noqa: B018
