from __future__ import annotations

import numpy as np

from camera.scenes import scene
from kinlens.camera.change import ChangeGate, change
from kinlens.camera.small import HEIGHT, WIDTH, small_gray
from kinlens.types import Pixels


def noisy(pixels: Pixels, seed: int, strength: float = 6.0, gain: float = 1.0) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, strength, pixels.shape)
    return np.clip(pixels * gain + noise, 0, 255).astype(np.uint8)


def gentle(width: int = 640, height: int = 480) -> Pixels:
    """A picture whose levels leave room for brighter and darker."""
    return (60 + scene(0, width, height) * 0.4).astype(np.uint8)


def test_small_pictures_are_averages_of_any_size():
    for width, height in ((640, 480), (1920, 1080), (50, 30), (97, 3), (1, 1)):
        flat = np.full((height, width, 3), 77, np.uint8)
        small = small_gray(flat)
        assert small.shape == (HEIGHT, WIDTH)
        assert small.dtype == np.float32
        assert np.all(np.abs(small - 77) <= 1)
    halves = np.zeros((480, 640, 3), np.uint8)
    halves[:, 320:] = 255
    small = small_gray(halves)
    assert small[:, : WIDTH // 2].max() == 0
    assert small[:, WIDTH // 2 :].min() == 255


def test_noise_and_exposure_are_no_change():
    still = small_gray(gentle())
    for seed in range(5):
        assert change(still, small_gray(noisy(gentle(), seed))) < 0.005
    assert change(still, small_gray(noisy(gentle(), 9, gain=1.06))) < 0.005


def test_a_thing_that_comes_is_a_change_of_its_size():
    before = gentle()
    after = before.copy()
    after[100:220, 100:260] = 255 - after[100:220, 100:260]
    found = change(small_gray(before), small_gray(after))
    assert 0.5 * 0.0625 < found < 1.1 * 0.0625


def test_the_gate_lets_the_first_and_changes_and_a_heartbeat_through():
    gate = ChangeGate(0.01, heartbeat=2.0)
    still, other = small_gray(gentle()), small_gray(scene(5, 640, 480))
    assert gate.is_due(still, 10.0)
    gate.passed(still, 10.0)
    assert not gate.is_due(still, 11.9)
    assert gate.is_due(other, 10.1)
    assert gate.is_due(still, 12.0)


def test_slow_changes_add_up():
    gate = ChangeGate(0.01, heartbeat=1000)
    base = gentle()
    gate.passed(small_gray(base), 0)
    passed_at = None
    for step in range(1, 40):
        moved = base.copy()
        moved[:, : 4 * step] = 250
        if gate.is_due(small_gray(moved), step):
            passed_at = step
            break
    assert passed_at is not None
    assert passed_at <= 4


def test_share_0_lets_all_through():
    gate = ChangeGate(0, heartbeat=1000)
    still = small_gray(gentle())
    gate.passed(still, 0)
    assert gate.is_due(still, 0.1)
