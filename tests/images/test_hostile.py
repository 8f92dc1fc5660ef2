"""Pictures made to break a loader: each is an error that says why, soon and within memory."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from images import samples
from images.samples import FORMATS, chunk, encoded, encoded_scene, noise, png, scene
from kinlens.errors import BrokenPicture, PictureError, PictureTooLarge, UnsupportedPicture
from kinlens.images import Limits, PictureLoader

BOMBS = {
    "jpeg": lambda: samples.jpeg_with_size(50_000, 50_000),
    "png": samples.png_bomb,
    "gif": lambda: samples.gif_with_size(50_000, 50_000),
    "gif frame": samples.gif_bomb,
    "bmp": lambda: samples.bmp_with_size(50_000, 50_000),
    "tiff": lambda: samples.tiff_with_size(50_000, 50_000),
    "webp": lambda: samples.webp_with_size(50_000, 50_000),
    "heic": lambda: samples.ispe_with_size("heif", 50_000, 50_000),
    "avif": lambda: samples.ispe_with_size("avif", 50_000, 50_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_name_the_limit(loader: PictureLoader, bomb: str) -> None:
    data = BOMBS[bomb]()
    loader.load(encoded_scene("png"))  # its process has started
    started = time.monotonic()
    words = r"50,000,000 pixels \(max_pixels\); this one has 50,000 x 50,000 = 2,500,000,000"
    with pytest.raises(PictureTooLarge, match=words):
        loader.load(data)
    assert time.monotonic() - started < 5


def test_the_limits_are_exact() -> None:
    data = {kind: encoded_scene(kind, 60, 40) for kind in FORMATS}
    with PictureLoader(Limits(max_pixels=2400), workers=1) as loader:
        for picture in data.values():
            assert loader.load(picture).width == 60
    with PictureLoader(Limits(max_pixels=2399), workers=1) as loader:
        for picture in data.values():
            with pytest.raises(PictureTooLarge, match="max_pixels"):
                loader.load(picture)
    size = len(data["jpeg"])
    with PictureLoader(Limits(max_bytes=size), workers=1) as loader:
        loader.load(data["jpeg"])
        with pytest.raises(PictureTooLarge, match=rf"max_bytes\); this one has {size + 1:,}"):
            loader.load(data["jpeg"] + b"\0")


def test_empty(loader: PictureLoader) -> None:
    with pytest.raises(BrokenPicture, match="0 bytes"):
        loader.load(b"")


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"), (b"%PDF-1.4", "PDF"),
     (b"<!doctype html>", "HTML"), (b"\0" * 100, "not a picture"), (b"GIF", "text")],
)  # fmt: skip
def test_no_picture(loader: PictureLoader, data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedPicture, match=name):
        loader.load(data)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("kept", [0.97, 0.5, 0.1])
def test_truncated(loader: PictureLoader, kind: str, kept: float) -> None:
    save = {"compression": "raw"} if kind == "tiff" else {}
    data = encoded(noise(200, 100), kind, **save)
    with pytest.raises(BrokenPicture):
        loader.load(data[: int(len(data) * kept)])


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_not_half_a_gray_picture(
    loader: PictureLoader, progressive: bool
) -> None:
    data = encoded(noise(200, 100), "jpeg", progressive=progressive)
    for cut in (2, 100, len(data) // 2):
        for min_side in (None, 20):
            with pytest.raises(BrokenPicture, match="truncated"):
                loader.load(data[:-cut], min_side=min_side)


def test_harmless_flaws_of_a_jpeg_are_forgiven(loader: PictureLoader) -> None:
    data = encoded(noise(64, 64), "jpeg")
    whole = loader.load(data).pixels
    for flawed in (data + bytes(100), data[:-2] + bytes(5) + data[-2:], data + data):
        assert (loader.load(flawed).pixels == whole).all()


def test_damage_inside_a_jpeg_is_seen(loader: PictureLoader) -> None:
    data = bytearray(encoded(noise(200, 100), "jpeg"))
    middle = len(data) // 2
    data[middle : middle + 4] = b"\xff\xc4\xff\xda"
    with pytest.raises(BrokenPicture):
        loader.load(bytes(data))


def test_a_jpeg_of_many_scans_is_stopped_and_not_in_this_process() -> None:
    data = samples.scan_bomb(4000)
    with PictureLoader(Limits(timeout=1.0), workers=1) as loader:
        with pytest.raises(BrokenPicture, match="decode_timeout"):
            loader.load(data)
        loader._limits = Limits(timeout=60)
        assert loader.load(encoded_scene("png")).width == 60


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"iCCP", b"x\0\0" + samples.zeros(200 << 20)),
        chunk(b"zTXt", b"x\0\0" + samples.zeros(200 << 20)),
        chunk(b"iTXt", b"x\0\1\0\0\0" + samples.zeros(200 << 20)),
    ],
    ids=["iCCP", "zTXt", "iTXt"],
)
def test_bombs_in_the_chunks_of_a_png(loader: PictureLoader, extra: bytes) -> None:
    assert loader.load(png(1, 1, 8, 0, b"\0\7", extra)).pixels.tolist() == [[[7, 7, 7]]]


def test_messages_hold_no_addresses_of_objects(loader: PictureLoader) -> None:
    for kind in FORMATS:
        with pytest.raises(BrokenPicture) as caught:
            loader.load(encoded_scene(kind)[:20])
        assert " at 0x" not in str(caught.value)


def test_a_png_that_holds_more_than_it_says(loader: PictureLoader) -> None:
    data = png(1, 1, 8, 0, b"\0\5" + bytes(50 << 20))
    assert loader.load(data).pixels.tolist() == [[[5, 5, 5]]]


def test_a_jpeg_of_endless_segments(loader: PictureLoader) -> None:
    data = encoded_scene("jpeg")
    stuffed = data[:2] + b"\xff\xfe\0\2" * 1_000_000 + data[2:]
    started = time.monotonic()
    with pytest.raises(BrokenPicture, match="segments"):
        loader.load(stuffed)
    assert time.monotonic() - started < 5


MEASURE = """
import sys, resource
sys.path[:] = {path!r}
from images.test_hostile import BOMBS, extra_bombs
from kinlens.errors import PictureError
from kinlens.images import PictureLoader
bombs = [make() for make in BOMBS.values()] + extra_bombs()
loader = PictureLoader(workers=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for bomb in bombs:
    try:
        loader.load(bomb)
    except PictureError:
        pass
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loader.close()
print(after - before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def extra_bombs() -> list[bytes]:
    packed = samples.zeros(200 << 20)
    return [
        png(1, 1, 8, 0, b"\0\0", chunk(b"iCCP", b"x\0\0" + packed)),
        png(1, 1, 8, 0, b"\0\0", chunk(b"zTXt", b"x\0\0" + packed)),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_bombs_take_little_memory() -> None:
    script = MEASURE.format(path=sys.path)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    here, there = (int(number) for number in done.stdout.split())
    assert here < 100_000
    assert there < 300_000


def seeds() -> list[bytes]:
    animated = encoded(scene(), "gif", save_all=True, append_images=[noise(60, 40)])
    profile = encoded_scene("jpeg", icc_profile=samples.wide_gamut_profile())
    packed = encoded_scene("tiff", compression="jpeg")
    gray = encoded(scene().convert("L"), "jpeg", progressive=True)
    return [encoded_scene(kind) for kind in FORMATS] + [animated, profile, packed, gray]


SEEDS = seeds()
FUZZ = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(st.data())
@FUZZ
def test_mutated_pictures_are_pictures_or_errors(
    loader: PictureLoader, data: st.DataObject
) -> None:
    picture = bytearray(data.draw(st.sampled_from(SEEDS)))
    places = st.integers(0, len(picture) - 1)
    for at, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        picture[at] = value
    cut, inserted = data.draw(st.tuples(places, st.binary(max_size=8)))
    picture[cut:cut] = inserted
    check(loader, bytes(picture))


@given(st.sampled_from([seed[:16] for seed in SEEDS] + [b""]), st.binary(max_size=300))
@FUZZ
def test_random_bytes_are_errors(loader: PictureLoader, start: bytes, rest: bytes) -> None:
    check(loader, start + rest)


def check(loader: PictureLoader, data: bytes) -> None:
    try:
        picture = loader.load(data, min_side=8)
    except PictureError:
        return
    assert picture.pixels.ndim == 3
    assert picture.pixels.shape[2] == 3
    assert min(picture.width, picture.height) >= 1


def test_a_tiff_whose_strip_is_a_bomb(loader: PictureLoader) -> None:
    stream = io.BytesIO()
    Image.new("L", (10, 10)).save(stream, "tiff", compression="tiff_adobe_deflate")
    data = stream.getvalue()
    packed = zlib.compress(bytes(100))
    assert packed[:2] in data
    check(loader, data.replace(packed, samples.zeros(50 << 20)))
