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


def test_pictures_that_are_not_read_are_told_of_by_kind(tmp_path: Path) -> None:
    fill(tmp_path, "a.jxl", "b.svg", "c.NEF", "d.psd", "e.pdf", "f.cr3", "g.dng")
    entries = list(open_source(tmp_path, SourceOptions()))
    assert [entry.place for entry in entries] == sorted(each.name for each in tmp_path.iterdir())
    assert all(entry.item is None for entry in entries)
    kinds = ("JPEG XL", "SVG", "Nikon NEF", "Photoshop", "PDF", "Canon CR3", "DNG")
    for entry, kind in zip(entries, kinds, strict=True):
        assert kind in entry.reason
        assert entry.reason.endswith("isn't read; export it as JPEG or PNG.")


def test_bytes_decide_what_a_foreign_extension_is(tmp_path: Path) -> None:
    (tmp_path / "really.jxl").write_bytes(b"\xff\xd8\xff\xe0")
    (tmp_path / "preview.nef").write_bytes(b"II*\0\x08\0\0\0")  # a RAW photo is a TIFF inside
    first, second = open_source(tmp_path, SourceOptions())
    assert first.item is None
    assert "Nikon NEF" in first.reason
    assert second.item is not None


def test_portable_maps_and_others_that_are_read_are_shown(tmp_path: Path) -> None:
    names = ["a.mpo", "b.ppm", "c.PGM", "d.tga", "e.ico", "f.qoi", "g.jp2", "h.pnm"]
    fill(tmp_path, *names)
    assert ids(tmp_path) == names


def test_files_that_are_no_pictures_are_not_told_of(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", "b.csv", "c.mp4", "Thumbs.db", ".DS_Store", "d.xmp", "e.aae", "f.ini")
    assert list(open_source(tmp_path, SourceOptions())) == []


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
