"""Recipes: exact small cases, odd shapes, and a slow twin."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.errors import BundleError, InvalidInput
from kinlens.preprocess import Recipe

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def recipe(size, resize="stretch", **changes):
    return Recipe(size, resize, **{**PLAIN, **changes})


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def triangle_weights(length, size):
    """Antialiased linear interpolation, one row of weights an output pixel, in float64."""
    scale = length / size
    reach = max(scale, 1.0)
    centers = (np.arange(size) + 0.5) * scale
    distances = np.abs(np.arange(length) + 0.5 - centers[:, None]) / reach
    weights = np.clip(1 - distances, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def slow_stretch(image, size):
    rows = triangle_weights(image.shape[0], size)
    columns = triangle_weights(image.shape[1], size)
    return np.einsum("ih,jw,hwc->ijc", rows, columns, image.astype(np.float64))


def test_normalization_is_exact():
    image = np.array([[[0, 128, 255], [10, 20, 30]], [[1, 2, 3], [255, 255, 255]]], np.uint8)
    batch = recipe(2, mean=(10, 20, 30), std=(2, 4, 4)).prepare([image])
    assert batch.dtype == np.float32
    assert batch.shape == (1, 3, 2, 2)
    assert batch.flags.c_contiguous
    np.testing.assert_array_equal(batch[0, 0], [[-5, 0], [-4.5, 122.5]])
    np.testing.assert_array_equal(batch[0, 1], [[27, 0], [-4.5, 58.75]])
    np.testing.assert_array_equal(batch[0, 2], [[56.25, 0], [-6.75, 56.25]])


def test_nhwc_holds_the_same_numbers():
    images = [noise(5, 9), noise(40, 3)]
    first = recipe(8, mean=(1, 2, 3), std=(4, 5, 6)).prepare(images)
    last = recipe(8, mean=(1, 2, 3), std=(4, 5, 6), layout="nhwc").prepare(images)
    assert last.shape == (2, 8, 8, 3)
    assert last.flags.c_contiguous
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    size=st.integers(1, 40),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_stretch_is_close_to_its_slow_twin(height, width, size, seed):
    image = noise(height, width, seed)
    fast = recipe(size).square(image)
    np.testing.assert_allclose(fast, slow_stretch(image, size), atol=1.1)


@given(
    height=st.integers(1, 120),
    width=st.integers(1, 120),
    size=st.integers(1, 48),
    resize=st.sampled_from(["stretch", "crop", "pad"]),
    resample=st.sampled_from(["box", "bilinear", "bicubic"]),
)
@settings(max_examples=80, deadline=None)
def test_one_color_stays_that_color(height, width, size, resize, resample):
    color = (200, 100, 50)
    image = np.full((height, width, 3), color, np.uint8)
    square = recipe(size, resize, resample=resample).square(image)
    assert square.shape == (size, size, 3)
    is_color = (square == color).all(axis=2)
    is_fill = (square == 255).all(axis=2)
    assert (is_color | is_fill).all()
    assert is_color.any()
    assert resize == "pad" or is_color.all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (10, 1), (30, 300), (300, 30), (3, 5000)])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_extreme_shapes_become_squares(shape, resize):
    batch = recipe(16, resize).prepare([noise(*shape)])
    assert batch.shape == (1, 3, 16, 16)
    assert np.isfinite(batch).all()


def test_crop_takes_the_middle():
    image = np.zeros((4, 40, 3), np.uint8)
    image[:, 18:22] = 255
    assert (recipe(4, "crop").square(image) == 255).all()
    assert (recipe(4, "crop").square(image.transpose(1, 0, 2)) == 255).all()


def test_pad_keeps_the_aspect_ratio_and_centers():
    image = np.zeros((10, 100, 3), np.uint8)
    square = recipe(20, "pad", fill=9).square(image)
    assert (square[9:11] == 0).all()
    assert (square[:9] == 9).all()
    assert (square[11:] == 9).all()


def test_the_right_size_is_left_alone():
    image = noise(12, 12)
    for resize in ("stretch", "crop", "pad"):
        np.testing.assert_array_equal(recipe(12, resize).square(image), image)


def test_shrinking_does_not_alias():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    square = recipe(8).square(stripes).astype(int)
    assert np.abs(square - 127.5).max() < 12


def test_pictures_that_are_views_of_others():
    image = noise(50, 40)
    turned = image[::-1, 5:30].transpose(1, 0, 2)
    np.testing.assert_array_equal(recipe(9).square(turned), recipe(9).square(turned.copy()))


def test_each_picture_is_prepared_alone():
    images = [noise(20, 30), noise(7, 7), noise(90, 11)]
    one = recipe(16, "pad")
    together = one.prepare(images)
    for image, expected in zip(images, together, strict=True):
        np.testing.assert_array_equal(one.prepare([image])[0], expected)


def test_no_pictures_make_an_empty_batch():
    assert recipe(16).prepare([]).shape == (0, 3, 16, 16)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(InvalidInput, match="uint8"):
        recipe(8).prepare([image])


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_bgr_turns_the_channels_around(layout):
    images = [noise(5, 9), noise(40, 3)]
    axis = 1 if layout == "nchw" else 3
    plain = recipe(8, mean=(1, 2, 3), std=(4, 5, 6), layout=layout).prepare(images)
    turned = recipe(8, mean=(1, 2, 3), std=(4, 5, 6), layout=layout, channels="bgr").prepare(images)
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(np.flip(turned, axis), plain)


def test_dict_round_trip():
    one = Recipe(128, "pad", (1, 2, 3), (4, 5, 6), "nhwc", "box", 0, "bgr")
    again = Recipe.from_dict(json.loads(json.dumps(one.to_dict())))
    assert again == one
    assert again.canonical_json() == one.canonical_json()


def test_canonical_json_ignores_spelling_but_no_difference():
    values = {"size": 8, "resize": "crop", "mean": [0, 0, 0], "std": [1, 1, 1]}
    spelled = {
        **dict(reversed(values.items())),
        "layout": "nchw",
        "mean": [0.0, 0.0, 0.0],
        "channels": "rgb",
    }
    base = Recipe.from_dict(values).canonical_json()
    assert Recipe.from_dict(spelled).canonical_json() == base
    changes = [
        {"size": 9},
        {"resize": "pad"},
        {"mean": [0, 0, 1]},
        {"std": [1, 2, 1]},
        {"layout": "nhwc"},
        {"resample": "box"},
        {"fill": 0},
        {"channels": "bgr"},
    ]
    others = {Recipe.from_dict({**values, **change}).canonical_json() for change in changes}
    assert len(others | {base}) == len(changes) + 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "size"),
        ({"size": 8.0}, "size"),
        ({"size": True}, "size"),
        ({"size": 100_000}, "size"),
        ({"resize": "squash"}, "stretch, crop, pad"),
        ({"layout": "hwc"}, "nchw, nhwc"),
        ({"resample": ["box"]}, "box, bilinear, bicubic"),
        ({"channels": "grb"}, "rgb, bgr"),
        ({"mean": [1, 2]}, "mean"),
        ({"mean": "abc"}, "mean"),
        ({"mean": [0, 0, float("nan")]}, "mean"),
        ({"std": [1, 0, 1]}, "above 0"),
        ({"fill": 256}, "fill"),
        ({"colour": "red"}, "unknown: colour"),
    ],
)
def test_a_bad_field_is_named(change, message):
    values = {"size": 8, "resize": "crop", "mean": [0, 0, 0], "std": [1, 1, 1], **change}
    with pytest.raises(BundleError, match=message):
        Recipe.from_dict(values)


def test_a_missing_field_is_named():
    with pytest.raises(BundleError, match="missing: mean, std"):
        Recipe.from_dict({"size": 8, "resize": "crop"})


def test_a_recipe_is_an_object():
    with pytest.raises(BundleError, match="JSON object; got list"):
        Recipe.from_dict([1, 2])


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_min_side_never_needs_enlarging(resize):
    one = recipe(32, resize)
    assert one.min_side == 32
