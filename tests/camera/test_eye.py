from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from camera.scenes import scene
from kinlens.camera.base import Frame
from kinlens.camera.eye import Eye, SmallPicture
from kinlens.camera.film import to_jpeg
from kinlens.encoders import NetworkEncoder
from kinlens.errors import BrokenPicture, InvalidInput
from kinlens.images import PictureLoader
from kinlens.types import Crop

REGION = Crop(0.25, 0.5, 0.5, 0.25)


@pytest.mark.parametrize("region", [None, REGION])
def test_the_vector_is_what_the_catalog_makes_of_the_same_bytes(
    encoder: NetworkEncoder, loader: PictureLoader, region: Crop | None
):
    data = to_jpeg(scene(1, 640, 480))
    eye = Eye(encoder, loader, region=region)
    look = eye.look(eye.glance(Frame(data)), 0)
    picture = loader.load(data, min_side=encoder.recipe.min_side, crop=region)
    assert np.array_equal(look.vector, encoder.encode_images([picture.pixels])[0])


def test_pixels_and_bytes_of_a_frame_look_alike(encoder: NetworkEncoder, loader: PictureLoader):
    eye = Eye(encoder, loader, region=REGION)
    pixels = scene(2, 640, 480)
    looks = [eye.look(eye.glance(Frame(each)), 0) for each in (pixels, to_jpeg(pixels, 95))]
    assert looks[0].vector @ looks[1].vector > 0.999


def opened(picture: bytes | None) -> Image.Image:
    assert picture is not None
    assert picture.startswith(b"\xff\xd8\xff")
    return Image.open(io.BytesIO(picture))


@pytest.mark.parametrize(
    ("region", "side", "expected"),
    [
        (None, 320, (320, 240)),
        (None, 640, (640, 480)),
        (None, 2000, (640, 480)),
        (Crop(0, 0, 0.5, 1), 240, (160, 240)),
        (REGION, 320, (320, 120)),
    ],
)
@pytest.mark.parametrize("encoded", [True, False])
def test_the_picture_is_of_the_wanted_size(
    encoder: NetworkEncoder,
    loader: PictureLoader,
    region: Crop | None,
    side: int,
    expected: tuple[int, int],
    encoded: bool,
):
    pixels = scene(3, 640, 480)
    eye = Eye(encoder, loader, region=region, picture=SmallPicture(side, 90))
    glance = eye.glance(Frame(to_jpeg(pixels) if encoded else pixels))
    picture = opened(eye.look(glance, 0).picture)
    assert picture.size == expected
    part = region or Crop(0, 0, 1, 1)
    shown = pixels[
        round(part.y * 480) : round((part.y + part.height) * 480),
        round(part.x * 640) : round((part.x + part.width) * 640),
    ]
    wanted = np.asarray(Image.fromarray(shown).resize(expected), int)
    assert np.abs(wanted - np.asarray(picture)).mean() < 12


def test_without_a_picture_there_is_none(encoder: NetworkEncoder, loader: PictureLoader):
    eye = Eye(encoder, loader)
    assert eye.look(eye.glance(Frame(scene(0))), 0).picture is None


def test_what_is_followed_is_what_is_encoded(encoder: NetworkEncoder, loader: PictureLoader):
    eye = Eye(encoder, loader, follow=True, picture=SmallPicture())
    room = np.full((480, 640, 3), 90, np.uint8)
    thing = scene(7, 160, 120)
    seen = room.copy()
    seen[200:320, 300:460] = thing
    for frame in range(5):
        assert eye.look(eye.glance(Frame(to_jpeg(room))), frame / 15).box is None
    look = eye.look(eye.glance(Frame(to_jpeg(seen))), 1.0)
    assert look.box is not None
    assert 300 / 640 - 0.06 < look.box.x <= 300 / 640
    assert 0.25 <= look.box.width < 0.36
    alone = encoder.encode_images([thing])[0]
    whole = encoder.encode_images([seen])[0]
    assert look.vector @ alone > whole @ alone
    assert opened(look.picture).width < 240


def test_what_is_noticed_teaches_the_background(encoder: NetworkEncoder, loader: PictureLoader):
    eye = Eye(encoder, loader, follow=True)
    room = np.full((120, 160, 3), 90, np.uint8)
    seen = room.copy()
    seen[40:80, 40:90] = 200
    eye.notice(eye.glance(Frame(room)), 0)
    assert eye.look(eye.glance(Frame(seen)), 0.1).box is not None


def test_a_broken_frame_is_an_error(encoder: NetworkEncoder, loader: PictureLoader):
    with pytest.raises(BrokenPicture):
        Eye(encoder, loader).glance(Frame(to_jpeg(scene(0))[:500]))


@pytest.mark.parametrize(("side", "quality"), [(15, 75), (2049, 75), (320, 0), (320, 101)])
def test_pictures_of_no_sense(side: int, quality: int):
    with pytest.raises(InvalidInput, match="side is 16 to 2048"):
        SmallPicture(side, quality)
