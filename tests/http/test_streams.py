from __future__ import annotations

import asyncio
import threading

from kinlens.http.streams import Slot
from kinlens.live.types import DeviceStatus, View


def view(device: str, sequence: int) -> View:
    return View(device, sequence, 0.0, 0.0, 0.0, ())


def test_a_slow_reader_gets_the_newest_of_each() -> None:
    async def run() -> None:
        slot = Slot()
        for sequence in range(5):
            slot.put(view("a", sequence))
        slot.put(DeviceStatus("a", "online", 0.0))
        slot.put(view("b", 7))
        found = await slot.take(30)
        assert found is not None
        views = [(entry.device, entry.sequence) for entry in found if isinstance(entry, View)]
        assert views == [("a", 4), ("b", 7)]
        assert len(found) == 3
        assert await slot.take(0.01) == []
        slot.close()
        assert await slot.take(30) is None

    asyncio.run(run())


def test_nothing_put_by_threads_is_lost() -> None:
    most = 2000

    async def run() -> None:
        slot = Slot()

        def put(device: str) -> None:
            for sequence in range(most + 1):
                slot.put(view(device, sequence))

        threads = [threading.Thread(target=put, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        last: dict[str, int] = {}
        while any(last.get(name) != most for name in "abc"):
            found = await slot.take(60)
            assert found, "the last ones never came"
            for entry in found:
                assert isinstance(entry, View)
                assert entry.sequence > last.get(entry.device, -1)
                last[entry.device] = entry.sequence
        for thread in threads:
            thread.join()

    asyncio.run(run())
