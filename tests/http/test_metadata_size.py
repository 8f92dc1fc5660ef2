"""Metadata has a bound in each item, at every door, and answers have one in all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from http_door import Doors, problem
from kinlens.adding import MAX_METADATA_BYTES, check_metadata
from kinlens.errors import InvalidInput
from kinlens.http import answers
from kinlens.ingest import index
from kinlens.search import Search
from kinlens.types import NewItem


def of_size(size: int) -> dict[str, Any]:
    """Metadata of so many bytes as JSON."""
    long = "x" * 10_000
    metadata = {f"field {number:02d}": long for number in range(size // 10_017)}
    left = size - len(json.dumps(metadata, separators=(",", ":"))) - len(',"rest":""')
    return {**metadata, "rest": "x" * left}


LARGEST, TOO_LARGE = of_size(MAX_METADATA_BYTES), of_size(MAX_METADATA_BYTES + 1)


def test_the_bound_counts_bytes_of_json() -> None:
    assert len(json.dumps(LARGEST, separators=(",", ":"))) == MAX_METADATA_BYTES
    check_metadata(LARGEST)
    with pytest.raises(InvalidInput, match=r"65,536 bytes.*65,537.*field 00"):
        check_metadata(TOO_LARGE)
    with pytest.raises(InvalidInput, match="'é'"):
        check_metadata({"é": "é" * 40_000, "a": 1})
    check_metadata({"é": "é" * 32_000})


def test_over_http(doors: Doors, stocked: Search, pictures: list[bytes]) -> None:
    client = doors(stocked).client
    answer = client.put("/v1/items/large", json={"metadata": TOO_LARGE})
    assert "65,536" in problem(answer, 422, "invalid-input")["detail"]
    form = {"metadata": json.dumps(TOO_LARGE)}
    answer = client.put("/v1/items/large", files={"image": ("x", pictures[1])}, data=form)
    problem(answer, 422, "invalid-input")
    items = [
        {"id": "large", "metadata": TOO_LARGE, "upload": 0},
        {"id": "fine", "metadata": LARGEST, "upload": 1},
    ]
    files = [("image", ("x", pictures[number])) for number in range(2)]
    answer = client.post("/v1/items", files=files, data={"items": json.dumps(items)})
    assert [result["state"] for result in answer.json()["results"]] == ["failed", "indexed"]
    assert "65,536" in answer.json()["results"][0]["reason"]
    assert client.get("/v1/items/large").status_code == 404
    assert client.get("/v1/items/fine").json()["metadata"] == LARGEST


def test_in_python_and_in_tables(empty: Search, pictures: list[bytes], tmp_path: Path) -> None:
    [outcome] = empty.add([NewItem("large", image=pictures[0], metadata=TOO_LARGE)])
    assert (outcome.state, empty.count()) == ("failed", 0)
    (tmp_path / "a.jpg").write_bytes(pictures[0])
    table = tmp_path / "table.jsonl"
    rows = [{"id": f"row {n}", "image": "a.jpg", **metadata} for n, metadata in enumerate(ROWS)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = index(empty, table)
    assert (report.indexed, report.failed) == (1, 1)
    [failed] = [outcome for outcome in empty.ledger("failed") if outcome.id == "row 1"]
    assert "65,536" in failed.reason


ROWS = (LARGEST, TOO_LARGE)


def test_pages_end_where_their_bytes_do(
    doors: Doors, empty: Search, pictures: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 2 * MAX_METADATA_BYTES + 100)
    empty.add(
        [NewItem(f"{n}", image=picture, metadata=LARGEST) for n, picture in enumerate(pictures)]
    )
    client = doors(empty).client
    for where in (None, '{"rest": {"$exists": true}}'):
        seen: list[str] = []
        after: dict[str, str] = {} if where is None else {"where": where}
        sizes = []
        while True:
            page = client.get("/v1/items", params={"limit": "5", **after}).json()
            seen += [item["id"] for item in page["items"]]
            sizes.append(len(page["items"]))
            if page["next"] is None:
                break
            after["after"] = page["next"]
        assert seen == sorted(str(number) for number in range(len(pictures)))
        assert sizes == [2] * 6
    found = client.get("/v1/items/0/similar", params={"k": "5"}).json()
    assert len(found["hits"]) == 2
    assert "ends after 2" in found["warnings"][0]


def test_a_page_has_one_item_at_least(
    doors: Doors, stocked: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MAX_ANSWER_BYTES", 1)
    client = doors(stocked).client
    page = client.get("/v1/items", params={"limit": "5"}).json()
    assert len(page["items"]) == 1
    assert page["next"] == page["items"][0]["id"]
