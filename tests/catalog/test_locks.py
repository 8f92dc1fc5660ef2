"""The lock for many readers or one writer."""

from __future__ import annotations

import threading
import time

from kinlens.catalog.locks import ReadWriteLock


def test_readers_share_and_writers_do_not() -> None:
    lock, log, counter = ReadWriteLock(), [], [0]

    def read() -> None:
        for _ in range(200):
            with lock.read():
                before = counter[0]
                time.sleep(0)
                log.append(before == counter[0])

    def write() -> None:
        for step in range(100):
            with lock.write() as downgrade:
                counter[0] += 1
                time.sleep(0)
                counter[0] += 1
                if step % 2:
                    downgrade()
                    log.append(counter[0] % 2 == 0)

    threads = [threading.Thread(target=target) for target in (read, read, write, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(log)
    assert counter[0] == 400


def test_two_readers_at_once() -> None:
    lock, both = ReadWriteLock(), threading.Barrier(2, timeout=60)

    def read() -> None:
        with lock.read():
            both.wait()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not both.broken
