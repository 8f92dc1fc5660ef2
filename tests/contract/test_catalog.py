"""What every catalog engine promises. A new engine adds one line to BACKENDS."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.naive_catalog import NaiveCatalog, facet_counts
from kinlens.catalog import filters
from kinlens.catalog.base import Catalog
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.errors import InvalidFilter, InvalidInput, NotFound
from kinlens.types import EncoderIdentity, FacetCount, Field, Item, Metadata, Vectors

ENCODER = EncoderIdentity("test", "f" * 64, 8)

BACKENDS: dict[str, Callable[[Path, EncoderIdentity], Catalog]] = {
    "sqlite": lambda folder, encoder: SqliteCatalog.open(folder, encoder, create=True),
    "sqlite, vectors left on the disk": lambda folder, encoder: SqliteCatalog.open(
        folder, encoder, create=True, resident=False
    ),
}

Opener = Callable[[], Catalog]


@pytest.fixture(params=BACKENDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same catalog, again and again."""
    catalogs = []

    def open_one() -> Catalog:
        catalogs.append(BACKENDS[request.param](tmp_path, ENCODER))
        return catalogs[-1]

    yield open_one
    for one in catalogs:
        one.close()


@pytest.fixture
def catalog(opened: Opener) -> Catalog:
    return opened()


def item(item_id: str, metadata: Metadata | None = None, **changes: object) -> Item:
    fields = {
        "picture": f"path:/p/{item_id}.jpg",
        "content_hash": "a" * 64,
        "width": 640,
        "height": 480,
        **changes,
    }
    return Item(item_id, metadata=metadata or {}, **fields)


