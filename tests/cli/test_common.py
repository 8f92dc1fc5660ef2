"""What is typed on the command line becomes filters, crops and metadata."""

from __future__ import annotations

import pytest

from kinlens.cli.common import human_bytes, parse_crop, parse_metadata, parse_value, parse_where
from kinlens.errors import InvalidInput


@pytest.mark.parametrize(
    ("typed", "filter_"),
    [
        ([], None),
        (["color=red"], {"color": {"$eq": "red"}}),
        (["price<50"], {"price": {"$lt": 50}}),
        (["price >= 4.5"], {"price": {"$gte": 4.5}}),
        (["color!=red"], {"color": {"$ne": "red"}}),
        (["sale=true"], {"sale": {"$eq": True}}),
        (["year=2011"], {"year": {"$in": [2011, "2011"]}}),
        (["year!=2011"], {"year": {"$nin": [2011, "2011"]}}),
        (["url=http://a/?b=c"], {"url": {"$eq": "http://a/?b=c"}}),
        (["$set=tea"], {"$field": {"$set": {"$eq": "tea"}}}),
        (["$set=7"], {"$field": {"$set": {"$in": [7, "7"]}}}),
        (['{"price": {"$lt": 5}}'], {"price": {"$lt": 5}}),
        (
            ["color=red", '{"price": {"$lt": 5}}'],
            {"$and": [{"color": {"$eq": "red"}}, {"price": {"$lt": 5}}]},
        ),
    ],
)
def test_parse_where(typed: list[str], filter_: object) -> None:
    assert parse_where(typed) == filter_


KINDS = {
    "EAN": "string", "price": "number", "Bio": "boolean", "tags": "list", "size": "mixed",
}  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "filter_"),
    [
        ("EAN=344", {"EAN": {"$eq": "344"}}),
        ("EAN!=0012", {"EAN": {"$ne": "0012"}}),
        ("EAN>=5", {"EAN": {"$gte": "5"}}),
        ("EAN=true", {"EAN": {"$eq": "true"}}),
        ("price=9.50", {"price": {"$eq": 9.5}}),
        ("price<007", {"price": {"$lt": 7}}),
        ("price=-0", {"price": {"$eq": 0}}),
        ("price=cheap", {"price": {"$eq": "cheap"}}),
        ("price=true", {"price": {"$eq": "true"}}),
        ("Bio=yes", {"Bio": {"$eq": True}}),
        ("Bio!=No", {"Bio": {"$ne": False}}),
        ("Bio=1", {"Bio": {"$eq": True}}),
        ("Bio=perhaps", {"Bio": {"$eq": "perhaps"}}),
        ("tags=2011", {"tags": {"$eq": "2011"}}),
        ("size=40", {"size": {"$in": [40, "40"]}}),
        ("unknown=40", {"unknown": {"$in": [40, "40"]}}),
        ('{"EAN": 344}', {"EAN": 344}),
    ],
)
def test_the_kind_of_a_field_decides_how_a_comparison_is_read(typed: str, filter_: object) -> None:
    assert parse_where([typed], KINDS) == filter_


@pytest.mark.parametrize("typed", ["red", "{broken", "=x", '{"a": }'])
def test_parse_where_says_what_is_wrong(typed: str) -> None:
    with pytest.raises(InvalidInput, match="filter"):
        parse_where([typed])


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("7.5", 7.5), ("-3", -3), ("1e3", 1000.0), ("nan", "nan"), ("inf", "inf"),
     ("true", True), ("red", "red"), ("", ""), ("01234", "01234"), ("1_000", "1_000"), ("0", 0),
     (".5", 0.5), ("7.", 7.0), ("1e999", "1e999"), ("9007199254740993", 9007199254740993)],
)  # fmt: skip
def test_parse_value(text: str, value: object) -> None:
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_parse_crop() -> None:
    crop = parse_crop("0.25,0.1,0.5,0.5")
    assert crop is not None
    assert (crop.x, crop.y, crop.width, crop.height) == (0.25, 0.1, 0.5, 0.5)
    assert parse_crop(None) is None
    for typed in ("1,2", "a,b,c,d", "0,0,2,2", "0,0,0,1", "nan,0,1,1"):
        with pytest.raises(InvalidInput, match="crop"):
            parse_crop(typed)


def test_parse_metadata() -> None:
    pairs = ["color=red", "price=5", '{"tags": ["a", "b"]}', "note=a=b"]
    assert parse_metadata(pairs) == {"color": "red", "price": 5, "tags": ["a", "b"], "note": "a=b"}
    with pytest.raises(InvalidInput, match="name=value"):
        parse_metadata(["red"])


@pytest.mark.parametrize(
    ("typed", "value"),
    [('["a","b"]', ["a", "b"]), ("[]", []), (' ["a"] ', ["a"]), ("null", None), ("true", True),
     ("false", False), ("True", "True"), ('"5"', "5"), ('"null"', "null"), ('"[new]"', "[new]"),
     ("5", 5), ("-0.5", -0.5), ("1e3", 1000.0), ("007", "007"), ("", ""), ("5\" disk", "5\" disk"),
     ("9223372036854775807", 2**63 - 1), ("-9223372036854775808", -(2**63)), (" tea ", " tea "),
     ("9007199254740993", 9007199254740993), ("a,b", "a,b"), ('"日本"', "日本"),
     ('"9223372036854775808"', "9223372036854775808")],
)  # fmt: skip
def test_what_a_metadata_value_is(typed: str, value: object) -> None:
    parsed = parse_metadata([f"field={typed}"])["field"]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "typed",
    ["9223372036854775808", "-9223372036854775809", "9" * 5000, "1e999", "[1, 2]", '["a"', "[new]",
     '"open', '{"a": 1}', "[" * 100_000, '["a", null]'],
)  # fmt: skip
def test_metadata_values_that_are_refused(typed: str) -> None:
    with pytest.raises(InvalidInput, match=r"^field "):
        parse_metadata([f"field={typed}"])


def test_human_bytes() -> None:
    assert [human_bytes(n) for n in (5, 1500, 2_500_000, 3e9)] == [
        "5 B", "1.5 kB", "2.5 MB", "3.0 GB",
    ]  # fmt: skip
