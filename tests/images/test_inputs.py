"""Files, data URLs and base64."""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st

from images.samples import scene
from kinlens.errors import InvalidInput, PictureTooLarge, SourceError
from kinlens.images import Limits, decode_base64, encode_thumbnail, read_file, sniff
from kinlens.images.sniff import describe

SMALL = Limits(max_bytes=100)


def test_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x" * 100)
    assert read_file(path, SMALL) == b"x" * 100
    assert read_file(str(path)) == b"x" * 100
    (tmp_path / "link").symlink_to(path)
    assert read_file(tmp_path / "link") == b"x" * 100


def test_a_file_over_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x" * 101)
    with pytest.raises(PictureTooLarge, match=r"at most 100 bytes \(max_bytes\).* 101\."):
        read_file(path, SMALL)


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_file(tmp_path / "none.jpg")
    for path in (tmp_path, Path("/dev/zero"), "a\0b"):
        with pytest.raises(SourceError):
            read_file(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="regular file"):
        read_file(tmp_path / "pipe")


@given(st.binary(max_size=200))
def test_base64_in_all_spellings(data: bytes) -> None:
    standard = base64.b64encode(data).decode()
    safe = base64.urlsafe_b64encode(data).decode()
    wrapped = base64.encodebytes(data).decode()
    for text in (standard, safe, wrapped, standard.rstrip("="), f"  {standard}\n"):
        assert decode_base64(text) == data
        assert decode_base64(f"data:image/png;base64,{text}") == data
    assert decode_base64(f"DATA:;base64,{quote(standard)}") == data
    assert decode_base64(f"data:image/gif,{quote(data)}") == data


@pytest.mark.parametrize(
    "text", ["a", "ab!c", "é", "data:image/png;base64", "data:;base64,%%%", "\0"]
)
def test_what_is_no_base64(text: str) -> None:
    with pytest.raises(InvalidInput):
        decode_base64(text)


@given(st.text(max_size=50))
def test_any_text_as_base64(text: str) -> None:
    for whole in (text, "data:" + text, "data:;base64," + text):
        with contextlib.suppress(InvalidInput):
            assert isinstance(decode_base64(whole), bytes)


def test_base64_over_the_limit() -> None:
    assert len(decode_base64(base64.b64encode(bytes(100)).decode(), SMALL)) == 100
    for size in (101, 100_000):
        with pytest.raises(PictureTooLarge, match="at most 100 bytes"):
            decode_base64(base64.b64encode(bytes(size)).decode(), SMALL)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'<?xml version="1.0"?><svg xmlns="x"/>', "SVG"),
        (b"\xef\xbb\xbf  <svg/>", "SVG"),
        ("<svg/>".encode("utf-16"), "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"PK\x03\x04...", "ZIP"),
        (b"\0\0\0\x18ftypmp42", "video"),
        (b'{"error": 1}', "JSON"),
        (b"hello", "text"),
        (b"\x00\x01\x02", "not a picture"),
        (b"BM, said the man, and that was all", "text"),
    ],
)
def test_what_strangers_are_called(data: bytes, name: str) -> None:
    assert sniff(data) is None
    assert name in describe(data)


def test_thumbnail_fits_its_square() -> None:
    for size, fits in (((600, 400), (320, 213)), ((400, 600), (213, 320)), ((60, 40), (60, 40))):
        data = encode_thumbnail(np.asarray(scene(*size)))
        assert sniff(data) == "image/jpeg"
        assert simplejpeg.decode_jpeg_header(data)[1::-1] == fits
    assert simplejpeg.decode_jpeg_header(encode_thumbnail(np.asarray(scene(9000, 3))))[:2] == (
        1,
        320,
    )
