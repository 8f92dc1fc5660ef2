"""CSV and TSV: types by column, ids as they are, and a line number for what is wrong."""

from __future__ import annotations

import csv
import io
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.errors import SourceError
from kinlens.sources import Entry, SourceOptions, delimited_text, notes, open_source
from kinlens.types import NewItem


def write(folder: Path, text: str, name: str = "shop.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def read(path: Path, **options) -> list[Entry]:
    return list(open_source(path, SourceOptions(**options)))


def items(path: Path, **options) -> list[NewItem]:
    entries = read(path, **options)
    assert [entry.reason for entry in entries if entry.item is None] == []
    return [entry.item for entry in entries if entry.item is not None]


def test_columns_are_typed_whole(tmp_path: Path):
    path = write(
        tmp_path,
        "id,image,price,count,sold,zip,mixed,note\n"
        "007,a.jpg,9.5,3,true,01234,1,hello\n"
        "8,b.jpg,-1e3,,FALSE,99999,x,\n"
        "9,c.jpg,.5,+7,true,12345,2, \n",
    )
    first, second, third = items(path)
    assert first.id == "007"
    assert first.path == tmp_path / "a.jpg"
    assert dict(first.metadata) == {
        "price": 9.5, "count": 3, "sold": True, "zip": "01234", "mixed": 1, "note": "hello",
    }  # fmt: skip
    assert dict(second.metadata) == {
        "price": -1000.0, "sold": False, "zip": "99999",
    }  # fmt: skip
    assert dict(third.metadata) == {
        "price": 0.5, "count": 7, "sold": True, "zip": "12345", "mixed": 2,
    }  # fmt: skip
    assert isinstance(first.metadata["count"], int)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2"], int), (["1", "2.5"], int), (["nan"], str), (["inf", "1"], str),
        (["0x10"], str), (["1_000"], str), (["1,5"], str), (["12345678901234567890123"], str),
        (["9223372036854775807"], int), (["0"], int), (["00"], str), (["1e400"], str),
        (["yes"], str), (["True", "false"], bool), (["٣"], str), (["1."], float),
    ],
)  # fmt: skip
def test_what_counts_as_a_number(tmp_path: Path, cells, kind):
    rows = "".join(f'{number};{number}.jpg;"{cell}"\n' for number, cell in enumerate(cells))
    path = write(tmp_path, "id;image;value\n" + rows)
    assert type(items(path)[0].metadata["value"]) is kind


def test_a_picture_is_a_path_a_url_or_a_data_url(tmp_path: Path):
    path = write(
        tmp_path,
        "sku\tphoto\nA\thttps://x.example/a.jpg\nB\tdata:image/png;base64,AAAA\n"
        f"C\t{tmp_path}/c.jpg\nD\t sub/d.jpg\nE\t\nF\ts3://bucket/f.jpg\n",
        "shop.tsv",
    )
    a, b, c, d, e, f = read(path)
    assert a.item == NewItem("A", url="https://x.example/a.jpg")
    assert b.item == NewItem("B", base64="data:image/png;base64,AAAA")
    assert c.item == NewItem("C", path=tmp_path / "c.jpg")
    assert d.item == NewItem("D", path=tmp_path / "sub" / "d.jpg")
    assert e.item == NewItem("E")
    # Whoever fetches it says which schemes there are.
    assert f.item == NewItem("F", url="s3://bucket/f.jpg")
    assert f.place == "shop.tsv:7"


def test_options_name_columns_and_wrong_names_are_told(tmp_path: Path):
    path = write(tmp_path, "id,code,image,front\n1,A,x.jpg,y.jpg\n")
    (item,) = items(path, id_column="code", picture_column="front")
    assert item == NewItem("A", path=tmp_path / "y.jpg", metadata={"id": 1, "image": "x.jpg"})
    with pytest.raises(SourceError, match=r"--id-column names 'kode'.*id, code, image"):
        read(path, id_column="kode")


def test_without_an_id_the_picture_is_the_id(tmp_path: Path):
    (item,) = items(write(tmp_path, "filename,label\nx/1.jpg,cat\n"))
    assert item == NewItem("x/1.jpg", path=tmp_path / "x/1.jpg", metadata={"label": "cat"})


