"""Kinds that were declared, kinds that the majority decides, and what doesn't fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kinlens.errors import InvalidInput
from kinlens.sources import ColumnReport, SourceOptions, column_reports, open_source


def read(path: Path, types: dict[str, str] | None = None) -> tuple[list[dict], list[ColumnReport]]:
    source = open_source(path, SourceOptions(types=types or {}))
    entries = list(source)
    assert all(entry.item is not None for entry in entries)
    return [dict(entry.item.metadata) for entry in entries if entry.item], column_reports(source)


def table(folder: Path, columns: dict[str, list[str]]) -> Path:
    path = folder / "t.csv"
    count = len(next(iter(columns.values())))
    lines = ["id,image," + ",".join(columns)]
    for row in range(count):
        cells = [f'"{values[row]}"' if values[row] else "" for values in columns.values()]
        lines.append(f"{row},{row}.jpg," + ",".join(cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_one_cell_that_is_no_number_leaves_the_column_one_of_numbers(tmp_path: Path):
    path = table(tmp_path, {"price": [*(f"{n}.5" for n in range(407)), "n/a"]})
    rows, (report,) = read(path)
    assert rows[0] == {"price": 0.5}
    assert rows[407] == {}
    assert (report.kind, report.fitting, report.others, report.kept) == ("number", 407, 1, False)
    assert "'n/a'" in str(report)
    assert "--type 'price=string'" in str(report)


def test_the_majority_decides_and_what_was_seen_is_told(tmp_path: Path):
    path = table(
        tmp_path,
        {
            "size": ["S", "M", "L", "40"],
            "sold": ["true", "false", "TRUE", "?"],
            "ean": ["4000000000000", "0012", "4000000000001", "4000000000002"],
            "tie": ["1", "2", "a", "b"],
            "big": ["1", "2", "3", "12345678901234567890"],
        },
    )
    rows, reports = read(path)
    assert rows[3] == {
        "size": "40",
        "ean": "4000000000002",
        "tie": "b",
        "big": "12345678901234567890",
    }
    assert rows[0] == {
        "size": "S", "sold": True, "ean": "4000000000000", "tie": "1", "big": "1",
    }  # fmt: skip
    told = {report.column: report for report in reports}
    assert told.keys() == {"size", "sold", "tie"}
    assert (told["sold"].kind, told["sold"].examples) == ("boolean", ["'?'"])
    assert (told["size"].kind, told["size"].others, told["size"].kept) == ("string", 1, True)


@pytest.mark.parametrize(
    ("kind", "cells", "values", "others"),
    [
        ("number", ["1", "007", "1.50", "-1e3", "x", "nan", "1e999", "9223372036854775808"],
         [1, 7, 1.5, -1000.0], 4),
        ("integer", ["1", "2.0", "2.5", "x"], [1, 2], 2),
        ("string", ["1.50", "007", "true"], ["1.50", "007", "true"], 0),
        ("text", ["1"], ["1"], 0),
        ("boolean", ["yes", "No", "1", "0", "true", "F", "on", "maybe"],
         [True, False, True, False, True, False, True], 1),
        ("date", ["2024-02-29", "2024-03-01T12:00:00+02:00", "2024-03-01 12:00", "2024-02-30", "x"],
         ["2024-02-29", "2024-03-01T10:00:00Z", "2024-03-01T12:00:00"], 2),
        ("date:%d.%m.%Y", ["29.02.2024", "2024-02-29"], ["2024-02-29"], 1),
        ("list", ["a, b", "c"], [["a", "b"], ["c"]], 0),
        ("list:|", ["a|b,c", "[1"], [["a", "b,c"]], 1),
    ],
)  # fmt: skip
def test_a_declared_kind_counts_whatever_the_cells_look_like(
    tmp_path: Path, kind: str, cells: list[str], values: list, others: int
):
    rows, reports = read(table(tmp_path, {"x": cells}), {"x": kind})
    found = [row["x"] for row in rows if "x" in row]
    assert found == values
    assert list(map(type, found)) == list(map(type, values))
    assert sum(report.others for report in reports) == others
    assert all(report.declared for report in reports)


def test_json_lines_take_declared_kinds_too(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    values = [5, "6", "n/a", None, True, [1]]
    rows = [{"id": str(n), "image": "a.jpg", "size": {"w": v}} for n, v in enumerate(values)]
    path.write_text("\n".join(map(json.dumps, rows)))
    found, (report,) = read(path, {"size.w": "number"})
    assert found == [{"size.w": 5}, {"size.w": 6}, {}, {}, {}, {}]
    assert (report.fitting, report.others) == (2, 3)
    found, _ = read(path, {"size.w": "string"})
    assert found[:3] == [{"size.w": "5"}, {"size.w": "6"}, {"size.w": "n/a"}]


def test_parquet_takes_declared_kinds_too(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "id": ["a", "b"],
        "image": ["a.jpg", "b.jpg"],
        "ean": [12, 13],
        "price": ["1.5", "?"],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    rows, (report,) = read(tmp_path / "t.parquet", {"ean": "string", "price": "number"})
    assert rows == [{"ean": "12", "price": 1.5}, {"ean": "13"}]
    assert (report.column, report.others, report.examples) == ("price", 1, ["'?'"])


def test_folders_names_take_declared_kinds_too(tmp_path: Path):
    for year in ("2011", "old"):
        (tmp_path / year).mkdir()
        (tmp_path / year / "a.jpg").touch()
    options = SourceOptions(folders_as=("year",), types={"year": "integer"})
    source = open_source(tmp_path, options)
    assert [dict(entry.item.metadata) for entry in source if entry.item] == [{"year": 2011}, {}]
    assert [report.others for report in column_reports(source)] == [1]


def test_a_source_that_is_read_twice_is_counted_once(tmp_path: Path):
    source = open_source(table(tmp_path, {"price": ["1", "2", "n/a"]}))
    for _ in range(2):
        list(source)
    (report,) = column_reports(source)
    assert (report.fitting, report.others) == (2, 1)


def test_a_column_that_is_not_there_is_told(tmp_path: Path):
    _, reports = read(table(tmp_path, {"price": ["1"]}), {"prise": "number"})
    assert [str(report) for report in reports] == [
        "prise: declared as number, and no row has a value of it."
    ]


@pytest.mark.parametrize("kind", ["", "money", "number:2", "date:", "list:"])
def test_an_unknown_kind_is_refused(kind: str):
    with pytest.raises(InvalidInput, match="COLUMN=KIND"):
        SourceOptions(types={"price": kind})


def test_types_are_remembered_until_auto_ends_them():
    first = SourceOptions(types={"a": "text", "b": "number"}, id_prefix="x/")
    second = SourceOptions(types={"b": "auto", "c": "date"}).after(first)
    assert second.types == {"a": "string", "c": "date"}
    assert second.id_prefix == "x/"
    assert SourceOptions(id_prefix="").after(first).id_prefix == ""
    assert SourceOptions.from_json(second.to_json()) == second
    assert SourceOptions.from_json('{"folders_as": ["a"]}') == SourceOptions(folders_as=("a",))
