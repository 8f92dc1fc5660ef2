"""The stages run side by side, within bounded memory, and end together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinlens.adding import Prepared
from kinlens.ingest.pipeline import Pipeline, Work
from kinlens.search import Search
from kinlens.types import NewItem, Outcome


def work(photos: Path, count: int, taken: list[int]) -> Iterator[Work]:
    for number in range(count):
        taken.append(number)
        yield Work(NewItem(str(number), path=photos / "red" / "00.jpg"), None)


def stored(pipeline: Pipeline) -> list[Prepared]:
    return [e for batches in pipeline.batches() for batch in batches for e in batch.stored]


def test_what_goes_in_comes_out_with_a_vector_each(search: Search, photos: Path):
    entries = [*work(photos, 70, []), Outcome("bad", "failed", "why")]
    vectors, ids, settled = 0, [], []
    with Pipeline(entries, search.parts, 3) as pipeline:
        for batches in pipeline.batches():
            for batch in batches:
                assert len(batch.stored) == len(batch.vectors)
                vectors += len(batch.vectors)
                ids += [entry.item.id for entry in batch.stored]
                settled += batch.settled
    assert vectors == 70
    assert sorted(ids, key=int) == [str(number) for number in range(70)]
    assert [outcome.id for outcome in settled] == ["bad"]


def test_nobody_runs_ahead_of_a_slow_writer(search: Search, photos: Path):
    taken: list[int] = []
    with Pipeline(work(photos, 3000, taken), search.parts, 2) as pipeline:
        ahead = -1
        while len(taken) != ahead:
            ahead = len(taken)
            time.sleep(0.3)
        assert ahead < 800
        assert len(stored(pipeline)) == 3000


def test_stopping_gives_what_is_decoded_and_drops_the_rest(search: Search, photos: Path):
    taken: list[int] = []
    with Pipeline(work(photos, 100_000, taken), search.parts, 2) as pipeline:
        first = next(pipeline.batches())
        pipeline.stop()
        rest = stored(pipeline)
    assert first
    assert len(rest) < 1000
    assert len(taken) < 2000


@pytest.mark.parametrize("where", ["feeding", "writing"])
def test_an_error_anywhere_ends_it_all(search: Search, photos: Path, where: str):
    def broken() -> Iterator[Work]:
        yield from work(photos, 300, [])
        if where == "feeding":
            raise RuntimeError("feeding")
        yield from work(photos, 100_000, [])

    def run() -> None:
        with Pipeline(broken(), search.parts, 2) as pipeline:
            for _ in pipeline.batches():
                if where == "writing":
                    raise RuntimeError("writing")

    with pytest.raises(RuntimeError, match=where):
        run()
    names = {thread.name for thread in threading.enumerate()}
    assert names.isdisjoint({"kinlens-feed", "kinlens-decode", "kinlens-encode"})
