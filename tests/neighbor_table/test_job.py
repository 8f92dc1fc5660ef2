"""The table of similar items: the same as by the definition, and as a new one after any change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinlens.errors import InvalidFilter, InvalidInput, OutputError
from kinlens.neighbor_table import write_neighbors
from kinlens.neighbors import Neighbors
from kinlens.neighbors.leaving_out import Others
from kinlens.search import Search
from neighbor_table.conftest import expected, put_items, rows_of, unit

COLORS = ["red", "green", None, 1, 1.0, True, ["a", "b"], ["b"], [], "a"]


def fill(search: Search, count: int = 60, *, seed: int = 0, kinds: int = 25) -> None:
    rng = np.random.default_rng(seed)
    metadata = [
        {
            "color": COLORS[rng.integers(len(COLORS))],
            "size": int(rng.integers(3)),
            "price": float(rng.integers(100)),
        }
        for _ in range(count)
    ]
    put_items(search, [f"i{n}" for n in range(count)], unit(count, seed, kinds), metadata)


OPTIONS = [
    {},
    {"metric": "euclidean"},
    {"where": {"price": {"$lt": 40}}},
    {"for_where": {"size": 1}},
    {"where": {"size": {"$ne": 0}}, "for_where": {"price": {"$gt": 50}}},
    {"where": {"price": {"$lt": 0}}},
    {"where": {"price": {"$lt": 0}}, "same": ["size"]},
    {"where": {"color": "b"}},
    {"same": ["color"]},
    {"same": ["color", "size"], "metric": "euclidean"},
    {"min_distance": 1e-6},
    {"min_distance": 0.8, "same": ["size"]},
    {"min_distance": 1.6, "metric": "euclidean"},
    {"min_distance": 2, "same": ["color"]},
    {"min_distance": 1e-6, "same": ["color"], "where": {"price": {"$lt": 60}}},
]


@pytest.mark.parametrize("memory", [1, None])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_table_is_as_defined(search: Search, output: Path, options: dict, memory: int | None):
    fill(search, 150)
    report = write_neighbors(search, output, 7, memory=memory, **options)
    table = rows_of(output)
    assert table == expected(search, 7, **options)
    assert report.neighbors == len(table)
    assert report.certified
    assert report.reason == "the first time"


@pytest.mark.parametrize(
    ("options", "among_themselves"),
    [
        ({}, True),
        ({"metric": "euclidean"}, True),
        ({"where": {"price": {"$lt": 40}}}, False),
        ({"for_where": {"size": 1}}, False),
        ({"same": ["size"]}, False),
        ({"min_distance": 1e-6}, False),
    ],
    ids=str,
)
def test_where_all_ask_and_all_are_searched_each_product_serves_two(
    search: Search,
    output: Path,
    options: dict,
    among_themselves: bool,
    monkeypatch: pytest.MonkeyPatch,
):
    taken, take = [], Others.take

    def noted(self: Others, *given: Any) -> Neighbors:
        taken.append(given)
        return take(self, *given)

    monkeypatch.setattr(Others, "take", noted)
    fill(search, 150)
    write_neighbors(search, output, 7, **options)
    assert bool(taken) == among_themselves


EDIT = st.tuples(
    st.sampled_from(["add", "add", "delete", "move", "label", "again"]),
    st.integers(0, 30),
    st.integers(0, 8),
    st.integers(0, len(COLORS) - 1),
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    nights=st.lists(st.lists(EDIT, max_size=8), min_size=1, max_size=4),
    options=st.sampled_from(OPTIONS),
    k=st.integers(1, 8),
    seed=st.integers(0, 5),
)
def test_night_after_night_it_equals_a_new_one(
    tmp_path_factory: pytest.TempPathFactory, encoder: Path, nights, options, k, seed
):
    from kinlens.wiring import open_search

    folder = tmp_path_factory.mktemp("nights")
    with open_search(folder / "data", encoder) as search:
        fill(search, 20, seed=seed, kinds=8)
        write_neighbors(search, folder / "a.parquet", k, **options)
        for night in nights:
            for edit in night:
                apply(search, edit)
            if not search.count():
                fill(search, 3)
            report = write_neighbors(search, folder / "a.parquet", k, **options)
            assert report.reason == ""
            assert rows_of(folder / "a.parquet") == expected(search, k, **options)


def apply(search: Search, edit: tuple[str, int, int, int]) -> None:
    what, number, kind, color = edit
    name, vector = f"i{number}", unit(9, seed=7)[kind : kind + 1]
    labels = {"color": COLORS[color], "size": kind % 3, "price": float(10 * kind)}
    known = search.get([name])
    if what == "delete":
        search.parts.catalog.delete([name])
    elif what == "again" and known:
        stored = search.parts.catalog.vectors([name])
        search.parts.catalog.delete([name])
        put_items(search, [name], stored, [known[name].metadata])
    elif what == "label" and known:
        put_items(search, [name], search.parts.catalog.vectors([name]), [labels])
    elif what == "add" or known:
        put_items(search, [name], vector, [labels])


def test_only_what_can_change_is_computed(search: Search, output: Path):
    vectors = unit(2000)
    put_items(search, [f"i{n}" for n in range(2000)], vectors)
    assert write_neighbors(search, output, 5).anew == 2000

    before = output.stat()
    report = write_neighbors(search, output, 5)
    assert (report.anew, report.updated, report.lists) == (0, 0, 2000)
    assert report.neighbors == 10_000
    assert output.stat().st_mtime_ns == before.st_mtime_ns

    put_items(search, [f"new{n}" for n in range(20)], unit(20, seed=3))
    report = write_neighbors(search, output, 5)
    assert (report.anew, report.updated, report.reason) == (20, 2000, "")

    victim = search.parts.catalog.search(vectors[:1], 2)[0][1].item.id
    having = {row[0] for row in rows_of(output) if row[1] == victim}
    search.parts.catalog.delete([victim])
    report = write_neighbors(search, output, 5)
    assert (report.anew, report.updated) == (len(having), 0)
    incremental = output.read_bytes()

    tuples = {"size": {"$in": (1, 2)}}
    write_neighbors(search, output.with_name("other.parquet"), 5, where=tuples)
    assert not write_neighbors(search, output.with_name("other.parquet"), 5, where=tuples).reason

    assert write_neighbors(search, output, 5, full=True).reason == "as asked"
    rows = rows_of(output)
    output.write_bytes(incremental)
    assert rows == rows_of(output)


def test_other_options_or_another_encoder_compute_anew_and_say_so(
    search: Search, output: Path, tmp_path: Path
):
    fill(search)
    write_neighbors(search, output, 5)
    report = write_neighbors(search, output, 6, same=["size"])
    assert report.reason == "k was 5, same was not set"
    assert report.anew == 60
    assert rows_of(output) == expected(search, 6, same=["size"])

    from kinlens.wiring import open_search
    from tiny_encoder import write_tiny

    with open_search(tmp_path / "other", write_tiny(tmp_path, 1)) as other:
        fill(other)
        report = write_neighbors(other, output, 6, same=["size"])
    assert report.reason.startswith("the vectors were those of tiny0 (")


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("k", [1, 50])
def test_few_items(search: Search, output: Path, count: int, k: int):
    fill(search, count)
    report = write_neighbors(search, output, k, same=["size"] if count == 1 else [])
    assert rows_of(output) == expected(search, k)
    assert (report.items, report.lists) == (count, count)
    fill(search, 4)
    write_neighbors(search, output, k, same=["size"] if count == 1 else [])
    assert rows_of(output) == expected(search, k, same=["size"] if count == 1 else [])


def test_near_duplicates_by_the_thousand_are_left_out(search: Search, output: Path):
    rng = np.random.default_rng(0)
    vectors = unit(1300)
    vectors[100:1200] = vectors[99] + 1e-4 * rng.standard_normal((1100, vectors.shape[1]))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    put_items(search, [f"i{n}" for n in range(1300)], vectors)
    write_neighbors(search, output, 10, min_distance=1e-3)
    table = rows_of(output)
    assert len(table) == 13_000
    assert min(row[3] for row in table) >= 1e-3
    lists = {}
    for item, neighbor, _, distance in table:
        lists.setdefault(item, []).append((neighbor, distance))
    found = search.parts.catalog.search(vectors[500:501], 1300)[0]
    far = [(match.item.id, match.distance) for match in found if match.distance >= 1e-3]
    assert lists["i500"] == far[:10]


def test_what_a_table_was_made_of_is_in_it_and_beside_it(search: Search, output: Path):
    import json

    from kinlens.parquet import ParquetTable

    fill(search)
    report = write_neighbors(search, output, 5, where={"size": 1})
    manifest = json.loads(output.with_name("similar.parquet.json").read_text())
    assert json.loads(ParquetTable(output).notes["kinlens"]) == manifest
    assert manifest["encoder"]["fingerprint"] == search.encoder.fingerprint
    assert manifest["revision"] == report.revision
    assert manifest["options"]["where"] == {"size": 1}
    assert (manifest["items"], manifest["lists"]) == (60, 60)
    assert manifest["neighbors"] == len(rows_of(output))


def test_a_lost_or_foreign_table_is_written_again(search: Search, output: Path):
    fill(search)
    write_neighbors(search, output, 5)
    table = rows_of(output)
    for spoil in (output.unlink, lambda: output.write_bytes(b"not parquet")):
        spoil()
        assert write_neighbors(search, output, 5).anew == 0
        assert rows_of(output) == table


def test_what_cannot_be_used_is_said_so(search: Search, output: Path, tmp_path: Path):
    fill(search)
    with pytest.raises(InvalidInput, match="k is"):
        write_neighbors(search, output, 0)
    with pytest.raises(InvalidInput, match="metric"):
        write_neighbors(search, output, metric="inner")
    for impossible in (-1, 2.1, float("nan")):
        with pytest.raises(
            InvalidInput, match=r"min_distance is a cosine distance, .* from 0 to 2"
        ):
            write_neighbors(search, output, min_distance=impossible)
    with pytest.raises(InvalidFilter):
        write_neighbors(search, output, where={"size": {"$foo": 1}})
    with pytest.raises(InvalidInput, match="no item has this field"):
        write_neighbors(search, output, same=["colour"])
    with pytest.raises(OutputError, match="is a folder"):
        write_neighbors(search, tmp_path)
    with pytest.raises(OutputError, match=r"as Parquet; got x.csv, name it x.parquet"):
        write_neighbors(search, tmp_path / "x.csv")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="can't be written"):
        write_neighbors(search, tmp_path / "file" / "x.parquet")
    assert not output.exists()
    write_neighbors(search, output, 5)
    assert rows_of(output) == expected(search, 5)
