"""Reading, decoding and encoding at the same time, each in threads of its own.

    feeder --> [fetchers] --> workers (read, hash, decode, resize) --> encoder --> caller (write)

Between two stages lies a bounded queue, so that the slowest sets the pace and memory stays flat.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType

from kinlens.adding import Adder, Parts, Prepared, failure, separate
from kinlens.errors import KinlensError
from kinlens.ingest.channel import Channel
from kinlens.types import Item, NewItem, Outcome, Vectors

BATCH = 32
FETCHERS = 16
HANDFUL = 4
"""Pictures that a thread takes to decode at once."""

PATIENCE = 2.0
"""Seconds after which a batch that isn't full is encoded, so that a slow source is stored too."""

WAITING_BYTES = 64_000_000
"""Of encoded pictures that wait for a decoder."""

READY_BYTES = 32_000_000
"""Of decoded pictures that wait for the encoder."""

ENCODERS = 2
"""Threads that encode: while one gathers a batch, the network computes the other's."""

WRITE_BATCHES = 8
WRITE_PATIENCE = 0.1
"""Seconds for which batches are gathered, so that one transaction stores several."""

_HURRY = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """An item to prepare, with what the catalog knows of it; see `Adder.prepare`."""

    new: NewItem
    known: Item | None
    same_picture: bool = False
    data: bytes | None = None

    @property
    def weight(self) -> int:
        """Bytes of the picture, where it is in memory already."""
        return len(self.data or self.new.image or self.new.base64 or b"")


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be written: items with the vectors of those with pixels, and settled outcomes."""

    stored: list[Prepared]
    vectors: Vectors
    settled: list[Outcome]


class Pipeline:
    """Runs work through the stages; a context manager that leaves no thread behind.

    Parameters
    ----------
    work : is iterated in a thread of its own; outcomes are passed on as they are
    parts : to read, decode and encode with
    threads : that decode
    """

    def __init__(self, work: Iterable[Work | Outcome], parts: Parts, threads: int) -> None:
        self._work = work
        self._parts = parts
        self._adder = Adder(parts)
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._fetching: Channel[Work] = Channel(2 * FETCHERS)
        self._reading: Channel[Work] = Channel(
            4 * BATCH, weigh=lambda work: work.weight, most=WAITING_BYTES
        )
        self._ready: Channel[Prepared | Outcome] = Channel(
            8 * BATCH, writers=threads + 1, weigh=_decoded_bytes, most=READY_BYTES
        )
        self._encoded: Channel[Batch] = Channel(WRITE_BATCHES, writers=ENCODERS)
        self._threads: list[threading.Thread] = []
        self._count = threads
        self._fetches = False

    def __enter__(self) -> Pipeline:
        self._start(self._feed, "feed")
        for _ in range(self._count):
            self._start(self._prepare, "decode")
        for _ in range(ENCODERS):
            self._start(self._encode, "encode")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._abort()
        # When a run is cut short, one that hangs on a picture or an address isn't waited for.
        deadline = time.monotonic() + _HURRY
        for thread in self._threads:
            hurry = self._stopping.is_set()
            thread.join(max(0.0, deadline - time.monotonic()) if hurry else None)

    def batches(self) -> Iterator[list[Batch]]:
        """What has been encoded meanwhile, batch by batch, until all work is done."""
        while batches := self._encoded.take(WRITE_BATCHES, patience=WRITE_PATIENCE):
            yield batches
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End soon: what is decoded is still encoded, the rest is left for the next run."""
        self._stopping.set()
        self._fetching.close(drop=True)
        self._reading.close(drop=True)
        self._ready.close(drop=False)

    def _abort(self) -> None:
        self.stop()
        self._ready.close(drop=True)
        self._encoded.close(drop=True)

    def _start(self, stage: Callable[[], None], name: str) -> None:
        thread = threading.Thread(
            target=self._guard, args=(stage,), name=f"kinlens-{name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _guard(self, stage: Callable[[], None]) -> None:
        """A stage that fails ends the run, and its error reaches the caller."""
        try:
            stage()
        except BaseException as error:
            self._error = self._error or error
            self.stop()

    def _feed(self) -> None:
        try:
            for entry in self._work:
                if self._stopping.is_set():
                    break
                if isinstance(entry, Outcome):
                    self._ready.put(entry)
                elif entry.new.url is not None and not entry.same_picture:
                    self._start_fetchers()
                    self._fetching.put(entry)
                else:
                    self._reading.put(entry)
        finally:
            self._fetching.finish()
            self._reading.finish()
            self._ready.finish()

    def _start_fetchers(self) -> None:
        if self._fetches:
            return
        self._fetches = True
        for _ in range(FETCHERS):
            self._reading.add_writer()
            self._ready.add_writer()
            self._start(self._fetch, "fetch")

    def _fetch(self) -> None:
        try:
            while taken := self._fetching.take():
                for entry in taken:
                    try:
                        data = self._adder.read(entry.new)
                    except KinlensError as error:
                        self._ready.put(failure(entry.new, error))
                    else:
                        self._reading.put(replace(entry, data=data))
        finally:
            self._reading.finish()
            self._ready.finish()

    def _prepare(self) -> None:
        try:
            while taken := self._reading.take(HANDFUL):
                for entry in taken:
                    if self._stopping.is_set():
                        break
                    self._ready.put(
                        self._adder.prepare(
                            entry.new,
                            entry.known,
                            data=entry.data,
                            same_picture=entry.same_picture,
                        )
                    )
        finally:
            self._ready.finish()

    def _encode(self) -> None:
        try:
            while taken := self._ready.take(BATCH, patience=PATIENCE):
                prepared = [entry for entry in taken if isinstance(entry, Prepared)]
                settled = [entry for entry in taken if isinstance(entry, Outcome)]
                stored, vectors, failed = separate(prepared, self._parts.encoder)
                self._encoded.put(Batch(stored, vectors, settled + failed))
        finally:
            self._encoded.finish()


def _decoded_bytes(entry: Prepared | Outcome) -> int:
    pixels = entry.pixels if isinstance(entry, Prepared) else None
    return 0 if pixels is None else pixels.nbytes
