"""Room for the newest of each key."""

from __future__ import annotations

import threading
import time

from kinlens.live.slots import Slots


def values(slots: Slots[str, int], limit: int = 10) -> list[int]:
    return [value for _, value in slots.take(limit, timeout=0)]


def test_the_newest_takes_the_place_of_the_older_and_keeps_its_turn() -> None:
    slots: Slots[str, int] = Slots(10)
    assert [slots.put(key, value) for key, value in (("a", 1), ("b", 2), ("a", 3))] == [0, 0, 1]
    assert len(slots) == 2
    assert values(slots) == [3, 2]
    assert values(slots) == []


def test_bounded_by_dropping_what_has_waited_for_the_longest() -> None:
    slots: Slots[str, int] = Slots(3)
    assert sum(slots.put(str(number), number) for number in range(100)) == 97
    assert values(slots) == [97, 98, 99]


def test_what_is_put_back_is_next_unless_a_newer_one_came() -> None:
    slots: Slots[str, int] = Slots(3)
    for key, value in (("a", 1), ("b", 2)):
        slots.put(key, value)
    assert values(slots, 1) == [1]
    slots.put_back("a", 1)
    assert values(slots, 1) == [1]
    slots.put("a", 3)
    slots.put_back("a", 1)
    assert values(slots) == [2, 3]


def test_the_wait_counts_from_the_value_not_from_the_key() -> None:
    slots: Slots[str, int] = Slots(3)
    slots.put("a", 1)
    time.sleep(0.01)
    between = time.monotonic()
    slots.put("a", 2)
    [(since, value)] = slots.take(1)
    assert value == 2
    assert since >= between


def test_who_waits_is_woken_by_a_value_and_by_the_end() -> None:
    slots: Slots[str, int] = Slots(3)
    taken: list[list[int]] = []

    def work() -> None:
        while not taken or taken[-1]:
            taken.append([value for _, value in slots.take(5)])

    worker = threading.Thread(target=work)
    worker.start()
    slots.put("a", 1)
    while not taken:
        time.sleep(0.001)
    slots.close()
    worker.join(30)
    assert not worker.is_alive()
    assert taken == [[1], []]
