from __future__ import annotations

import numpy as np
import pytest

from kinlens.camera.follow import HOLD, Follower
from kinlens.camera.small import small_gray
from kinlens.types import Crop, Pixels

FPS = 15


def room(things: list[tuple[int, int, int, int]], seed: int = 0, gain: float = 1.0) -> Pixels:
    """A noisy room with bright things at left, top, width, height of 640 x 480, shrunk by 4."""
    rng = np.random.default_rng(seed)
    x = np.linspace(60, 120, 160)[None, :, None]
    pixels = np.repeat(np.repeat(x, 120, axis=0), 3, axis=2)
    for left, top, width, height in things:
        pixels[top // 4 : (top + height) // 4, left // 4 : (left + width) // 4] = 225
    return np.clip(pixels * gain + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)


def overlap(box: Crop, left: float, top: float, right: float, bottom: float) -> float:
    """Intersection over union."""
    wide = min(box.x + box.width, right) - max(box.x, left)
    high = min(box.y + box.height, bottom) - max(box.y, top)
    both = max(0.0, wide) * max(0.0, high)
    return both / (box.width * box.height + (right - left) * (bottom - top) - both)


def settled(follower: Follower, seconds: float = 1.0) -> float:
    """Show the empty room; gives the time then."""
    now = 0.0
    for frame in range(int(seconds * FPS)):
        now = 100 + frame / FPS
        assert follower.box(small_gray(room([], frame)), now) is None
    return now


def test_nothing_moves():
    settled(Follower(), 3)


def test_the_box_follows_the_larger_of_two_things_smoothly():
    follower = Follower()
    now = settled(follower)
    boxes = []
    for frame in range(30):
        now += 1 / FPS
        left = 60 + 10 * frame
        seen = room([(left, 150, 140, 180), (560, 20, 40, 40)], frame)
        box = follower.box(small_gray(seen), now)
        assert box is not None
        boxes.append(box)
        if frame > 3:
            truth = (left / 640, 150 / 480, (left + 140) / 640, 330 / 480)
            assert overlap(box, *truth) > 0.45
    steps = np.diff([box.x for box in boxes[2:]])
    assert np.all(np.abs(steps - 10 / 640) < 10 / 640)


def test_it_jumps_to_another_thing():
    follower = Follower()
    now = settled(follower)
    for frame in range(5):
        follower.box(small_gray(room([(40, 100, 120, 200)], frame)), now + frame / FPS)
    box = follower.box(small_gray(room([(460, 100, 120, 200)], 9)), now + 6 / FPS)
    assert box is not None
    assert overlap(box, 460 / 640, 100 / 480, 580 / 640, 300 / 480) > 0.5


def test_the_box_is_held_and_then_let_go():
    follower = Follower()
    now = settled(follower)
    assert follower.box(small_gray(room([(200, 100, 150, 250)])), now + 0.1) is not None
    assert follower.box(small_gray(room([])), now + 1.0) is not None
    assert follower.box(small_gray(room([])), now + HOLD + 0.3) is None


def test_a_thing_put_down_becomes_background():
    follower = Follower()
    now = settled(follower)
    boxes = [
        follower.box(small_gray(room([(200, 100, 150, 250)], frame)), now + frame / FPS)
        for frame in range(60 * FPS)
    ]
    assert all(box is not None for box in boxes[: 5 * FPS])
    assert boxes[-1] is None


@pytest.mark.parametrize("gain", [0.85, 1.15])
def test_light_that_changes_is_no_thing(gain: float):
    follower = Follower()
    now = settled(follower)
    for frame in range(20):
        share = 1 + (gain - 1) * frame / 20
        assert follower.box(small_gray(room([], frame, share)), now + frame / FPS) is None


def test_a_camera_that_moves_sees_no_thing_and_learns_the_new_place():
    follower = Follower()
    now = settled(follower)
    rng = np.random.default_rng(3)
    elsewhere = rng.integers(0, 256, (12, 16, 3), np.uint8).repeat(10, 0).repeat(10, 1)
    boxes = [follower.box(small_gray(elsewhere), now + frame / FPS) for frame in range(10 * FPS)]
    assert boxes[0] is None
    assert boxes[-1] is None
    moved = elsewhere.copy()
    moved[25:75, 25:62] = moved[25:75, 25:62] // 2 + 120
    box = follower.box(small_gray(moved), now + 10)
    assert box is not None
    assert overlap(box, 100 / 640, 100 / 480, 250 / 640, 300 / 480) > 0.5
