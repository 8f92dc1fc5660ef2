"""A folder shows its pictures by name, whatever else lies in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kinlens.errors import SourceError
from kinlens.sources import SourceOptions, open_source
from kinlens.types import NewItem


def fill(folder: Path, *names: str, content: bytes = b"x") -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def ids(folder: Path, **options) -> list[str]:
    return [entry.item.id for entry in open_source(folder, SourceOptions(**options))]


def test_pictures_come_in_order_of_name_without_the_rest(tmp_path: Path):
    fill(tmp_path, "b.JPG", "a.png", "sub/deep/c.webp", "sub/a.heic", "Z.gif")
    fill(tmp_path, "notes.txt", ".hidden.jpg", ".git/x.jpg", "sub/readme.md", "data.csv")
    expected = ["Z.gif", "a.png", "b.JPG", "sub/a.heic", "sub/deep/c.webp"]
    assert ids(tmp_path) == expected
    source = open_source(tmp_path)
    assert source.count() == 5
    first = next(iter(source)).item
    assert first == NewItem("Z.gif", path=str(tmp_path / "Z.gif"))


def test_a_file_without_extension_counts_by_its_content(tmp_path: Path, make_picture):
    fill(tmp_path, "3f2a", content=make_picture())
    fill(tmp_path, "LICENSE", content=b"Apache")
    assert ids(tmp_path) == ["3f2a"]


def test_pictures_that_are_not_read_are_shown_so_that_the_ledger_can_say_so(tmp_path: Path):
    fill(tmp_path, "logo.svg", "new.jxl")
    assert ids(tmp_path) == ["logo.svg", "new.jxl"]


def test_folder_names_become_fields_level_by_level(tmp_path: Path):
    fill(tmp_path, "top.jpg", "women/dresses/long/1.jpg", "men/2.jpg")

    def fields(*names: str) -> dict[str, dict]:
        source = open_source(tmp_path, SourceOptions(folders_as=names))
        return {entry.item.id: dict(entry.item.metadata) for entry in source}

    assert fields("category") == {
        "top.jpg": {},
        "women/dresses/long/1.jpg": {"category": "women/dresses/long"},
        "men/2.jpg": {"category": "men"},
    }
    assert fields("who", "what")["women/dresses/long/1.jpg"] == {
        "who": "women",
        "what": "dresses/long",
    }
    assert fields("who", "what")["men/2.jpg"] == {"who": "men"}


def test_links_are_followed_but_not_in_circles(tmp_path: Path):
    fill(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    assert ids(tmp_path) == ["a/1.jpg", "b/1.jpg", "gone.jpg"]


def test_a_link_to_itself_is_a_picture_that_cannot_be_read_or_nothing(tmp_path: Path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert [entry.place for entry in open_source(tmp_path)] == ["loop.jpg"]


def test_kinlens_own_folder_is_no_source(tmp_path: Path, make_picture):
    fill(tmp_path, "1.jpg")
    fill(tmp_path, "kinlens-data/pictures/ab/abcd", content=make_picture())
    fill(tmp_path, "kinlens-data/catalog.sqlite")
    assert ids(tmp_path) == ["1.jpg"]


def test_a_name_that_is_not_utf8_is_an_entry_to_report(tmp_path: Path):
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    fill(tmp_path, "good.jpg")
    bad, good = open_source(tmp_path)
    assert bad.item is None
    assert bad.place == r"bad\udcff.jpg"
    assert "rename it" in bad.reason
    assert good.item is not None


def test_a_folder_that_cannot_be_read_is_an_entry_to_report(tmp_path: Path):
    fill(tmp_path, "a.jpg", "locked/b.jpg")
    (tmp_path / "locked").chmod(0)
    try:
        if os.access(tmp_path / "locked", os.R_OK):
            pytest.skip("this user may read everything")
        entries = list(open_source(tmp_path))
        assert [entry.place for entry in entries] == ["a.jpg", "locked/"]
        assert "can't be read" in entries[1].reason
    finally:
        (tmp_path / "locked").chmod(0o755)


def test_what_is_no_source_says_what_is(tmp_path: Path):
    with pytest.raises(SourceError, match="doesn't exist"):
        open_source(tmp_path / "nothing")
    fill(tmp_path, "movie.mp4")
    with pytest.raises(SourceError, match=r"\.csv, \.json"):
        open_source(tmp_path / "movie.mp4")


def test_the_name_is_the_same_however_the_folder_is_spelled(tmp_path: Path, monkeypatch):
    fill(tmp_path, "photos/1.jpg")
    monkeypatch.chdir(tmp_path / "photos")
    names = {open_source(spelled).name for spelled in (".", "../photos", tmp_path / "photos")}
    assert names == {str(tmp_path / "photos")}