def unit(count: int, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).standard_normal((count, ENCODER.dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def fill(catalog: Catalog, count: int = 30) -> tuple[list[Item], Vectors]:
    colors = ["red", "green", "blue"]
    items = [
        item(f"i{n:02}", {"color": colors[n % 3], "price": n * 1.5, "tags": [f"t{n % 4}", "all"]})
        for n in range(count)
    ]
    vectors = unit(count)
    catalog.upsert(items, vectors)
    return items, vectors


def test_an_empty_catalog_finds_nothing(catalog: Catalog) -> None:
    assert catalog.search(unit(2), 5) == [[], []]
    assert catalog.search(unit(1), 5, where={"a": 1}) == [[]]
    assert catalog.count() == catalog.count({"a": 1}) == 0
    assert list(catalog.scan()) == []
    assert catalog.fields() == ()
    assert catalog.facets(["a"]) == {"a": ()}
    assert catalog.get(["a"]) == {}
    assert catalog.delete(["a"]) == []
    assert catalog.vectors([]).shape == (0, ENCODER.dim)
    catalog.upsert([], unit(0))
    assert catalog.stats().items == 0


def test_what_was_stored_comes_back_after_opening_again(opened: Opener) -> None:
    metadata: Metadata = {
        "text": "gr\u00fcn \U0001f600 \0 'quoted' \"twice\"",
        "": "empty name",
        "a.b $c": 1,
        "float": 0.1,
        "integer": 2**53 + 1,
        "true": True,
        "null": None,
        "list": ["a", "", "a"],
        "none": [],
    }
    stored = item("an id", metadata, content_hash="b" * 64, width=1, height=2, picture="copy:1")
    first = opened()
    first.upsert([stored], unit(1))
    first.close()

    again = opened()

    assert again.get(["an id", "other"]) == {"an id": stored}
    assert {k: type(v) for k, v in again.get(["an id"])["an id"].metadata.items()} == {
        k: type(v) for k, v in metadata.items()
    }
    np.testing.assert_array_equal(again.vectors(["an id"]), unit(1))
    assert again.encoder == ENCODER


def test_a_snapshot_shows_one_state_while_others_write(opened: Opener) -> None:
    catalog, other = opened(), opened()
    items, vectors = fill(catalog, 5000)
    catalog.delete(["i07", "i3000"])
    changed = item("i11", {"color": "black"})
    catalog.upsert([changed], vectors[:1])
    with catalog.snapshot() as snapshot:
        blocks = [next(snapshot.blocks)]
        other.delete([one.id for one in items[100:4900]])
        other.upsert([item("late")], vectors[:1])
        blocks += snapshot.blocks
    ids = [one for block in blocks for one in block.ids]
    metadata = [one for block in blocks for one in block.metadata]
    rows = np.concatenate([block.rows for block in blocks])
    kept = np.array([place for place in range(5000) if place not in (7, 3000)])
    vectors[11] = vectors[0]
    assert ids == [items[place].id for place in kept]
    assert snapshot.items == len(ids)
    assert snapshot.encoder == ENCODER
    assert metadata == [
        {"color": "black"} if one.id == "i11" else one.metadata for one in (items[p] for p in kept)
    ]
    np.testing.assert_array_equal(
        np.concatenate([block.vectors for block in blocks]), vectors[kept]
    )
    assert (np.diff(rows) > 0).all()

    with other.snapshot(metadata=False) as later:
        again = list(later.blocks)
    assert later.revision > snapshot.revision
    assert [one for block in again for one in block.ids][-1] == "late"
    stayed = np.isin(np.concatenate([block.rows for block in again]), rows)
    assert stayed.tolist() == [True] * 199 + [False]
    assert all(one == {} for block in again for one in block.metadata)


def test_an_empty_catalog_has_an_empty_snapshot(catalog: Catalog) -> None:
    with catalog.snapshot() as snapshot:
        assert (snapshot.items, list(snapshot.blocks)) == (0, [])


def test_upsert_replaces_an_item_and_its_vector(catalog: Catalog) -> None:
    items, vectors = fill(catalog)
    assert catalog.search(vectors[3:4], 1)[0][0].item == items[3]

    changed = item("i03", {"color": "black"}, width=1)
    catalog.upsert([changed], -vectors[3:4])

    assert catalog.count() == len(items)
    assert catalog.get(["i03"])["i03"] == changed
    assert catalog.search(-vectors[3:4], 1)[0][0].item == changed
    assert catalog.count({"color": "black"}) == 1


def test_update_metadata_leaves_the_vectors(catalog: Catalog) -> None:
    _, vectors = fill(catalog)
    catalog.search(vectors[:1], 1)

    catalog.update_metadata([item("i05", {"color": "black"})])

    assert [m.item.id for m in catalog.search(vectors[5:6], 3, where={"color": "black"})[0]] == [
        "i05"
    ]
    np.testing.assert_array_equal(catalog.vectors(["i05"]), vectors[5:6])


def test_update_metadata_of_an_unknown_item_changes_nothing(catalog: Catalog) -> None:
    fill(catalog)
    with pytest.raises(NotFound, match="nobody"):
        catalog.update_metadata([item("i01", {"color": "black"}), item("nobody")])
    assert catalog.count({"color": "black"}) == 0


def test_update_metadata_gives_no_vector_to_another_picture(catalog: Catalog) -> None:
    _, vectors = fill(catalog)
    with pytest.raises(NotFound, match="i05"):
        catalog.update_metadata([item("i05", {"color": "black"}, content_hash="b" * 64)])
    assert catalog.count({"color": "black"}) == 0
    np.testing.assert_array_equal(catalog.vectors(["i05"]), vectors[5:6])


def test_delete_tells_what_existed(catalog: Catalog) -> None:
    _, vectors = fill(catalog)
    catalog.search(vectors[:1], 1)

    assert catalog.delete(["i07", "nobody", "i01", "i07"]) == ["i07", "i01"]

    assert catalog.delete(["i07"]) == []
    assert catalog.count() == 28
    assert catalog.search(vectors[7:8], 1)[0][0].item.id != "i07"
    assert catalog.get(["i07"]) == {}
    assert "i07" not in {one.id for one in catalog.scan()}


def test_an_item_deleted_and_added_again_is_the_last(catalog: Catalog) -> None:
    same = np.repeat(unit(1), 3, axis=0)
    catalog.upsert([item("a"), item("b"), item("c")], same)
    assert [m.item.id for m in catalog.search(same[:1], 3)[0]] == ["a", "b", "c"]

    catalog.delete(["a"])
    catalog.upsert([item("a")], same[:1])
    catalog.upsert([item("b")], same[:1])

    assert [m.item.id for m in catalog.search(same[:1], 3)[0]] == ["b", "c", "a"]


def test_vectors_come_in_the_order_asked(catalog: Catalog) -> None:
    _, vectors = fill(catalog)
    np.testing.assert_array_equal(catalog.vectors(["i09", "i02", "i09"]), vectors[[9, 2, 9]])
    with pytest.raises(NotFound, match="nobody"):
        catalog.vectors(["i09", "nobody"])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("where", [None, {}, {"color": "red"}, {"price": {"$gt": 1000}}])
@pytest.mark.parametrize("k", [1, 7, 1000])
def test_search_agrees_with_the_naive_twin(catalog: Catalog, metric, where, k) -> None:
    twin = NaiveCatalog()
    twin.upsert(*fill(catalog))
    queries = unit(5, seed=9)

    found = catalog.search(queries, k, where=where, metric=metric)

    assert len(found) == 5
    for query, matches in zip(queries, found, strict=True):
        expected = twin.distances(query, where, metric)
        assert [m.item.id for m in matches] == list(expected)[:k]
        np.testing.assert_allclose(
            [m.distance for m in matches], list(expected.values())[:k], atol=1e-6
        )
        cosines = [float(twin.items[m.item.id][1] @ query) for m in matches]
        np.testing.assert_allclose([m.score for m in matches], cosines, atol=1e-6)
        assert all(-1 <= m.score <= 1 for m in matches)
        assert all(m.item == twin.items[m.item.id][0] for m in matches)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (unit(1)[:, :5], r"\(n, 8\)"),
        (unit(1)[0], r"\(n, 8\)"),
        (unit(1) * 2, "unit length"),
        (unit(1) * np.nan, "unit length"),
        (unit(1) * np.inf, "unit length"),
        (unit(1) * 0, "unit length"),
    ],
)
def test_vectors_are_checked(catalog: Catalog, vectors: Vectors, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        catalog.upsert([item("a")], vectors)
    with pytest.raises(InvalidInput, match=said):
        catalog.search(vectors, 1)
    assert catalog.count() == 0


def test_arguments_are_checked(catalog: Catalog) -> None:
    fill(catalog, 3)
    with pytest.raises(InvalidInput, match="k is"):
        catalog.search(unit(1), 0)
    with pytest.raises(InvalidInput, match="metric"):
        catalog.search(unit(1), 1, metric="manhattan")
    with pytest.raises(InvalidInput, match="2 items and 3 vectors"):
        catalog.upsert([item("a"), item("b")], unit(3))
    with pytest.raises(InvalidInput, match="given twice"):
        catalog.upsert([item("a"), item("a")], unit(2))
    for wrong in (lambda w: catalog.search(unit(1), 1, where=w), catalog.count, catalog.scan):
        with pytest.raises(InvalidFilter, match=r"where\.color\.\$near"):
            wrong({"color": {"$near": 1}})
    with pytest.raises(InvalidFilter):
        catalog.facets(["color"], {"$bad": 1})


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**70, b"bytes", {"a": 1}, [1], ["a", None], "\ud800"]
)
def test_metadata_that_cannot_be_stored_is_refused_whole(catalog: Catalog, value) -> None:
    with pytest.raises(InvalidInput, match="bad one"):
        catalog.upsert([item("good"), item("bad one", {"x": value})], unit(2))
    assert catalog.count() == 0


