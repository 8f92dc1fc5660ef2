"""What only the store in memory has to show: a bound in bytes."""

from __future__ import annotations

from contract.test_latest_store import JPEG, view
from kinlens.live.memory import MemoryStore
from kinlens.live.store import Bounds


def held(store: MemoryStore) -> int:
    views = [view for kept in store._kept.values() for view in kept.views]
    return sum(len(view.picture) for view in views if view.picture)


def test_pictures_have_a_bound_in_bytes() -> None:
    store = MemoryStore(Bounds(history=5, devices=100, pictures=100_000))
    for number in range(1, 400):
        device = f"camera-{number % 20}"
        store.put(view(device, number, like=str(number % 7), picture=JPEG + bytes(number * 10)))
        assert held(store) == store._pictures <= 100_000
    assert store.latest("camera-19") is not None
    assert len(store._kept) < 20


def test_one_device_over_the_bound_is_still_seen() -> None:
    store = MemoryStore(Bounds(pictures=10))
    store.put(view("a"))
    store.put(view("b"))
    assert store.latest("b") is not None
    assert store.latest("a") is None