def test_a_template_or_the_usual_folder_gives_the_picture(tmp_path: Path):
    path = write(tmp_path, "id,kind\n1,shoe\n2,hat\n")
    with pytest.raises(SourceError, match="--picture-template"):
        read(path)
    first, _ = items(path, picture_template="{kind}/{id}.png")
    assert first.path == tmp_path / "shoe" / "1.png"
    first, _ = items(path, picture_template="https://cdn.example/{id}.jpg")
    assert first.url == "https://cdn.example/1.jpg"
    with pytest.raises(SourceError, match="in braces"):
        read(path, picture_template="{size}/{id}.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "2.PNG").write_bytes(b"x")
    assert [item.path.name for item in items(path)] == ["1.PNG", "2.PNG"]


def test_the_products_table_needs_no_option(shared_data: Path):
    source = open_source(shared_data / "products" / "products.csv")
    entries = list(source)
    assert source.count() == len(entries) == 4000
    item = entries[0].item
    assert item is not None
    assert item.id == "10006"
    assert Path(item.path).is_file()
    assert item.metadata["year"] == 2011
    assert item.metadata["baseColour"] == "Black"


def test_what_is_wrong_with_a_row_names_its_line(tmp_path: Path):
    path = tmp_path / "shop.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid,image,note\r\n"
        b'1,a.jpg,"two\nlines"\r\n'
        b"2,b.jpg,x,y\r\n"
        b"\r\n"
        b",c.jpg,x\r\n"
        b"4,d.jpg,caf\xe9\r\n"
        b"5,e.jpg,caf\xc3\xa9\r\n"
    )
    good, ragged, nameless, latin, last = open_source(path)
    assert good.item is not None
    assert good.item.metadata == {"note": "two\nlines"}
    assert (ragged.place, nameless.place, latin.place) == (
        "shop.csv:4", "shop.csv:6", "shop.csv:7",
    )  # fmt: skip
    assert "4 cells" in ragged.reason
    assert "'id'" in nameless.reason
    assert nameless.reference == "c.jpg"
    assert "UTF-8" in latin.reason
    assert last.item is not None
    assert last.item.metadata == {"note": "café"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"id,image,id\n1,2,3\n", "names id twice"),
        (b"id,im\xe4ge\n", "Line 1 .* isn't UTF-8"),
        ("id,image\n1,a\n".encode("utf-16"), "isn't UTF-8"),
        (b"name,price\nx,1\n", "--picture-column"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message):
        open_source(path)


def test_an_unnamed_column_such_as_a_data_frames_index_is_left_out(tmp_path: Path):
    (item,) = items(write(tmp_path, ",id,image\n0,1,a.jpg\n"))
    assert item.metadata == {}


def test_memory_stays_flat_however_long_the_table(tmp_path: Path):
    def peak(rows: int) -> int:
        path = write(tmp_path, "id,image,n\n" + "".join(f"{i},{i}.jpg,{i}\n" for i in range(rows)))
        tracemalloc.start()
        assert sum(1 for _ in open_source(path)) == rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    # Other threads of this process may allocate at the same time; the least is ours.
    least = [min(peak(rows) for _ in range(3)) for rows in (500, 8000)]
    assert least[1] < least[0] + 200_000


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(texts.filter(str.strip), texts, texts), min_size=1, max_size=6),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_whatever_the_csv_module_writes_comes_back(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "image", "first", "second"])
    # The text cell keeps its column from being one of numbers.
    writer.writerow(["head", "h.jpg", "text", "text"])
    for item_id, first, second in rows:
        writer.writerow([item_id, "x.jpg", first, second])
    path.write_bytes(stream.getvalue().encode())
    _, *found = read(path)
    assert len(found) == len(rows)
    for entry, (item_id, first, second) in zip(found, rows, strict=True):
        assert entry.item is not None
        assert entry.item.id == item_id.strip()
        kept = {"first": first, "second": second}
        assert dict(entry.item.metadata) == {n: v for n, v in kept.items() if v.strip()}


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_source_error(tmp_path_factory, data: bytes):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(b"id,image\n" + data)
    with suppress(SourceError):
        for entry in open_source(path):
            assert entry.item or entry.reason