@pytest.mark.parametrize("item_id", ["", "a\0b", "\ud800", "x" * 513, 7, None])
def test_ids_that_cannot_be_stored(catalog: Catalog, item_id) -> None:
    with pytest.raises(InvalidInput, match="item id"):
        catalog.upsert([item("good"), item(item_id)], unit(2))
    assert catalog.count() == 0
    assert catalog.get([item_id]) == {}
    assert catalog.delete([item_id]) == []


def test_counts_and_facets_are_of_the_filtered_items(catalog: Catalog) -> None:
    fill(catalog)
    assert catalog.count({"color": "red", "price": {"$lt": 10}}) == 3
    facets = catalog.facets(["color", "tags", "nothing"], {"price": {"$lt": 10}})
    assert facets == {
        "color": (FacetCount("red", 3), FacetCount("blue", 2), FacetCount("green", 2)),
        "tags": (
            FacetCount("all", 7),
            FacetCount("t0", 2),
            FacetCount("t1", 2),
            FacetCount("t2", 2),
            FacetCount("t3", 1),
        ),
        "nothing": (),
    }
    assert catalog.facets(["tags"], limit=3)["tags"] == (
        FacetCount("all", 30),
        FacetCount("t0", 8),
        FacetCount("t1", 8),
    )


def test_facets_keep_types_apart(catalog: Catalog) -> None:
    values = [1, 1.0, True, "1", ["1", "1", "x"], None, False, True, 2]
    catalog.upsert([item(f"i{n}", {"v": v}) for n, v in enumerate(values)], unit(9))
    catalog.upsert([item("without")], unit(1))

    found = catalog.facets(["v"])["v"]

    assert [(type(one.value), one.value, one.count) for one in found] == [
        (bool, True, 2),
        (int, 1, 2),
        (str, "1", 2),
        (type(None), None, 1),
        (bool, False, 1),
        (int, 2, 1),
        (str, "x", 1),
    ]


