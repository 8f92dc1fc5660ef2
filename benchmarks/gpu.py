"""The nearest of 90,000 vectors of 2048 numbers for 10,000 queries, on an NVIDIA GPU.

Vectors lie on the device before the clock starts, for all. "kinlens" is the call as a user makes
it: queries from NumPy arrays in memory, answers into such; "resident" peers have the queries on
the device already. All take turns, and figures are medians of the rounds. "torch" is the float32
product with TF32 off and `topk`; FAISS and cuVS take part where they are installed.

`same_rows` is the share of neighbors that are Kinlens's, whose own are compared with float64 on
some of the queries, to the last bit; others may swap neighbors that float32 can't tell apart.

python benchmarks/gpu.py [--rows 90000] [--queries 10000] [--dim 2048] [--k 3] [--rounds 7]
                         [--vectors FILE.npy --of-queries FILE.npy]
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from report import Report

from kinlens.neighbors import ExactIndex
from kinlens.neighbors.kernels import KERNELS
from kinlens.neighbors.kernels.cuda import CudaKernel
from kinlens.neighbors.kernels.held import padded
from kinlens.neighbors.storage import Chunk
from kinlens.neighbors.task import Task
from kinlens.types import Vectors

Case = tuple[str, Vectors, Vectors]
Rows = npt.NDArray[np.int64]
SAMPLE = 100
WRITE_UP_MS = 791
"""What the write-up took for the default sizes on a V100."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=90_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=2048)
    parser.add_argument("--k", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--vectors", type=Path, help="measure on these too, with --of-queries")
    parser.add_argument("--of-queries", type=Path)
    options = parser.parse_args()
    kernel = KERNELS[0]
    assert isinstance(kernel, CudaKernel)
    if kernel.missing():
        print(f"Nothing measured: this needs {kernel.missing()}.")
        return
    report = Report("gpu", "How fast are exact neighbors on a GPU, beside torch, FAISS and cuVS?")
    report.add(measured="device", name=kernel.device.torch.cuda.get_device_name())
    for case in data(options):
        measure(report, kernel, case, options.k, options.rounds)
        measure_single(report, kernel, case, options.k)
    report.write()


def data(options: argparse.Namespace) -> Iterator[Case]:
    """Vectors as an encoder gives them, and the hardest ones."""
    rows, queries, dim = options.rows, options.queries, options.dim
    rng = np.random.default_rng(0)
    both = rectified(rng, rows + queries, dim)
    yield "like an encoder's", both[queries:], both[:queries]
    both = rng.random((rows + queries, dim), np.float32)
    yield "uniform", both[queries:], both[:queries]
    if options.vectors is not None:
        yield options.vectors.stem, np.load(options.vectors), np.load(options.of_queries)


def rectified(rng: np.random.Generator, count: int, dim: int) -> Vectors:
    """Numbers from 0 up with a spectrum that decays, as a rectifier and an average leave."""
    inner = min(256, dim)
    spread = np.arange(1, inner + 1, dtype=np.float32) ** -0.7
    mix = rng.standard_normal((inner, dim), dtype=np.float32) * spread[:, None]
    made = np.empty((count, dim), np.float32)
    for start in range(0, count, 4096):
        part = made[start : start + 4096]
        np.matmul(rng.standard_normal((len(part), inner), dtype=np.float32), mix, out=part)
        part += 0.1 * rng.standard_normal(part.shape, dtype=np.float32)
        np.maximum(part, 0, out=part)
    return made


def measure(report: Report, kernel: CudaKernel, case: Case, k: int, rounds: int) -> None:
    """All peers in turn."""
    name, vectors, queries = case
    ours = ExactIndex(vectors.shape[1], kernel="cuda")
    ours.append(vectors)
    answer = ours.search(queries, k)
    check(ours, vectors, queries, k)
    resident = on_device(kernel, ours, queries, k)
    peers = {"kinlens": lambda: ours.search(queries, k).rows, "kinlens, resident": resident}
    peers |= dict(others(kernel, vectors, queries, k))
    seconds: dict[str, list[float]] = {peer: [] for peer in peers}
    found = {peer: call() for peer, call in peers.items()}
    for _ in range(rounds):
        for peer, call in peers.items():
            seconds[peer].append(timed(kernel, call))
    limit = median(timed(kernel, products(kernel, ours, queries)) for _ in range(rounds))
    operations = 2 * len(vectors) * len(queries) * vectors.shape[1]
    for peer in peers:
        report.add(
            measured=f"{len(queries)} queries",
            data=name,
            peer=peer,
            rows=len(vectors),
            dim=vectors.shape[1],
            k=k,
            ms=median(seconds[peer]) * 1e3,
            rounds_ms=[round(each * 1e3, 2) for each in seconds[peer]],
            same_rows=same(found[peer], answer.rows),
        )
    report.add(
        measured="float16 products alone",
        data=name,
        ms=limit * 1e3,
        tflops=operations / limit / 1e12,
    )
    report.add(
        measured="decided in float64",
        data=name,
        kernel=answer.kernel,
        candidates_per_query=answer.candidates / len(queries),
        write_up_ms=WRITE_UP_MS,
    )


def measure_single(report: Report, kernel: CudaKernel, case: Case, k: int) -> None:
    """One query at a time."""
    name, vectors, queries = case
    queries = queries[:200]
    ours = ExactIndex(vectors.shape[1], kernel="cuda")
    ours.append(vectors)
    ours.search(queries[:1], k)
    seconds = [
        timed(kernel, lambda row=row: ours.search(queries[row], k)) for row in range(len(queries))
    ]
    report.add(
        measured="single queries",
        data=name,
        peer="kinlens",
        p50_ms=median(seconds) * 1e3,
        p99_ms=float(np.percentile(seconds, 99)) * 1e3,
    )


def check(ours: ExactIndex, vectors: Vectors, queries: Vectors, k: int) -> None:
    """Kinlens on the GPU beside float64 on the CPU: the same rows, the same bits."""
    plain = ExactIndex(vectors.shape[1], kernel="float64")
    plain.append(vectors)
    found, expected = ours.search(queries, k), plain.search(queries[:SAMPLE], k)
    assert found.kernel == "cuda", found.kernel
    np.testing.assert_array_equal(found.rows[:SAMPLE], expected.rows)
    np.testing.assert_array_equal(found.distances[:SAMPLE], expected.distances)


def chunks_of(index: ExactIndex) -> tuple[Chunk, ...]:
    return index._snapshot.chunks


def on_device(
    kernel: CudaKernel, index: ExactIndex, queries: Vectors, k: int
) -> Callable[[], Rows]:
    """The kernel alone, its queries on the device."""
    chunks = chunks_of(index)
    task = Task(chunks, (None,) * len(chunks), len(index), queries, k, "euclidean")
    there = kernel.device.put(queries)

    def call() -> Rows:
        with kernel.device.working():
            decided = kernel.searched(task, there).decided
        assert decided is not None
        return decided.rows

    return call


def products(kernel: CudaKernel, index: ExactIndex, queries: Vectors) -> Callable[[], Any]:
    """The multiplication alone: what the machine can do at best."""
    device, store = kernel.device, kernel.store
    there = device.put(queries)
    width = padded(queries.shape[1], 8)
    codes = device.empty(len(queries), width, dtype="float16").zero_()
    codes[:, : queries.shape[1]] = there / there.abs().max()

    def call() -> None:
        with device.working():
            for chunk in chunks_of(index):
                device.products(codes, store.coded(chunk, chunk.count))

    return call


def others(
    kernel: CudaKernel, vectors: Vectors, queries: Vectors, k: int
) -> Iterator[tuple[str, Callable[[], Rows]]]:
    """Peers that are installed."""
    torch = kernel.device.torch
    torch.backends.cuda.matmul.allow_tf32 = False
    there, asked = kernel.device.put(vectors), kernel.device.put(queries)
    squares = (there * there).sum(1)

    def with_torch() -> Rows:
        found = []
        for part in asked.split(4096):
            keys = torch.addmm(squares, part, there.T, alpha=-2)
            found.append(keys.topk(k, dim=1, largest=False).indices)
        rows: Rows = torch.cat(found).cpu().numpy()
        return rows

    yield "torch float32, resident", with_torch
    if importlib.util.find_spec("faiss") is not None:
        import faiss

        if hasattr(faiss, "StandardGpuResources"):
            flat = faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), vectors.shape[1])
            flat.add(vectors)
            yield "faiss", lambda: flat.search(queries, k)[1]
    if importlib.util.find_spec("cuvs") is not None:
        from cuvs.neighbors import brute_force

        built = brute_force.build(there, metric="sqeuclidean")
        yield (
            "cuvs, resident",
            lambda: (
                torch.as_tensor(brute_force.search(built, asked, k)[1], device="cuda").cpu().numpy()
            ),
        )


def timed(kernel: CudaKernel, call: Callable[[], object]) -> float:
    """Seconds until the device has done it all."""
    synchronize = kernel.device.torch.cuda.synchronize
    synchronize()
    start = time.perf_counter()
    call()
    synchronize()
    return time.perf_counter() - start


def same(found: Rows, expected: Rows) -> float:
    """Share of the neighbors found that are expected, in any order."""
    pairs = zip(found, expected, strict=True)
    return float(np.mean([len(np.intersect1d(one, other)) for one, other in pairs])) / len(found[0])


if __name__ == "__main__":
    main()
