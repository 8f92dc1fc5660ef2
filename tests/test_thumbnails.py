"""A cache that may be damaged, deleted or unwritable, and is never worth an error."""

from __future__ import annotations

from pathlib import Path

from kinlens.thumbnails import ThumbnailCache


def test_a_thumbnail_is_made_once_and_outlives_the_process(tmp_path: Path):
    made: list[str] = []

    def make() -> tuple[str, bytes]:
        made.append("x")
        return "a", b"thumbnail"

    cache = ThumbnailCache(tmp_path / "t.sqlite")
    assert cache.get("a", make) == cache.get("a", make) == b"thumbnail"
    cache.close()
    again = ThumbnailCache(tmp_path / "t.sqlite")
    assert again.get("a", make) == b"thumbnail"
    assert made == ["x"]
    again.remove(["a"])
    again.get("a", make)
    assert made == ["x", "x"]
    again.close()


def test_a_thumbnail_is_kept_under_the_content_it_shows(tmp_path: Path):
    cache = ThumbnailCache(tmp_path / "t.sqlite")
    assert cache.get("a", lambda: ("b", b"of b")) == b"of b"
    assert cache.get("a", lambda: ("a", b"of a")) == b"of a"
    assert cache.get("b", lambda: ("b", b"again")) == b"of b"
    cache.close()


def test_a_damaged_cache_is_started_anew(tmp_path: Path):
    file = tmp_path / "t.sqlite"
    file.write_bytes(b"not a database" * 1000)
    cache = ThumbnailCache(file)
    assert cache.get("a", lambda: ("a", b"1")) == b"1"
    assert cache.get("a", lambda: ("a", b"2")) == b"1"
    cache.close()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path):
    cache = ThumbnailCache(tmp_path / "no such folder" / "t.sqlite")
    assert cache.get("a", lambda: ("a", b"1")) == b"1"
    assert cache.get("a", lambda: ("a", b"2")) == b"1"
    cache.close()


def test_two_processes_may_share_it(tmp_path: Path):
    first, second = (ThumbnailCache(tmp_path / "t.sqlite") for _ in range(2))
    assert first.get("a", lambda: ("a", b"1")) == b"1"
    assert second.get("a", lambda: ("a", b"2")) == b"1"
    first.close()
    second.close()