def test_fields(catalog: Catalog) -> None:
    catalog.upsert(
        [
            item("a", {"n": 3, "s": "x", "b": True, "l": ["p", "q"], "m": 1, "e": None}),
            item("b", {"n": -0.5, "s": "x", "l": ["q"], "m": "1", "gone": 1}),
            item("c", {"n": None}),
        ],
        unit(3),
    )
    assert "gone" in {field.name for field in catalog.fields()}
    catalog.update_metadata([item("b", {"n": -0.5, "s": "x", "l": ["q"], "m": "1"})])

    assert catalog.fields() == (
        Field("b", "boolean", 1, 1),
        Field("e", "mixed", 1, 0),
        Field("l", "list", 2, 2),
        Field("m", "mixed", 2, 2),
        Field("n", "number", 3, 2, -0.5, 3.0),
        Field("s", "string", 2, 1),
    )


def test_scan_pages_in_order_of_id(catalog: Catalog) -> None:
    ids = ["b", "a", "Z", "\u00e9", "\U0001f600", "\uffff", "10", "9", "a b", "a\u0301"]
    catalog.upsert([item(one, {"n": n}) for n, one in enumerate(ids)], unit(len(ids)))
    in_order = sorted(ids, key=str.encode)

    assert [one.id for one in catalog.scan()] == in_order
    assert [one.id for one in catalog.scan(limit=3)] == in_order[:3]
    assert [one.id for one in catalog.scan(after=in_order[2], limit=2)] == in_order[3:5]
    assert [one.id for one in catalog.scan(after="aa")] == [i for i in in_order if i > "aa"]
    odd = [i for i in in_order if ids.index(i) > 4]
    assert [one.id for one in catalog.scan({"n": {"$gt": 4}})] == odd
    assert [one.id for one in catalog.scan({"n": {"$gt": 4}}, after=odd[1], limit=2)] == odd[2:4]
    assert list(catalog.scan(limit=0)) == []


def test_referenced_tells_which_copies_are_in_use(catalog: Catalog) -> None:
    catalog.upsert([item("a", picture="copy:1"), item("b", picture="copy:2")], unit(2))
    catalog.delete(["b"])
    assert catalog.referenced(["copy:1", "copy:2", "copy:3"]) == {"copy:1"}


def test_stats(catalog: Catalog) -> None:
    _, vectors = fill(catalog)
    catalog.search(vectors[:1], 1)
    stats = catalog.stats()
    assert (stats.items, stats.dim, stats.encoder) == (30, 8, ENCODER)
    assert stats.matrix_bytes == 0 or stats.matrix_bytes >= 30 * 8 * 4
    assert catalog.exact