def test_short_rows_lack_their_last_cells_and_are_counted(tmp_path: Path):
    path = write(tmp_path, "id,image,price,note\na,a.jpg\nb,b.jpg,2\nc,c.jpg,3,x\nd,d.jpg,4,y,,\n")
    source = open_source(path)
    assert [dict(entry.item.metadata) for entry in source] == [
        {}, {"price": 2}, {"price": 3, "note": "x"}, {"price": 4, "note": "y"},
    ]  # fmt: skip
    assert not any(entry.hides for entry in source)
    assert notes(source) == [
        "2 rows are shorter than the header; the cells that they lack count as empty."
    ]
    source = open_source(write(tmp_path, "id,image,note\na,a.jpg\nb,b.jpg,y,z\n"))
    short, long = source
    assert short.item is not None
    assert "4 cells, and the header 3" in long.reason
    assert notes(source) == [
        "1 row is shorter than the header; the cells that it lacks count as empty."
    ]


def test_a_short_row_at_the_end_of_a_file_that_may_be_cut_off_is_read_and_bars_pruning(tmp_path):
    (entry,) = read(write(tmp_path, "id,image,note\na,a.jpg"))
    assert entry.item is not None
    assert entry.hides
    (entry,) = read(write(tmp_path, "id,image,note\na,a.jpg,x"))
    assert not entry.hides


def test_a_column_without_a_name_is_left_out_and_told_of_if_it_holds_anything(tmp_path: Path):
    source = open_source(write(tmp_path, ",id,image,\n0,a,a.jpg,\n1,b,b.jpg,\n"))
    assert all(not entry.item.metadata for entry in source)
    assert notes(source) == ["A field without a name is left out."]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_any_way_and_empty_ones_count_for_nothing(tmp_path: Path, end: str):
    lines = ["", "id;image;x", "", "a;a.jpg;1", ";;", 'b;b.jpg;"2"']
    entries = read(write(tmp_path, end.join(lines)))
    assert [(entry.place, entry.item.id) for entry in entries] == [
        ("shop.csv:4", "a"), ("shop.csv:6", "b"),
    ]  # fmt: skip


def test_a_cell_over_the_limit_fails_its_row_and_the_others_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited_text, "CELL_LIMIT", 100)
    monkeypatch.setattr(delimited_text, "LINE_LIMIT", 400)
    path = write(
        tmp_path,
        f"id,image,x\na,a.jpg,1\nb,b.jpg,{'x' * 150}\nc,c.jpg,3\nd,d.jpg,{'x' * 9000}\ne,e.jpg,5\n"
        f'f,f.jpg,"{"x" * 90}\n{"x" * 90}\ng,g.jpg,7\n',
    )
    try:
        entries = read(path)
    finally:
        csv.field_size_limit(2**26)
    assert [entry.item.id for entry in entries if entry.item] == ["a", "c", "e", "g"]
    assert [entry.place for entry in entries if not entry.item] == [
        "shop.csv:3", "shop.csv:5", "shop.csv:7",
    ]  # fmt: skip
    assert all(entry.hides for entry in entries if not entry.item)


def test_nul_and_control_characters_are_values_but_nul_is_in_no_id(tmp_path: Path):
    path = write(tmp_path, "id,image,x\na\x1b[31m,a.jpg,\x1b]0;t\x07\nb\0,b.jpg,\nc,c.jpg,n\0l\n")
    first, second, third = read(path)
    assert (first.item.id, first.item.metadata) == ("a\x1b[31m", {"x": "\x1b]0;t\x07"})
    assert "NUL" in second.reason
    assert third.item.metadata == {"x": "n\0l"}


def test_an_id_may_be_longer_than_a_file_name(tmp_path: Path):
    path = write(tmp_path, f"id,name\n{'x' * 400},long\np1,short\n")
    (tmp_path / "p1.jpg").write_bytes(b"x")
    assert [entry.item.id for entry in read(path)] == ["x" * 400, "p1"]
