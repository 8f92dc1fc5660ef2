"""Several processes on one catalog, and processes that die."""

from __future__ import annotations

import random
import time
from pathlib import Path
from threading import Thread

import numpy as np

from catalog.processes import start
from catalog.samples import OTHER, create, integrity, items, unit
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.errors import EncoderMismatch

BATCH = 40

ADD_FOREVER = """
    import sys
    from pathlib import Path
    from catalog.samples import create, items, unit

    catalog, batch, size = create(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    while True:
        new = items(size, batch * size)
        catalog.upsert(new, unit(size, seed=batch))
        if batch % 3 == 2:
            catalog.delete([one.id for one in new])
        print(batch)
        batch += 1
"""


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(1)
    create(tmp_path).close()
    following = SqliteCatalog.open(tmp_path)
    begun = 0
    for _ in range(20):
        writer = start(ADD_FOREVER, tmp_path, begun, BATCH)
        acknowledged = int(writer.stdout.readline())
        time.sleep(rng.random() * 0.15)
        writer.kill()
        rest = writer.communicate()[0].split("\n")
        acknowledged = int([str(acknowledged), *rest[:-1]][-1])

        assert integrity(tmp_path) == "ok"
        with SqliteCatalog.open(tmp_path) as fresh:
            for catalog in (fresh, following):
                assert_whole_batches(catalog, acknowledged)
        begun = acknowledged + 1
    following.close()


def assert_whole_batches(catalog: SqliteCatalog, acknowledged: int) -> None:
    """All that was acknowledged is there; the batch after it is there whole or not at all."""
    ids = [one.id for one in catalog.scan()]
    kept = [batch for batch in range(acknowledged + 1) if batch % 3 != 2]
    expected = [one.id for batch in kept for one in items(BATCH, batch * BATCH)]
    following = [one.id for one in items(BATCH, (acknowledged + 1) * BATCH)]
    assert ids in (expected, expected + following)
    assert catalog.count() == catalog.count({"n": {"$gte": 0}}) == len(ids)
    newest = unit(BATCH, seed=kept[-1])
    np.testing.assert_array_equal(catalog.vectors(expected[-BATCH:]), newest)
    assert catalog.search(newest[5:6], 1)[0][0].item.id == expected[-BATCH + 5]


ADD_SOME = """
    import sys
    from pathlib import Path
    from catalog.samples import create, items, unit

    with create(Path(sys.argv[1])) as catalog:
        for batch in range(30):
            catalog.upsert(items(20, int(sys.argv[2]) + 20 * batch), unit(20))
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    writers = [start(ADD_SOME, tmp_path / "made by the first", n * 300) for n in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    for writer in writers:
        writer.stdout.close()
    with SqliteCatalog.open(tmp_path / "made by the first") as catalog:
        assert [one.id for one in catalog.scan()] == [one.id for one in items(1200)]
        assert len(catalog.search(unit(1), 2000)[0]) == 1200
    assert integrity(tmp_path / "made by the first") == "ok"


CHANGE_ALL = """
    import sys
    from pathlib import Path
    import numpy as np
    from catalog.samples import create, item, unit

    catalog, vectors, step = create(Path(sys.argv[1])), unit(50), 0
    while True:
        new = [item(f"i{n}", {"step": step}) for n in range(30 + step % 2)]
        catalog.upsert(new, np.repeat(vectors[step % 50][None], len(new), axis=0))
        if step % 2:
            catalog.delete(["i30"])
        print(step)
        step += 1
"""


def test_a_reader_follows_a_writer(tmp_path: Path) -> None:
    """Each write changes all items: an answer that mixes two writes would show two steps."""
    reader, vectors = create(tmp_path), unit(50)
    writer = start(CHANGE_ALL, tmp_path)
    acknowledged = [int(writer.stdout.readline())]
    listener = Thread(target=lambda: acknowledged.extend(map(int, writer.stdout)))
    listener.start()
    seen: set[int] = set()
    while len(seen) < 10:
        written = acknowledged[-1]
        matches = reader.search(vectors[:1], 31, where={"step": {"$gte": 0}})[0]
        (step,) = {match.item.metadata["step"] for match in matches}
        assert step >= max(written, *seen, 0)
        seen.add(step)
        expected = 1 - float(vectors[step % 50] @ vectors[0])
        assert abs(matches[0].distance - expected) < 1e-5
        assert len(matches) in (30, 31)
        assert len(reader.facets(["step"])["step"]) <= 2
    writer.kill()
    listener.join()
    writer.communicate()
    reader.close()


SWITCH = """
    import sys
    from pathlib import Path
    from catalog.samples import OTHER, create, unit

    with create(Path(sys.argv[1])) as catalog:
        fill = catalog.fill_space(OTHER)
        fill.put(list(fill.missing()), unit(fill.remaining(), OTHER.dim))
        catalog.activate_space(OTHER.fingerprint)
        print("done")
"""


def test_a_reader_notices_that_the_encoder_was_switched(tmp_path: Path) -> None:
    with create(tmp_path) as reader:
        reader.upsert(items(10), unit(10))
        reader.search(unit(1), 1)
        writer = start(SWITCH, tmp_path)
        assert writer.communicate(timeout=120)[0] == "done\n"
        told = []
        for _ in range(2):
            try:
                reader.search(unit(1), 1)
            except EncoderMismatch as error:
                told.append(str(error))
        assert len(told) == 2
        assert OTHER.name in told[0]
