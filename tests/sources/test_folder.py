"""A folder shows its pictures by name, whatever else lies in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinlens.errors import SourceError
from kinlens.images import read_file
from kinlens.printable import is_unicode
from kinlens.sources import SourceOptions, notes, open_source
from kinlens.types import NewItem
from privileges import given_up


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
    fill(tmp_path, "a.jpg", "locked/b.jpg", "z.jpg")
    (tmp_path / "locked").chmod(0)
    try:
        with given_up():
            entries = list(open_source(tmp_path))
    finally:
        (tmp_path / "locked").chmod(0o755)
    assert [entry.place for entry in entries] == ["a.jpg", "locked/", "z.jpg"]
    assert "can't be read: Permission denied" in entries[1].reason
    assert (entries[1].hides, entries[1].under) == (True, "locked/")


SYSTEM = [
    "@eaDir", "@EADIR", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found",
    "__MACOSX", ".Trash-1000", ".thumbnails", ".git", "Catalog Previews.lrdata",
    "My.photoslibrary/resources/derivatives",
]  # fmt: skip


def test_folders_of_systems_and_photo_programs_are_left_out_and_told_of(tmp_path: Path):
    fill(tmp_path, *(f"{name}/x.jpg" for name in SYSTEM), "shop/@eaDir/x.jpg", ".x.jpg", ".notes")
    fill(tmp_path, "My.photoslibrary/originals/1.jpg", "resources/2.jpg", "recycle/3.jpg")
    source = open_source(tmp_path)
    kept = ["My.photoslibrary/originals/1.jpg", "recycle/3.jpg", "resources/2.jpg"]
    assert [entry.place for entry in source] == kept
    assert source.count() == len(kept)
    (note,) = notes(source)
    assert "@eaDir (2)" in note
    assert "4 hidden" in note
    fill(tmp_path / "plain", "1.jpg")
    plain = open_source(tmp_path / "plain")
    assert len(list(plain)) == 1
    assert notes(plain) == []


def test_excluded_files_and_folders_are_left_out(tmp_path: Path):
    fill(tmp_path, "a.jpg", "a_thumb.jpg", "x/a_thumb.jpg", "x/b.jpg", "drafts/c.jpg")
    fill(tmp_path, "x/drafts/d.jpg", "2019/1/e.png", "2019/1/e.jpg")
    patterns = ("*_thumb.jpg", "/drafts/", "2019/**/*.png")
    assert ids(tmp_path, exclude=patterns) == [
        "2019/1/e.jpg", "a.jpg", "x/b.jpg", "x/drafts/d.jpg",
    ]  # fmt: skip
    source = open_source(tmp_path, SourceOptions(exclude=patterns))
    assert len(list(source)) == 4
    assert notes(source) == ["Files and folders left out: 4 by --exclude."]


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """1,200 folders in one another, their paths longer than a system takes at once."""
    root = tmp_path / "deep"
    root.mkdir()
    inner = os.open(root, os.O_RDONLY)
    for depth in range(1200):
        if depth in (3, 300, 1199):
            os.close(os.open("p.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=inner))
        os.mkdir("fold", dir_fd=inner)
        below = os.open("fold", os.O_RDONLY, dir_fd=inner)
        os.close(inner)
        inner = below
    os.close(inner)
    yield root
    subprocess.run(["rm", "-rf", str(root)], check=True)  # shutil's is recursive


def test_folders_may_be_nested_1200_times(deep: Path):
    (deep / "z.jpg").write_bytes(b"x")
    source = open_source(deep)
    cut_off, too_long, near, last = source
    assert source.count() == 4
    assert "File name too long" in cut_off.reason
    assert cut_off.hides
    assert cut_off.under.startswith("fold/fold/")
    assert "1 to 512 characters" in too_long.reason
    assert len({cut_off.place, too_long.place}) == 2
    assert near.place == "fold/fold/fold/p.jpg"
    assert last.item is not None


def test_files_that_are_nothing_to_read_are_failures_and_hold_nothing_up(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    for entry in open_source(tmp_path):
        with pytest.raises(SourceError):
            read_file(entry.item.path)
    assert ids(tmp_path) == ["gone.jpg", "pipe.jpg"]


def test_a_folder_that_goes_away_in_the_middle_is_told_of(tmp_path: Path):
    fill(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    entries = iter(open_source(tmp_path))
    first = next(entries)
    (tmp_path / "b" / "2.jpg").unlink()
    (tmp_path / "b").rmdir()
    gone, last = entries
    assert [first.place, gone.place, last.place] == ["a/1.jpg", "b/", "c/3.jpg"]
    assert gone.item is None
    assert gone.under == "b/"


def test_names_with_control_characters_are_ids(tmp_path: Path):
    fill(tmp_path, "a\nb\x1b[31m.jpg")
    assert ids(tmp_path) == ["a\nb\x1b[31m.jpg"]


def test_a_folder_whose_name_is_not_utf8_is_refused_and_one_within_is_told_of(tmp_path: Path):
    bad = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))
    try:
        fill(bad, "x.jpg")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    with pytest.raises(SourceError, match="isn't valid UTF-8"):
        open_source(bad)
    (entry,) = open_source(tmp_path)
    assert entry.place == r"bad\udcff/x.jpg"
    bad.chmod(0)
    try:
        with given_up():
            (entry,) = open_source(tmp_path)
    finally:
        bad.chmod(0o755)
    assert entry.place == r"bad\udcff/"
    assert is_unicode(entry.reference)


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
