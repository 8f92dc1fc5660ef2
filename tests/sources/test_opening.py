"""What can't be opened as a source says why; nothing is a traceback, and nothing waits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kinlens.errors import InvalidInput, SourceError
from kinlens.sources import SourceOptions, open_source
from privileges import given_up

TABLES = ["t.csv", "t.tsv", "t.json", "t.jsonl", "t.parquet"]


def refusal(path: Path | str) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(path)
    return str(caught.value)


@pytest.mark.parametrize("name", [*TABLES, "folder"])
def test_without_permission(tmp_path: Path, name: str):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    else:
        path.write_text('{"id": "a", "image": "a.jpg"}\n')
    path.chmod(0)
    try:
        with given_up():
            told = refusal(path)
    finally:
        path.chmod(0o700)
    assert str(path) in told
    assert "Permission denied" in told


def test_in_a_folder_without_permission(tmp_path: Path):
    inner = tmp_path / "locked" / "t.csv"
    inner.parent.mkdir()
    inner.write_text("id,image\n")
    inner.parent.chmod(0)
    try:
        with given_up():
            told = refusal(inner)
    finally:
        inner.parent.chmod(0o700)
    assert "Permission denied" in told


@pytest.mark.parametrize("name", TABLES)
def test_a_named_pipe_is_told_without_waiting_for_a_writer(tmp_path: Path, name: str):
    os.mkfifo(tmp_path / name)
    assert "is a named pipe" in refusal(tmp_path / name)


def test_devices_links_and_other_places(tmp_path: Path):
    (tmp_path / "link.csv").symlink_to("nowhere.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "t.csv").write_text("id,image\n")
    (tmp_path / "notes.txt").write_text("x")
    assert "is a device" in refusal(os.devnull)
    assert "a link to what isn't there" in refusal(tmp_path / "link.csv")
    assert "symbolic links" in refusal(tmp_path / "loop.csv")
    assert "doesn't exist" in refusal(tmp_path / "t.csv" / "inner")
    assert "File name too long" in refusal(tmp_path / ("x" * 300))
    assert "can't be read" in refusal("a\0b")
    assert "doesn't exist" in refusal("~nobody-of-this-name/x")
    assert "another kind of file" in refusal(tmp_path / "notes.txt")


def test_a_folder_named_like_a_table_is_a_folder(tmp_path: Path):
    (tmp_path / "t.csv").mkdir()
    (tmp_path / "t.csv" / "a.jpg").write_bytes(b"x")
    assert [entry.place for entry in open_source(tmp_path / "t.csv")] == ["a.jpg"]


@pytest.mark.parametrize("name", TABLES[:-1])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_another_encoding_is_told(tmp_path: Path, name: str, encoding: str):
    (tmp_path / name).write_bytes('{"id": "a", "image": "a.jpg"}\n'.encode(encoding))
    assert "isn't UTF-8" in refusal(tmp_path / name)


def test_patterns_are_refused_for_a_table(tmp_path: Path):
    (tmp_path / "t.csv").write_text("id,image\na,a.jpg\n")
    with pytest.raises(InvalidInput, match="--exclude is for folders"):
        open_source(tmp_path / "t.csv", SourceOptions(exclude=("a.jpg",)))


@pytest.mark.parametrize("name", TABLES[:-1])
def test_a_table_that_goes_away_after_it_was_opened(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_text('{"id": "a", "image": "a.jpg"}\n' if "json" in name else "id,image\na,a.jpg\n")
    if name == "t.tsv":
        path.write_text("id\timage\na\ta.jpg\n")
    source = open_source(path)
    path.unlink()
    with pytest.raises(SourceError, match="No such file"):
        list(source)


def test_a_folder_that_goes_away_after_it_was_opened_hides_everything(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    source = open_source(tmp_path / "photos")
    (tmp_path / "photos").rmdir()
    (entry,) = source
    assert entry.item is None
    assert (entry.hides, entry.under) == (True, "")
    assert "No such file" in entry.reason
