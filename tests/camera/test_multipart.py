from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.camera.multipart import MAX_HEAD, PartReader, boundary_of
from kinlens.errors import FetchError, KinlensError, PictureTooLarge

A = b"\xff\xd8\xffpicture A\xff\xd9"
B = b"\xff\xd8\xff B \r\n--not the boundary \n\n\xff\xd9"


def chopped(data: bytes, size: int) -> Callable[[], bytes]:
    """A `read` that gives so many bytes at a time."""
    pieces = iter([data[at : at + size] for at in range(0, len(data), size)])
    return lambda: next(pieces, b"")


def parts(data: bytes, size: int = 7, boundary: bytes = b"frame", limit: int = 1000) -> list[bytes]:
    return list(PartReader(chopped(data, size), boundary, limit).parts())


def counted(body: bytes, newline: bytes = b"\r\n") -> bytes:
    lines = [b"--frame", b"Content-Type: image/jpeg", b"CONTENT-LENGTH : %d" % len(body), b"", body]
    return newline.join(lines) + newline


def uncounted(body: bytes, newline: bytes = b"\r\n") -> bytes:
    return newline.join([b"--frame", b"Content-Type: image/jpeg", b"", body]) + newline


@pytest.mark.parametrize("size", [1, 2, 3, 16, 10_000])
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
@pytest.mark.parametrize("write", [counted, uncounted])
def test_parts_come_whole_however_they_are_cut(
    write: Callable[..., bytes], newline: bytes, size: int
):
    data = b"preamble" + newline + write(A, newline) + write(B, newline) + b"--frame--" + newline
    assert parts(data, size) == [A, B]


def test_without_header_lines_and_with_more_dashes():
    assert parts(b"--frame\r\n\r\n" + A + b"\r\n----frame\r\n\r\n" + B + b"\r\n--frame") == [A, B]


def test_what_is_cut_off_is_no_part():
    assert parts(counted(A) + counted(B)[:-10]) == [A]
    assert parts(uncounted(A) + uncounted(B)) == [A]
    assert parts(counted(A) + b"--frame\r\nContent-Type: ima") == [A]
    assert parts(b"") == []


def test_nothing_after_the_last_delimiter_is_read():
    assert parts(counted(A) + b"--frame--\r\n" + counted(B)) == [A]


def test_empty_parts_are_passed_over():
    assert parts(counted(b"") + counted(A)) == [A]


def test_a_length_that_lies_spoils_its_own_part_alone():
    lying = counted(A).replace(b"%d" % len(A), b"5")
    assert parts(lying + counted(B)) == [A[:5], B]


@pytest.mark.parametrize("length", [b"-5", b"1e3", b"", b"abc", b"\xb2"])
def test_a_length_that_is_no_number_counts_as_none(length: bytes):
    assert parts(b"--frame\r\nContent-Length: " + length + b"\r\n\r\n" + A + b"\r\n--frame") == [A]


@pytest.mark.parametrize("length", [1001, 10**17, 10**30])
def test_a_part_over_the_limit_is_refused_before_it_is_read(length: int):
    read: list[int] = []
    pieces = chopped(b"--frame\r\nContent-Length: %d\r\n\r\n" % length, 10)

    def counting() -> bytes:
        read.append(1)
        return pieces() or bytes(10)

    with pytest.raises(PictureTooLarge, match="max_bytes"):
        list(PartReader(counting, b"frame", 1000).parts())
    assert len(read) < 20


@pytest.mark.parametrize(
    ("start", "error"),
    [
        (b"", FetchError),
        (b"--frame\r\n\r\n", PictureTooLarge),
        (b"--frame\r\nX: ", FetchError),
    ],
    ids=["no boundary", "endless part", "endless header"],
)
def test_a_stream_without_end_takes_bounded_memory(start: bytes, error: type[KinlensError]):
    first = [start]
    taken = 0

    def endless() -> bytes:
        nonlocal taken
        chunk = first.pop() if first else bytes(500)
        taken += len(chunk)
        return chunk or bytes(500)

    with pytest.raises(error):
        list(PartReader(endless, b"frame", 20_000).parts())
    assert taken < 2 * (20_000 + MAX_HEAD)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_give_parts_or_an_error(noise: bytes, size: int):
    data = noise.replace(b"\0", b"--frame").replace(b"\1", b"\r\n\r\n")
    data = data.replace(b"\2", b"\r\nContent-Length: 9")
    try:
        found = parts(data, size, limit=200)
    except KinlensError:
        return
    assert all(0 < len(part) <= 200 for part in found)
    assert sum(map(len, found)) <= len(data)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("multipart/x-mixed-replace; boundary=frame", b"frame"),
        ("multipart/x-mixed-replace;boundary=--frame", b"frame"),
        ('multipart/x-mixed-replace; charset=x; boundary="two words"', b"two words"),
    ],
)
def test_the_boundary_is_found(header: str, expected: bytes):
    assert boundary_of(header) == expected


@pytest.mark.parametrize(
    "header",
    ["multipart/x-mixed-replace", "multipart/x; boundary=--", f"m/x; boundary={'a' * 201}", ""],
)
def test_no_boundary_is_an_error(header: str):
    with pytest.raises(FetchError, match="boundary"):
        boundary_of(header)
