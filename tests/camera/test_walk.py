from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from camera.scenes import scene
from kinlens.camera.selection import walk_past
from kinlens.camera.shelf import PITCH, Shown, build_shelf
from kinlens.camera.walk import AIM, Walk, WalkFrames
from kinlens.errors import NotFound
from kinlens.images.geometry import upright
from kinlens.sample import build_sample
from kinlens.search import Search
from kinlens.types import Crop, Example, NewItem, Query
from kinlens.wiring import open_search

THINGS = [Shown(f"thing-{n}", scene(n, 240, 300), f"{n}.95") for n in range(5)]


@pytest.fixture(scope="module")
def walk() -> Walk:
    return Walk(build_shelf(THINGS, seed=1), seed=1)


def test_the_truth_goes_from_thing_to_thing_and_begins_again(walk: Walk):
    shots = [walk.shot(number) for number in range(walk.count)]
    assert walk.count == round(5 * 2.8 * 15)
    names = list(dict.fromkeys(shot.item for shot in shots))
    assert names == [thing.id for thing in THINGS] or names[:5] == [t.id for t in THINGS]
    pausing = Counter(shot.item for shot in shots if shot.pausing)
    assert all(abs(count - 1.6 * 15) <= 1 for count in pausing.values())
    assert walk.shot(walk.count).item == shots[0].item
    columns = np.diff([shot.column for shot in shots])
    assert columns.min() >= 0
    assert columns.max() < 60
    for shot in shots:
        if shot.pausing:
            assert shot.speed == 0
            assert abs(shot.column / PITCH % 1 - 0.5) < 1e-9


def test_speed_is_how_the_place_changes(walk: Walk):
    fine = Walk(walk.shelf, fps=1000)
    for number in range(1, 2800, 50):
        before, shot, after = (fine.shot(n) for n in (number - 1, number, number + 1))
        if before.pausing == after.pausing:
            assert abs((after.column - before.column) * 500 - shot.speed) < 2


def test_frames_are_the_same_each_time_and_for_each_seed_another(walk: Walk):
    again = Walk(build_shelf(THINGS, seed=1), seed=1)
    for number in (0, 31, 100):
        frame = walk.frame(number)
        assert frame.shape == (480, 640, 3)
        assert frame.dtype == np.uint8
        assert np.array_equal(frame, again.frame(number))
    other = Walk(walk.shelf, seed=2)
    assert not np.array_equal(walk.frame(0), other.frame(0))


def test_a_pause_shows_its_thing_in_the_middle_though_the_hand_is_never_still(walk: Walk):
    for place in range(5):
        numbers = [n for n in range(walk.count) if walk.shot(n).pausing]
        mine = [n for n in numbers if walk.shot(n).item == f"thing-{place}"]
        frames = [walk.frame(n) for n in (mine[2], mine[-2])]
        # The print is the part that isn't wall: its patches differ far more than the wall does.
        middle = upright(frames[0], 1, Crop(0.3, 0.25, 0.4, 0.5))
        assert middle.std() > 40
        assert np.abs(frames[0].astype(int) - frames[1]).mean() > 1


def test_what_moves_is_blurred_along_the_way(walk: Walk):
    def detail(number: int) -> float:
        """Change from column to column against that from row to row."""
        gray = np.asarray(Image.fromarray(walk.frame(number)).convert("L"), float)
        return float(np.abs(np.diff(gray, axis=1)).mean() / np.abs(np.diff(gray, axis=0)).mean())

    fastest = max(range(walk.count), key=lambda number: walk.shot(number).speed)
    assert detail(fastest) < 0.8 * detail(5)


def test_light_drifts_and_never_far(walk: Walk):
    wall = [walk.frame(n)[26:48, 20:620].mean(axis=(0, 1)) for n in range(0, walk.count, 6)]
    levels = np.array(wall)
    assert 3 < np.ptp(levels.mean(axis=1)) < 90
    warmth = levels[:, 0] / levels[:, 2]
    assert 0.005 < np.ptp(warmth) < 0.2


def test_the_end_of_the_shelf_joins_its_beginning(walk: Walk):
    shelf = walk.shelf
    pixels = np.asarray(shelf.picture)
    assert pixels.shape[1] == shelf.length + 2 * shelf.margin
    assert np.array_equal(pixels[:, : shelf.margin], pixels[:, shelf.length : -shelf.margin])


def test_one_thing_is_enough():
    walk = Walk(build_shelf(THINGS[:1]))
    assert walk.frame(40).shape == (480, 640, 3)
    assert walk.shot(10_000).item == "thing-0"


def test_as_a_camera_it_keeps_its_pace_and_ends(walk: Walk):
    quick = Walk(walk.shelf, fps=30)
    start = time.monotonic()
    frames = list(WalkFrames(quick, frames=12).frames())
    assert time.monotonic() - start >= 0.3
    numbers = [int(frame.name) for frame in frames]
    assert numbers[0] == 0
    assert numbers == sorted(set(numbers))
    assert max(numbers) < 12


def test_as_a_camera_without_end_it_is_closed():
    source = WalkFrames(Walk(build_shelf(THINGS[:1]), fps=100))
    assert source.endless
    count = 0
    for _ in source.frames():
        count += 1
        if count == 5:
            source.close()
    assert count == 5


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    folder = tmp_path_factory.mktemp("shop")
    table = build_sample(folder / "sample", count=40)
    with open_search(folder / "catalog") as search:
        pictures = sorted((table.parent / "images").iterdir())
        search.add(
            NewItem(path.stem, path=path, metadata={"price": 9.5 + n})
            for n, path in enumerate(pictures)
        )
        yield search


def test_matches_at_pauses_are_right(shop: Search):
    """With the default encoder, from what the camera sees: the floor of what the demo shows."""
    walk = walk_past(shop, seed=0, things=10)
    frames = [n for n in range(walk.count) if walk.shot(n).pausing][4::12]
    first = among = 0
    for number in frames:
        seen = upright(walk.frame(number), 1, AIM)
        vector = shop.parts.encoder.encode_images([seen])[0]
        hits = [hit.id for hit in shop.search(Query((Example(vector=vector),), k=5)).hits]
        first += hits[0] == walk.shot(number).item
        among += walk.shot(number).item in hits
    assert len(frames) >= 18
    assert first / len(frames) >= 0.6
    assert among / len(frames) >= 0.9


def test_the_shelf_has_items_of_the_catalog_chosen_by_seed(shop: Search):
    chosen = [walk_past(shop, seed=seed, things=6).shelf.ids for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]
    assert all(len(set(ids)) == 6 for ids in chosen)
    assert set(chosen[0]) <= {item.id for item in shop.items()}


def test_pictures_that_cannot_be_read_are_left_out(tmp_path: Path):
    with open_search(tmp_path / "catalog") as search:
        for number in range(3):
            path = tmp_path / f"{number}.png"
            Image.fromarray(scene(number)).save(path)
            search.add([NewItem(str(number), path=path)])
        (tmp_path / "1.png").unlink()
        assert set(walk_past(search).shelf.ids) == {"0", "2"}
        for number in (0, 2):
            (tmp_path / f"{number}.png").write_bytes(b"no picture")
        with pytest.raises(NotFound, match="kinlens index"):
            walk_past(search)