def test_another_opener_sees_a_write_on_its_next_call(opened: Opener) -> None:
    writer, reader = opened(), opened()
    _, vectors = fill(writer)
    assert reader.search(vectors[4:5], 1, where={"color": "green"})[0][0].item.id == "i04"

    writer.delete(["i04"])
    assert reader.search(vectors[4:5], 1)[0][0].item.id != "i04"
    writer.upsert([item("new", {"color": "pink"})], vectors[4:5])
    assert reader.search(vectors[4:5], 1)[0][0].item.id == "new"
    assert reader.count({"color": "pink"}) == 1
    writer.update_metadata([item("new", {"color": "red"})])
    assert reader.count({"color": "pink"}) == 0
    assert reader.facets(["color"])["color"][0] == FacetCount("red", 11)
    assert reader.count() == 30


def test_readers_see_whole_writes_only(opened: Opener) -> None:
    """Each write gives all items a new color and a new vector; no answer may mix two writes."""
    catalog = opened()
    vectors, ids = unit(4, seed=1), [f"i{n}" for n in range(40)]

    def write(step: int) -> None:
        items = [item(one, {"step": step}) for one in ids]
        catalog.upsert(items, np.repeat(vectors[step % 4][None], len(ids), axis=0))

    write(0)
    done, wrong = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            query = vectors[:1]
            matches = catalog.search(query, 40)[0]
            steps = {m.item.metadata["step"] for m in matches}
            right = np.linalg.norm(vectors[next(iter(steps)) % 4] - query)
            if len(matches) != 40 or len(steps) != 1:
                wrong.append(steps)
            if abs(np.sqrt(2 * matches[0].distance) - right) > 1e-3:
                wrong.append((steps, matches[0].distance, right))
            facets = catalog.facets(["step"])["step"]
            if len(facets) != 1 or facets[0].count != 40:
                wrong.append(facets)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        for step in range(1, 40):
            write(step)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert wrong == []


IDS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=5
)
VALUES = st.one_of(
    st.sampled_from(["a", "b", 1, 1.5, 2, True, False, None]),
    st.lists(st.sampled_from(["a", "b"]), max_size=2),
)
METADATA = st.dictionaries(st.sampled_from(["x", "y"]), VALUES, max_size=2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), st.dictionaries(IDS, METADATA, min_size=1, max_size=4)),
        st.tuples(st.just("update"), st.lists(METADATA, max_size=3)),
        st.tuples(st.just("delete"), st.integers(1, 5)),
    ),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, seed=st.integers(0, 99))
def test_any_history_agrees_with_the_naive_twin(opened: Opener, steps, seed: int) -> None:
    catalog, other, twin = opened(), opened(), NaiveCatalog()
    catalog.delete([one.id for one in catalog.scan()])
    rng = np.random.default_rng(seed)
    for kind, what in steps:
        if kind == "upsert":
            items = [item(one, metadata) for one, metadata in what.items()]
            vectors = unit(len(items), seed=int(rng.integers(1000)))
            catalog.upsert(items, vectors)
            twin.upsert(items, vectors)
        elif kind == "update":
            items = [item(one, m) for one, m in zip(twin.items, what, strict=False)]
            catalog.update_metadata(items)
            twin.update_metadata(items)
        else:
            ids = list(twin.items)[:: what + 1]
            assert catalog.delete(ids) == twin.delete(ids)
        for one in (catalog, other):
            _assert_same(one, twin, unit(1, seed=seed))
    catalog.close()
    other.close()


def _assert_same(catalog: Catalog, twin: NaiveCatalog, query: Vectors) -> None:
    assert list(catalog.scan()) == twin.scan(None)
    assert catalog.count() == len(twin.items)
    for where in ({"x": "a"}, {"x": {"$ne": 1}}, {"y": {"$exists": True}}, {"y": {"$lt": 2}}):
        assert catalog.count(where) == len(twin.passing(where))
        assert facet_counts(catalog.facets(["y"], where)["y"]) == twin.facet("y", where)
        found = {m.item.id: m.distance for m in catalog.search(query, 3, where=where)[0]}
        expected = twin.distances(query[0], where, "cosine")
        assert list(found.values()) == pytest.approx(list(expected.values())[:3], abs=1e-6)
        assert list(catalog.scan(where)) == twin.scan(where)


