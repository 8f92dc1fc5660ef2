"""What the tests of the live view share: a small catalog, and sightings of its items."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from http_door import COUNT, item_id, new_items, open_tiny
from kinlens.live.types import Sighting
from kinlens.search import Search

See = Callable[..., Sighting]


@pytest.fixture(scope="module")
def pictures(make_picture: Callable[..., bytes]) -> list[bytes]:
    return [make_picture(seed=number) for number in range(COUNT)]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory, pictures: list[bytes]) -> Iterator[Search]:
    with open_tiny(tmp_path_factory.mktemp("live") / "data") as service:
        service.add(new_items(pictures))
        yield service


@pytest.fixture(scope="module")
def see(search: Search, pictures: list[bytes]) -> See:
    """``see(item, sequence, **values)``: a sighting of an item of the catalog, by its number."""
    vectors = search.parts.catalog.vectors([item_id(number) for number in range(COUNT)])

    def make(item: int, sequence: int = 1, **given: object) -> Sighting:
        values: dict[str, object] = {
            "device": "door",
            "sequence": sequence,
            "taken_at": 5.0,
            "fingerprint": search.encoder.fingerprint,
            "vector": vectors[item],
            "picture": pictures[item],
            "received_at": 10.0,
        }
        return Sighting(**values | given)  # type: ignore[arg-type]

    return make
