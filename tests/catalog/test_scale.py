"""A hundred thousand items: loaded once, followed cheaply, few objects kept."""

from __future__ import annotations

import gc
import time
from pathlib import Path

from catalog.samples import create, item, unit
from kinlens.types import FacetCount

COUNT = 100_000


def test_a_hundred_thousand_items(tmp_path: Path) -> None:
    colors = ["red", "green", "blue", "white"]
    vectors = unit(COUNT)
    with create(tmp_path) as catalog:
        for start in range(0, COUNT, 5000):
            numbers = range(start, start + 5000)
            new = [item(f"i{n}", {"color": colors[n % 4], "price": n / 100}) for n in numbers]
            catalog.upsert(new, vectors[start : start + 5000])

        gc.collect()
        objects = len(gc.get_objects())
        began = time.perf_counter()
        assert catalog.search(vectors[70_007:70_008], 1)[0][0].item.id == "i70007"
        loading = time.perf_counter() - began
        assert catalog.count({"price": {"$lt": 10}}) == 1000
        gc.collect()
        assert len(gc.get_objects()) - objects < 5000

        cheap = {"price": {"$lt": 10}}
        assert catalog.facets(["color"], cheap)["color"][0] == FacetCount("blue", 250)
        assert len(list(catalog.scan(cheap))) == 1000
        assert all(
            m.item.metadata["price"] < 10 for m in catalog.search(unit(1), 50, where=cheap)[0]
        )

        following = []
        for n in range(20):
            began = time.perf_counter()
            catalog.upsert([item(f"new{n}", {"color": "pink"})], vectors[n : n + 1])
            assert catalog.count({"color": "pink"}) == n + 1
            catalog.load()
            following.append(time.perf_counter() - began)
        # Following costs a part of loading, however busy the machine is.
        assert min(following) < loading / 4

        assert catalog.delete([f"i{n}" for n in range(0, COUNT, 2)])
        assert catalog.count() == len(catalog.search(unit(1), COUNT)[0]) == COUNT // 2 + 20
