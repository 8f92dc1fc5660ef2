"""A bounded queue that ends when its writers do."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from kinlens.ingest.channel import Channel


def test_what_is_put_comes_out_in_order_and_then_it_ends():
    channel: Channel[int] = Channel(10)
    for number in range(5):
        assert channel.put(number)
    channel.finish()
    assert channel.take(2) == [0, 1]
    assert channel.take(10) == [2, 3, 4]
    assert channel.take() == []


def test_a_writer_waits_for_room():
    channel: Channel[int] = Channel(1)
    channel.put(0)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(channel.put, 1)
        time.sleep(0.05)
        assert not second.done()
        assert channel.take() == [0]
        assert second.result(60)
    assert channel.take() == [1]


def test_what_waits_is_bounded_in_bytes_too():
    channel: Channel[bytes] = Channel(10, weigh=len, most=5)
    assert channel.put(b"four")
    assert channel.put(b"larger than all room")
    with ThreadPoolExecutor(1) as pool:
        third = pool.submit(channel.put, b"x")
        time.sleep(0.05)
        assert channel.take() == [b"four"]
        time.sleep(0.05)
        assert not third.done()
        assert channel.take() == [b"larger than all room"]
        assert third.result(60)
    assert channel.take() == [b"x"]


def test_a_writer_is_woken_when_half_of_the_room_is_free():
    channel: Channel[int] = Channel(4)
    for number in range(4):
        channel.put(number)
    with ThreadPoolExecutor(1) as pool:
        fifth = pool.submit(channel.put, 4)
        time.sleep(0.05)
        assert channel.take() == [0]
        time.sleep(0.05)
        assert not fifth.done()
        assert channel.take() == [1]
        assert fifth.result(60)
    assert channel.take(9) == [2, 3, 4]


def test_a_patient_reader_takes_what_there_is_when_no_more_has_room():
    channel: Channel[bytes] = Channel(3, weigh=len, most=10)
    for _ in range(3):
        channel.put(b"x")
    start = time.monotonic()
    assert len(channel.take(9, patience=300)) == 3
    channel.put(b"larger than all room")
    assert len(channel.take(9, patience=300)) == 1
    assert time.monotonic() - start < 300


def test_a_reader_that_waits_for_a_batch_is_woken_when_it_is_complete():
    channel: Channel[int] = Channel(100)
    channel.put(0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(channel.take, 3, patience=300)
        second = pool.submit(channel.take, 3, patience=300)
        for number in range(1, 6):
            time.sleep(0.01)
            channel.put(number)
        assert sorted(first.result(60) + second.result(60)) == [0, 1, 2, 3, 4, 5]


def test_a_reader_is_patient_for_a_full_batch_but_not_forever():
    channel: Channel[int] = Channel(10)
    channel.put(1)
    timer = threading.Timer(0.05, channel.put, (2,))
    timer.start()
    assert channel.take(2, patience=60) == [1, 2]
    channel.put(3)
    start = time.monotonic()
    assert channel.take(2, patience=0.05) == [3]
    assert time.monotonic() - start < 2
    timer.join()


def test_it_ends_only_when_all_writers_are_done():
    channel: Channel[int] = Channel(10)
    channel.add_writer()
    channel.finish()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(channel.take)
        time.sleep(0.05)
        assert not reading.done()
        channel.finish()
        assert reading.result(60) == []


def test_closing_frees_those_who_wait():
    channel: Channel[int] = Channel(1)
    channel.put(0)
    with ThreadPoolExecutor(1) as pool:
        blocked = pool.submit(channel.put, 1)
        time.sleep(0.02)
        channel.close(drop=False)
        assert blocked.result(60) is False
    assert channel.take(9) == [0]
    assert channel.take() == []
    assert channel.put(2) is False


def test_many_threads_lose_nothing():
    channel: Channel[int] = Channel(7, writers=4)

    def write(start: int) -> None:
        for number in range(start, 2000, 4):
            channel.put(number)
        channel.finish()

    def read() -> list[int]:
        found: list[int] = []
        while taken := channel.take(5):
            found += taken
        return found

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for start in range(4):
            pool.submit(write, start)
        found = [number for reader in readers for number in reader.result(60)]
    assert sorted(found) == list(range(2000))


def test_readers_share_and_none_ends_before_the_writers():
    channel: Channel[int] = Channel(8)
    taken: list[list[int]] = [[], []]

    def read(mine: list[int]) -> None:
        while batch := channel.take(4, patience=0.001):
            mine.extend(batch)
            time.sleep(0.001)

    readers = [threading.Thread(target=read, args=(mine,)) for mine in taken]
    for reader in readers:
        reader.start()
    for number in range(400):
        channel.put(number)
        if number % 50 == 0:
            time.sleep(0.01)  # both wait for more, and one takes all there is
            assert all(reader.is_alive() for reader in readers)
    channel.finish()
    for reader in readers:
        reader.join(60)
    assert sorted(taken[0] + taken[1]) == list(range(400))
    assert all(mine == sorted(mine) for mine in taken)
