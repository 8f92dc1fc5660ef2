"""From a source to the catalog, again and again, over real parts."""

from __future__ import annotations

import base64
import errno
import http.server
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kinlens.errors import CatalogBusy, SourceError
from kinlens.ingest import Progress, Report, index, indexing
from kinlens.ingest.lock import index_lock
from kinlens.sources import Entry, SourceOptions
from kinlens.types import NewItem


def numbers(report: Report) -> tuple[int, int, int, int]:
    return report.indexed, report.unchanged, report.failed, report.removed


class Pictures(http.server.BaseHTTPRequestHandler):
    """Gives what `pages` has for a path, and counts what is asked for."""

    pages: dict[str, bytes]
    asked: Counter[str]

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        data = self.pages.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *parts: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[tuple[str, type[Pictures]]]:
    handler = type("Site", (Pictures,), {"pages": {}, "asked": Counter()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_folder_is_indexed_once_and_then_only_what_changed(search, photos, make_picture):
    options = SourceOptions(folders_as=("color",))
    assert numbers(index(search, photos, options=options)) == (20, 0, 0, 0)
    assert search.count({"color": "red"}) == 10
    assert search.search(photos / "red" / "03.jpg", k=1).hits[0].id == "red/03.jpg"
    assert numbers(index(search, photos, options=options)) == (0, 20, 0, 0)

    (photos / "red" / "03.jpg").write_bytes(make_picture(seed=300))
    (photos / "new.jpg").write_bytes(make_picture(seed=301))
    (photos / "blue" / "15.jpg").unlink()
    assert numbers(index(search, photos, options=options)) == (2, 18, 0, 0)
    assert search.search(make_picture(seed=300), k=1).hits[0].id == "red/03.jpg"
    assert search.count() == 21
    assert numbers(index(search, photos, options=options, prune=True)) == (0, 20, 0, 1)
    assert search.get(["blue/15.jpg"]) == {}
    assert {row.id: row.state for row in search.ledger()}["blue/15.jpg"] == "removed"


def test_a_touched_file_and_a_copied_one_are_told_by_content(search, photos):
    index(search, photos)
    os.utime(photos / "red" / "01.jpg", (1, 1))
    (photos / "red" / "01 again.jpg").write_bytes((photos / "red" / "01.jpg").read_bytes())
    assert numbers(index(search, photos)) == (1, 20, 0, 0)


def test_metadata_that_changed_is_stored_without_encoding(search, photos):
    index(search, photos)
    before = search.parts.catalog.vectors(["red/00.jpg"])
    report = index(search, photos, options=SourceOptions(folders_as=("color",)))
    assert numbers(report) == (20, 0, 0, 0)
    assert search.get(["red/00.jpg"])["red/00.jpg"].metadata == {"color": "red"}
    assert (search.parts.catalog.vectors(["red/00.jpg"]) == before).all()


def test_pruning_one_source_leaves_the_items_of_others(search, photos, tmp_path, make_picture):
    table = tmp_path / "shop.csv"
    table.write_text("id,image\nA,photos/red/00.jpg\nB,photos/red/01.jpg\n")
    index(search, photos)
    index(search, table)
    search.add([NewItem("by hand", image=make_picture(seed=77))])
    assert search.count() == 23
    table.write_text("id,image\nA,photos/red/00.jpg\n")
    assert numbers(index(search, table, prune_all=True)) == (0, 1, 0, 1)
    (photos / "red" / "09.jpg").unlink()
    assert numbers(index(search, photos, prune=True)) == (0, 19, 0, 1)
    assert {"A", "by hand", "red/00.jpg"} <= {item.id for item in search.items()}
    assert search.count() == 21


def test_a_folder_that_cannot_be_read_keeps_its_items_and_no_others(search, photos, monkeypatch):
    index(search, photos)
    (photos / "blue" / "19.jpg").unlink()
    scandir = os.scandir

    def locked(folder):
        if str(folder).endswith("red"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return scandir(folder)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", locked)
        report = index(search, photos, prune=True)
    assert numbers(report) == (0, 9, 1, 1)
    assert "pruned" in report.failures[0].reason
    assert (report.kept_unseen, report.prune_refused) == (10, "")
    assert "blue/19.jpg" not in search.get(["blue/19.jpg"])
    assert numbers(index(search, photos, prune=True)) == (0, 19, 0, 0)


def test_a_failed_picture_keeps_the_item_that_was_there(search, photos):
    index(search, photos)
    (photos / "red" / "00.jpg").write_bytes(b"broken now")
    report = index(search, photos, prune=True)
    assert numbers(report) == (0, 19, 1, 0)
    assert "red/00.jpg" in search.get(["red/00.jpg"])
    (failure,) = report.failures
    assert failure.id == "red/00.jpg"
    assert failure.reference == str(photos / "red" / "00.jpg")


def test_retrying_does_only_what_failed(search, photos, make_picture):
    (photos / "red" / "00.jpg").write_bytes(b"not yet")
    (photos / "red" / "01.jpg").write_bytes(b"not ever")
    assert numbers(index(search, photos)) == (18, 0, 2, 0)
    (photos / "red" / "00.jpg").write_bytes(make_picture(seed=0))
    (photos / "red" / "new.jpg").write_bytes(make_picture(seed=400))
    assert numbers(index(search, photos, retry_failed=True)) == (1, 0, 1, 0)
    assert numbers(index(search, None, retry_failed=True)) == (0, 0, 1, 0)
    assert [row.id for row in search.ledger("failed")] == ["red/01.jpg"]
    (photos / "red" / "01.jpg").unlink()
    index(search, photos)
    assert list(search.ledger("failed")) == []
    with pytest.raises(SourceError, match="What to index"):
        index(search, None)


def test_bad_rows_are_reported_by_line_and_forgotten_when_mended(search, photos, tmp_path):
    table = tmp_path / "shop.csv"
    table.write_text(
        "id,image\nA,photos/red/00.jpg\nA,photos/red/01.jpg\nB\n,photos/red/02.jpg\nC,photos/no.jpg\n"
    )
    report = index(search, table)
    assert numbers(report) == (1, 0, 4, 0)
    reasons = {failure.id: failure.reason for failure in report.failures}
    assert set(reasons) == {"shop.csv:3", "B", "shop.csv:5", "C"}
    assert "comes without a picture" in reasons["B"]
    assert "used before" in reasons["shop.csv:3"]
    assert search.search(photos / "red" / "00.jpg", k=1).hits[0].id == "A"
    assert {row.id for row in search.ledger("failed")} == set(reasons)
    table.write_text("id,image\nA,photos/red/00.jpg\nB,photos/red/01.jpg\n")
    assert numbers(index(search, table)) == (1, 1, 0, 0)
    assert list(search.ledger("failed")) == []


def test_an_id_that_comes_back_much_later_is_seen_too(search, photos, tmp_path):
    table = tmp_path / "long.csv"
    rows = [f"{number},photos/red/00.jpg" for number in range(300)]
    table.write_text("\n".join(["id,image", *rows, "7,photos/red/01.jpg"]))
    report = index(search, table)
    assert numbers(report) == (300, 0, 1, 0)
    assert report.failures[0].id == "long.csv:302"
    assert search.search(photos / "red" / "01.jpg", k=1).hits[0].score < 1


def test_pictures_at_urls_are_copied_and_fetched_once(search, site, tmp_path, make_picture):
    address, pages = site
    pages.pages = {f"/{seed}.jpg": make_picture(seed=seed) for seed in range(5)}
    table = tmp_path / "shop.jsonl"
    lines = [f'{{"id": "{n}", "image_url": "{address}/{n}.jpg", "n": {n}}}' for n in range(6)]
    table.write_text("\n".join(lines))
    report = index(search, table)
    assert numbers(report) == (5, 0, 1, 0)
    assert "404" in report.failures[0].reason
    assert report.failures[0].reference == f"{address}/5.jpg"
    assert search.picture("3") == (pages.pages["/3.jpg"], "image/jpeg")
    assert search.get(["3"])["3"].picture.startswith("copy:")

    pages.pages["/3.jpg"] = make_picture(seed=33)
    pages.asked.clear()
    assert numbers(index(search, table)) == (0, 5, 1, 0)
    assert set(pages.asked) == {"/5.jpg"}
    table.write_text(table.read_text().replace('"n": 2', '"n": 22'))
    assert numbers(index(search, table)) == (1, 4, 1, 0)
    assert search.get(["2"])["2"].metadata == {"n": 22}
    assert numbers(index(search, table, refresh=True)) == (1, 4, 1, 0)
    assert search.search(make_picture(seed=33), k=1).hits[0].id == "3"
    assert len(list(search.parts.store.copies())) == 5

    search.add([NewItem("4", image=make_picture(seed=44))])
    report = index(search, table)
    assert numbers(report) == (0, 4, 2, 0)
    assert "added by hand" in report.failures[0].reason
    assert search.picture("4")[0] == make_picture(seed=44)
    assert numbers(index(search, table, replace=True)) == (1, 4, 1, 0)
    assert search.picture("4")[0] == pages.pages["/4.jpg"]


def test_heavy_entries_are_looked_up_few_at_a_time(monkeypatch):
    monkeypatch.setattr(indexing, "CHUNK_BYTES", 10)
    entries = [Entry(str(n), NewItem(str(n), base64="12345678")) for n in range(5)]
    assert [len(chunk) for chunk in indexing._chunks(entries)] == [2, 2, 1]


def test_data_urls_and_bytes_are_copied(search, tmp_path, make_picture):
    text = base64.b64encode(make_picture(seed=1)).decode()
    table = tmp_path / "shop.tsv"
    table.write_text(f"id\timage\nA\tdata:image/jpeg;base64,{text}\nB\tdata:image/jpeg;base64,??\n")
    assert numbers(index(search, table)) == (1, 0, 1, 0)
    assert search.picture("A")[0] == make_picture(seed=1)
    assert numbers(index(search, table)) == (0, 1, 1, 0)


def test_copies_that_a_killed_run_left_are_swept_when_pruning(search, photos, make_picture):
    kept = search.add([NewItem("up", image=make_picture(seed=55))])[0]
    left = search.parts.store.put(make_picture(seed=56))
    index(search, photos)
    assert search.parts.store.has(left)
    index(search, photos, prune=True)
    assert kept.state == "indexed"
    assert list(search.parts.store.copies()) == [search.get(["up"])["up"].picture]


def test_hostile_pictures_of_every_kind_among_good_ones(search, photos, make_picture):
    bomb = bytearray(make_picture(64, 48, "PNG"))
    bomb[16:24] = (50_000).to_bytes(4, "big") * 2
    hostile = {
        "empty.jpg": b"",
        "cut.jpg": make_picture(400, 300)[:2000],
        "cut.png": make_picture(400, 300, "PNG")[:2000],
        "bomb.png": bytes(bomb),
        "text.jpg": b"this is no picture",
        "page.png": b"<!doctype html><html></html>",
        "vector.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "paper.jpg": b"%PDF-1.7 ...",
        "zip.jpg": b"PK\x03\x04" + bytes(100),
        "fat.jpg": make_picture() + bytes(400_000),
        "noise.gif": b"GIF89a" + os.urandom(300),
        "noise.webp": b"RIFF\x00\x01\x00\x00WEBPVP8 " + os.urandom(300),
        "noise.tif": b"II*\x00" + os.urandom(300),
        "noise.heic": b"\x00\x00\x00\x18ftypheic" + os.urandom(300),
    }
    for name, content in hostile.items():
        (photos / name).write_bytes(content)
    (photos / "folder.jpg").mkdir()
    (photos / "nowhere.jpg").symlink_to(photos / "nothing")
    os.mkfifo(photos / "pipe.jpg")
    start = time.monotonic()
    report = index(search, photos)
    assert numbers(report) == (20, 0, len(hostile) + 2, 0)
    assert time.monotonic() - start < 60
    failed = {failure.id: failure.reason for failure in report.failures}
    assert set(failed) == {*hostile, "nowhere.jpg", "pipe.jpg"}
    assert "50,000" in failed["bomb.png"]
    assert "300,000 bytes" in failed["fat.jpg"]
    assert "SVG" in failed["vector.svg"]
    assert "regular file" in failed["pipe.jpg"]
    assert all(reason.endswith((".", "'")) for reason in failed.values())
    assert {row.id: row.reason for row in search.ledger("failed")} == failed


def test_progress_counts_up_to_the_total_and_the_report_is_json(search, photos):
    seen: list[Progress] = []
    (photos / "bad.jpg").write_bytes(b"")
    report = index(search, photos, progress=seen.append)
    assert (seen[-1].done, seen[-1].total, seen[-1].failed) == (21, 21, 1)
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    facts = report.to_dict()
    assert facts["indexed"] == 20
    assert facts["failures"][0]["id"] == "bad.jpg"
    assert facts["seconds"] > 0
    assert facts["interrupted"] is False


def test_a_second_indexer_is_told_who_is_at_work_or_waits(search, photos, data):
    with index_lock(data):
        with pytest.raises(CatalogBusy, match=f"process {os.getpid()} is indexing"):
            index(search, photos)
        pool = ThreadPoolExecutor(1)
        waiting = pool.submit(index, search, photos, wait=float("inf"))
        time.sleep(0.3)
        assert not waiting.done()
        assert search.count() == 0
    assert numbers(waiting.result()) == (20, 0, 0, 0)
    pool.shutdown()


def test_a_source_that_breaks_in_the_middle_keeps_what_came_before(search, photos, tmp_path):
    class Breaking:
        name = "breaking"
        options = SourceOptions()

        def count(self) -> None:
            return None

        def __iter__(self):
            from kinlens.sources import Entry

            for number in range(200):
                item = NewItem(str(number), path=photos / "red" / "00.jpg")
                yield Entry(str(number), item)
            raise SourceError("line 201 can't be read")

    with pytest.raises(SourceError, match="line 201"):
        index(search, Breaking())
    assert search.count() <= 200


def test_a_run_leaves_no_thread_of_its_stages_behind(search, photos):
    index(search, photos)
    stages = {"kinlens-feed", "kinlens-decode", "kinlens-encode", "kinlens-fetch"}
    assert stages.isdisjoint(thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("name", [".", ".."])
def test_a_row_whose_id_no_url_can_hold_fails_alone(search, photos, tmp_path, name):
    table = tmp_path / "products.csv"
    table.write_text(f"id,image\n{name},photos/red/00.jpg\nfine,photos/red/01.jpg\n")
    report = index(search, table)
    assert (report.indexed, report.failed) == (1, 1)
    [row] = search.ledger(state="failed")
    assert row.id == name
    assert "use another" in row.reason