def test_a_view_shows_one_state_while_others_write(opened: Opener) -> None:
    """Each write moves all items from one group to the other, so any two answers show mixtures."""
    catalog, writer = opened(), opened()
    count, vectors = 12, unit(12)
    states = [
        [item(f"i{n:02}", {"group": group, group: n, "n": n}) for n in range(count - size)]
        for group, size in (("a", 0), ("b", 4))
    ]
    catalog.upsert(states[0], vectors)
    stop = threading.Event()

    def write() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            now = states[turn % 2]
            writer.delete([f"i{n:02}" for n in range(len(now), count)])
            writer.upsert(now, vectors[: len(now)])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for group in ["a", "b"] * 60:
            with catalog.view({"group": group}, vectors=True, metadata=True) as view:
                seen = [item(one.id, one.metadata) for one in view.scan()]
                [matches] = view.search(vectors[:1], count)
                total, size = view.count(), view.size
                counted = view.facets([group, "group"])
                fields = {field.name: field.count for field in view.fields()}
                stored = view.vectors_of([f"i{n:02}" for n in range(count)])
                read = view.get([f"i{n:02}" for n in range(count)])
                assert view.has_field(group) == (total > 0)
            assert {match.item.id for match in matches} == {one.id for one in seen}
            assert len(matches) == len(seen) == total == len(counted[group])
            assert counted["group"] == ((FacetCount(group, total),) if total else ())
            assert fields.get(group, 0) == total
            assert fields["n"] == size == len(stored) == len(read)
            assert total in (0, size)
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    "where", [None, {"color": "red"}, {"color": "none"}, {"price": {"$gt": 9}}]
)
def test_a_view_agrees_with_the_naive_twin(catalog: Catalog, where) -> None:
    items, vectors = fill(catalog)
    twin = NaiveCatalog()
    twin.upsert(items, vectors)
    with catalog.view(where, vectors=True, metadata=True) as view:
        assert view.size == len(items)
        assert view.count() == len(twin.passing(where))
        assert list(view.scan()) == twin.scan(where)
        assert (
            list(view.scan(after="i05", limit=3))
            == [one for one in twin.scan(where) if one.id > "i05"][:3]
        )
        [found] = view.search(vectors[:1], 5)
        assert [match.item.id for match in found] == list(
            twin.distances(vectors[0], where, "cosine")
        )[:5]
        assert facet_counts(view.facets(["tags"])["tags"]) == twin.facet("tags", where)
        assert view.has_field("color")
        assert not view.has_field("colour")
        assert view.get(["i03", "none"]) == {"i03": items[3]}
        stored = view.vectors_of(["i07", "none", "i02"])
        assert stored.keys() == {"i07", "i02"}
        assert np.array_equal(stored["i07"], vectors[7])


LARGE = [2**53, 2**53 + 1, 2**63 - 2, 2**63 - 1, -(2**63), -(2**63) + 1, -(2**53) - 1]


def test_whole_numbers_are_exact(catalog: Catalog) -> None:
    items = [item(f"i{place}", {"n": number}) for place, number in enumerate(LARGE)]
    catalog.upsert(items, unit(len(items)))
    for place, number in enumerate(LARGE):
        assert catalog.get([f"i{place}"])[f"i{place}"].metadata == {"n": number}
        assert [one.id for one in catalog.scan({"n": number})] == [f"i{place}"]
        for sign, compare in filters.COMPARISONS.items():
            passing = {f"i{n}" for n, other in enumerate(LARGE) if compare(other, number)}
            assert {one.id for one in catalog.scan({"n": {sign: number}})} == passing
    found = catalog.facets(["n"])["n"]
    assert [one.value for one in found] == sorted(LARGE)
    [field] = catalog.fields()
    assert (field.minimum, field.maximum) == (-(2**63), 2**63 - 1)
    assert isinstance(field.maximum, int)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_whole_numbers_out_of_range_are_refused(catalog: Catalog, number: int) -> None:
    with pytest.raises(InvalidInput, match=r"2\*\*63"):
        catalog.upsert([item("a", {"n": number})], unit(1))
    for where in ({"n": number}, {"n": {"$in": [1, number]}}, {"n": {"$lt": number}}):
        with pytest.raises(InvalidFilter, match=r"2\*\*63"):
            catalog.count(where)
