"""The service as every door sees it, over a real catalog and a real, small network."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from kinlens.adding import LOST, Adder
from kinlens.errors import (
    InvalidFilter,
    InvalidInput,
    NotFound,
    PictureGone,
    SourceError,
    UnsupportedPicture,
)
from kinlens.search import Search
from kinlens.types import Crop, Example, NewItem, Query, Where
from kinlens.wiring import open_search
from tiny_encoder import DIM, write_tiny

MakePicture = Callable[..., bytes]
COLORS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def search(tmp_path: Path, encoder: Path) -> Iterator[Search]:
    with open_search(tmp_path / "data", encoder, fetch_allowed_hosts=("localhost",)) as opened:
        yield opened


@pytest.fixture
def filled(search: Search, make_picture: MakePicture) -> Search:
    """Thirty items, "00" to "29", with color and price."""
    outcomes = search.add(
        NewItem(
            f"{seed:02}",
            image=make_picture(seed=seed),
            metadata={"color": COLORS[seed % 3], "price": seed},
        )
        for seed in range(30)
    )
    assert {outcome.state for outcome in outcomes} == {"indexed"}
    return search


def test_a_slow_change_of_metadata_gives_no_item_the_vector_of_another_picture(
    search: Search, tmp_path: Path, make_picture: MakePicture
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(make_picture(seed=1))
    search.add([NewItem("x", path=path, metadata={"n": 1})])
    adder = Adder(search.parts)
    slow = adder.prepare(NewItem("x", metadata={"n": 2}), search.get(["x"])["x"])
    search.add([NewItem("x", image=make_picture(seed=2))])

    [outcome] = adder.commit([slow], np.empty((0, DIM), np.float32))

    assert (outcome.state, outcome.reason) == ("failed", LOST)
    assert search.search(make_picture(seed=2), k=1).hits[0].score == pytest.approx(1, abs=1e-5)
    assert search.picture("x")[0] == make_picture(seed=2)
    assert search.add([NewItem("x", path=path)])[0].state == "indexed"
    assert search.search(path, k=1).hits[0].score == pytest.approx(1, abs=1e-5)


def test_a_file_that_changed_gives_no_thumbnail_to_its_former_twin(
    search: Search, tmp_path: Path, make_picture: MakePicture
) -> None:
    paths = [tmp_path / "1.jpg", tmp_path / "2.jpg"]
    for path in paths:
        path.write_bytes(make_picture(seed=1))
    search.add([NewItem(path.name, path=path) for path in paths])
    expected = search.thumbnail("2.jpg")
    search.parts.thumbnails.remove([search.get(["2.jpg"])["2.jpg"].content_hash])
    paths[0].write_bytes(make_picture(seed=2))

    assert search.thumbnail("1.jpg") != expected
    assert search.thumbnail("2.jpg") == expected


@pytest.fixture
def pictures_by_http(make_picture: MakePicture) -> Iterator[str]:
    """A server on loopback that gives the picture of the seed in the path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = make_picture(seed=int(self.path.strip("/.jpg") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *parts: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def ids(answer) -> list[str]:
    return [hit.id for hit in answer.hits]


def test_every_way_to_show_a_picture_finds_it(filled, make_picture, tmp_path, pictures_by_http):
    data = make_picture(seed=7)
    file = tmp_path / "query.jpg"
    file.write_bytes(data)
    text = base64.b64encode(data).decode()
    vector = filled.parts.catalog.vectors(["07"])[0]
    for query in (
        data,
        file,
        str(file),
        f"{pictures_by_http}/7.jpg",
        f"data:image/jpeg;base64,{text}",
        Example(base64=text),
        Example(vector=vector * 3),
        [Example(image=data), Example(path=file)],
        Query((Example(image=data),), k=3),
    ):
        answer = filled.search(query, k=3)
        assert len(answer.hits) == 3
        assert answer.hits[0].id == "07"
        assert answer.hits[0].score == pytest.approx(1, abs=1e-5)
        assert answer.hits[0].distance == pytest.approx(0, abs=1e-5)


def test_an_answer_tells_all_that_is_known(filled: Search, make_picture: MakePicture):
    answer = filled.search(make_picture(seed=3), k=2, facets=["color"], metric="euclidean")
    assert answer.total == 30
    assert answer.exact
    assert answer.metric == "euclidean"
    assert answer.encoder == filled.encoder
    assert answer.encoder.dim == DIM
    first, second = answer.hits
    assert (first.id, first.width, first.height) == ("03", 64, 48)
    assert first.metadata == {"color": "red", "price": 3}
    assert second.distance == pytest.approx(np.sqrt(2 - 2 * second.score), abs=1e-4)
    assert {count.value: count.count for count in answer.facets["color"]} == dict.fromkeys(
        COLORS, 10
    )
    took = answer.took
    assert min(took.decode, took.encode, took.search) > 0
    assert took.total >= (took.decode + took.encode + took.search) * 0.99


def test_ranking_agrees_with_a_slow_twin(filled: Search, make_picture: MakePicture):
    names = [f"{seed:02}" for seed in range(30)]
    vectors = filled.parts.catalog.vectors(names).astype(np.float64)
    picture = filled.parts.loader.load(make_picture(seed=99))
    query = filled.parts.encoder.encode_images([picture.pixels])[0].astype(np.float64)
    expected = sorted(names, key=lambda name: -(vectors[int(name)] @ query))
    assert ids(filled.search(make_picture(seed=99), k=30)) == expected


def test_a_filter_loses_no_result(filled: Search, make_picture: MakePicture):
    where = {"color": "blue", "price": {"$lt": 20}}
    answer = filled.search(make_picture(seed=0), k=30, where=where)
    assert sorted(ids(answer)) == ["02", "05", "08", "11", "14", "17"]
    assert answer.total == 6
    assert filled.search(make_picture(seed=0), where={"color": "pink"}).hits == ()
    with pytest.raises(InvalidFilter):
        filled.search(make_picture(seed=0), where={"color": {"$near": 1}})


def test_a_field_that_no_item_has_is_warned_of(filled: Search):
    one = filled.items()[0].id
    hint = "No item has the field colour, which counts as null. The fields are color, price"
    for where in ({"colour": "blue"}, {"$or": [{"$not": {"colour": "red"}}, {"price": 1}]}):
        (warning,) = filled.similar(one, where=where).warnings
        assert warning.startswith(hint)
    assert filled.similar(one, where={"color": "blue"}).warnings == ()
    (warning,) = filled.warnings({"$field": {"$set": "tea"}})
    assert warning.startswith("No item has the field $set")
    filled.delete([item.id for item in filled.items()])
    assert filled.warnings({"colour": "blue"}) == ()


@pytest.mark.parametrize(
    ("where", "warning"),
    [
        (
            {"price": {"$lt": "20"}},
            "All values of price are numbers, and the filter compares it with a text. The two "
            "never match.",
        ),
        (
            {"$not": {"$or": [{"color": {"$ne": 1}}, {"price": 3}]}},
            "All values of color are texts, and the filter compares it with a number. The two "
            "never match.",
        ),
        ({"price": {"$lt": -1}}, None),
        ({"price": {"$in": [-1, "20"]}}, None),
        (
            {"price": {"$ne": "20"}},
            "All values of price are numbers, and the filter compares it with a text. The two "
            "never match.",
        ),
        (
            {"$or": [{"color": "red"}, {"price": "20"}]},
            "All values of price are numbers, and the filter compares it with a text. The two "
            "never match.",
        ),
        ({"price": None}, None),
    ],
    ids=str,
)
def test_a_filter_that_compares_with_another_kind_is_warned_of(
    filled: Search, where: Where, warning: str | None
):
    assert filled.warnings(where) == (() if warning is None else (warning,))


def test_lists_and_mixed_fields_are_compared_with_their_own_kinds(search, make_picture):
    values = [True, 7, "x"]
    search.add(
        [
            NewItem(str(n), image=make_picture(seed=n), metadata={"mixed": value, "tags": ["a"]})
            for n, value in enumerate(values)
        ]
    )
    for where in ({"mixed": True}, {"mixed": {"$gt": 1}}, {"mixed": "y"}, {"tags": "b"}):
        assert search.warnings(where) == ()
    (warning,) = search.warnings({"tags": 5})
    assert "lists of texts" in warning
    search.delete(["1"])
    (warning,) = search.warnings({"mixed": {"$gt": 1}})
    assert "true or false or texts" in warning


def test_similar_items_leave_out_the_item_itself(filled: Search):
    answer = filled.similar("04", k=30)
    assert len(answer.hits) == 29
    assert "04" not in ids(answer)
    assert len(filled.similar("04", k=3).hits) == 3
    with pytest.raises(NotFound, match="nope"):
        filled.similar("nope")


def test_a_mix_pulls_towards_plus_and_away_from_minus(filled: Search):
    vectors = {name: filled.parts.catalog.vectors([name])[0] for name in ("01", "02", "03")}
    mixed = filled.search(
        Query((Example(id="01", weight=2), Example(id="02"), Example(id="03", weight=-0.5)), k=30)
    )
    assert {"01", "02"}.isdisjoint(ids(mixed))
    assert "03" in ids(mixed)
    total = 2 * vectors["01"] + vectors["02"] - 0.5 * vectors["03"]
    same = filled.search(Example(vector=total), k=30)
    assert [name for name in ids(same) if name not in ("01", "02")] == ids(mixed)


def test_examples_that_cancel_out_are_told_so(filled: Search):
    with pytest.raises(InvalidInput, match="cancel"):
        filled.search([Example(id="01"), Example(id="01", weight=-1)])


def test_a_crop_is_searched_as_if_it_were_the_picture(filled: Search, make_picture: MakePicture):
    box = Crop(0.25, 0.25, 0.5, 0.5)
    loader, encoder = filled.parts.loader, filled.parts.encoder
    pixels = loader.load(make_picture(seed=5), crop=box).pixels
    expected = ids(filled.search(Example(vector=encoder.encode_images([pixels])[0]), k=30))
    assert ids(filled.search(Example(image=make_picture(seed=5), crop=box), k=30)) == expected
    of_item = ids(filled.search(Example(id="05", crop=box), k=30))
    assert of_item == [name for name in expected if name != "05"]
    with pytest.raises(NotFound, match="gone"):
        filled.search(Example(id="gone", crop=box))


@pytest.mark.parametrize(
    "vector", [[1.0] * (DIM - 1), [0.0] * DIM, [float("nan")] * DIM, ["x"] * DIM, [[1.0] * DIM]]
)
def test_a_vector_that_cannot_be_used_is_told_so(filled: Search, vector):
    with pytest.raises(InvalidInput, match=f"{DIM}"):
        filled.search(Example(vector=vector))


def test_pictures_that_cannot_be_had_are_told_so(filled: Search, tmp_path: Path):
    with pytest.raises(UnsupportedPicture):
        filled.search(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    with pytest.raises(SourceError):
        filled.search(tmp_path / "nothing.jpg")
    with pytest.raises(InvalidInput, match="k is"):
        filled.search(Example(id="01"), k=0)


def test_an_empty_catalog_answers_with_nothing(search: Search, make_picture: MakePicture):
    answer = search.search(make_picture(), k=5, facets=["color"])
    assert answer.hits == ()
    assert answer.total == 0
    assert not answer.facets["color"]
    assert search.items() == []


def test_adding_again_encodes_only_what_changed(search: Search, make_picture: MakePicture):
    first = NewItem("a", image=make_picture(seed=1), metadata={"n": 1})
    assert [outcome.state for outcome in search.add([first])] == ["indexed"]
    assert [outcome.state for outcome in search.add([first])] == ["unchanged"]
    renamed = NewItem("a", image=make_picture(seed=1), metadata={"n": True})
    assert [outcome.state for outcome in search.add([renamed])] == ["indexed"]
    assert search.get(["a"])["a"].metadata == {"n": True}
    bare = NewItem("a", metadata={"n": 3})
    assert [outcome.state for outcome in search.add([bare])] == ["indexed"]
    assert search.get(["a"])["a"].metadata == {"n": 3}
    before = search.parts.catalog.vectors(["a"])
    search.add([NewItem("a", image=make_picture(seed=2))])
    assert not np.array_equal(before, search.parts.catalog.vectors(["a"]))


def test_one_bad_item_is_an_outcome_and_spoils_no_other(search: Search, make_picture, tmp_path):
    good = make_picture(seed=1)
    outcomes = search.add(
        [
            NewItem("good", image=good),
            NewItem("empty", image=b""),
            NewItem("text", image=b"hello"),
            NewItem("cut", image=make_picture(400, 300, "PNG")[:500]),
            NewItem("gone", path=tmp_path / "gone.jpg"),
            NewItem("64", base64="###"),
            NewItem("inward", url="http://127.0.0.1:1/x.jpg"),
            NewItem("bare"),
            NewItem("nested", image=good, metadata={"x": {"y": 1}}),
            NewItem("nan", image=good, metadata={"x": float("nan")}),
            NewItem("name", image=good, metadata={"k\ud800": 1}),
            NewItem("value", image=good, metadata={"k": ["\udfff"]}),
            NewItem("url", url="http://localhost/\ud800.jpg"),
            NewItem("last", image=make_picture(seed=2)),
        ]
    )
    states = {outcome.id: outcome.state for outcome in outcomes}
    assert [outcome.id for outcome in outcomes] == list(states)
    assert {name for name, state in states.items() if state == "indexed"} == {"good", "last"}
    assert all(outcome.reason for outcome in outcomes if outcome.state == "failed")
    rows = {row.id: row for row in search.ledger("failed")}
    assert len(rows) == 12
    assert rows["gone"].reference == str(tmp_path / "gone.jpg")
    assert rows["nested"].reason.startswith("A metadata value is")
    assert search.count() == 2


def test_an_id_given_twice_counts_as_if_one_came_after_the_other(search: Search, make_picture):
    outcomes = search.add(
        [
            NewItem("a", image=make_picture(seed=1), metadata={"n": 1}),
            NewItem("a", image=make_picture(seed=1), metadata={"n": 2}),
            NewItem("a", image=b"broken"),
        ]
    )
    assert [outcome.state for outcome in outcomes] == ["indexed", "indexed", "failed"]
    assert search.get(["a"])["a"].metadata == {"n": 2}


def test_copies_live_as_long_as_an_item_needs_them(search: Search, make_picture: MakePicture):
    def copies() -> int:
        return len(list(search.parts.store.copies()))

    search.add([NewItem("a", image=make_picture(seed=1)), NewItem("b", image=make_picture(seed=1))])
    assert copies() == 1
    assert search.delete(["a", "none"]) == ["a"]
    assert copies() == 1
    search.add([NewItem("b", image=make_picture(seed=2))])
    assert copies() == 1
    assert search.picture("b") == (make_picture(seed=2), "image/jpeg")
    assert search.delete(["b"]) == ["b"]
    assert copies() == 0
    with pytest.raises(NotFound):
        search.picture("b")
    assert {row.id for row in search.ledger("removed")} == {"a", "b"}


def test_files_are_referenced_and_left_alone(search: Search, make_picture, tmp_path: Path):
    file = tmp_path / "a.png"
    file.write_bytes(make_picture(300, 200, "PNG"))
    search.add([NewItem("a", path=file)])
    assert search.get(["a"])["a"].picture == f"path:{file}"
    assert search.picture("a")[1] == "image/png"
    data, kind = search.thumbnail("a")
    assert kind == "image/jpeg"
    assert search.parts.loader.load(data).width <= 320
    file.write_text("no picture any more")
    with pytest.raises(UnsupportedPicture):
        search.picture("a")
    assert search.thumbnail("a")[0] == data
    file.unlink()
    with pytest.raises(PictureGone):
        search.picture("a")
    search.delete(["a"])
    assert search.count() == 0


def test_a_removed_file_stays_a_users_own(search: Search, make_picture, tmp_path: Path):
    file = tmp_path / "a.jpg"
    file.write_bytes(make_picture())
    search.add([NewItem("a", path=file)])
    search.delete(["a"])
    assert file.exists()


def test_lists_counts_and_facets(filled: Search):
    assert [item.id for item in filled.items({"color": "red"}, after="05", limit=2)] == ["06", "09"]
    assert filled.count({"price": {"$gte": 28}}) == 2
    assert sum(count.count for count in filled.facets(["color"])["color"]) == 30
    assert [field.name for field in filled.fields()] == ["color", "price"]
    assert filled.stats().items == 30


def test_many_threads_search_while_others_write(filled: Search, make_picture: MakePicture):
    pictures = [make_picture(seed=seed) for seed in range(8)]

    def look(number: int) -> str:
        where = {"color": COLORS[number % 3]} if number % 2 else None
        answer = filled.search(pictures[number % 8], k=1 + number % 5, where=where)
        assert len(answer.hits) == 1 + number % 5
        if where:
            assert {hit.metadata["color"] for hit in answer.hits} == set(where.values())
        return answer.hits[0].id

    def write(number: int) -> None:
        filled.add([NewItem(f"new{number}", image=make_picture(seed=1000 + number))])
        assert filled.delete([f"new{number}"]) == [f"new{number}"]

    with ThreadPoolExecutor(16) as pool:
        writes = [pool.submit(write, number) for number in range(12)]
        found = list(pool.map(look, range(96)))
        for future in writes:
            future.result()
    plain = [name for number, name in enumerate(found) if number % 2 == 0]
    assert plain == [f"{number % 8:02}" for number in range(0, 96, 2)]
    assert filled.count() == 30


def test_a_wrong_filter_of_one_is_not_the_others_trouble(filled: Search, make_picture):
    def look(number: int) -> str:
        where = {"price": {"$what": 1}} if number % 4 == 0 else None
        try:
            return filled.search(make_picture(seed=1), k=1, where=where).hits[0].id
        except InvalidFilter:
            return "told"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(look, range(40)))
    assert found == ["told" if number % 4 == 0 else "01" for number in range(40)]


def test_metadata_comes_back_typed(search: Search, make_picture: MakePicture):
    metadata = {"s": "x", "i": 3, "f": 2.5, "b": True, "l": ["a", "b"], "n": None}
    search.add([NewItem("a", image=make_picture(), metadata=metadata)])
    (hit,) = search.search(make_picture()).hits
    assert json.dumps(hit.metadata, sort_keys=True) == json.dumps(metadata, sort_keys=True)


def test_the_same_picture_may_be_added_and_deleted_by_many_at_once(tmp_path, encoder, make_picture):
    data = make_picture(seed=1)

    def come_and_go(search: Search, name: str) -> None:
        for _ in range(12):
            assert [o.state for o in search.add([NewItem(name, image=data)])] == ["indexed"]
            assert search.picture(name)[0] == data
            assert search.delete([name]) == [name]

    with (
        open_search(tmp_path, encoder) as one,
        open_search(tmp_path, encoder) as two,
        ThreadPoolExecutor(4) as pool,
    ):
        work = [pool.submit(come_and_go, search, f"{n}") for n, search in enumerate([one, two] * 2)]
        for done in work:
            done.result()
        assert list(one.parts.store.copies()) == []


def test_an_answer_comes_from_one_state_beside_a_writer(filled: Search) -> None:
    """Each write moves all items to the other group: hits, total and facets are 0 or 30, alike."""
    items = list(filled.get([f"{n:02}" for n in range(30)]).values())
    states = [[replace(one, metadata={"group": group}) for one in items] for group in "ab"]
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for state in states:
                filled.parts.catalog.update_metadata(state)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        sizes = set()
        for _ in range(200):
            answer = filled.similar("03", k=30, where={"group": "a"}, facets=("group",))
            others = answer.total - 1 if answer.total else 0
            counted = sum(facet.count for facet in answer.facets["group"])
            assert (len(answer.hits), counted) == (others, answer.total)
            assert {hit.metadata["group"] for hit in answer.hits} <= {"a"}
            sizes.add(answer.total)
            listed = filled.items({"group": "b"})
            assert len(listed) in (0, 30)
        assert sizes <= {0, 30}
    finally:
        stop.set()
        thread.join()


def test_an_unknown_item_is_told_before_pictures_are_read(search: Search) -> None:
    with pytest.raises(NotFound, match="'none'"):
        search.search([Example(image=b"no picture"), Example(id="none")])
