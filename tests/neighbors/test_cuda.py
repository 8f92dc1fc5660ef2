"""The GPU's kernel, all its steps run by torch on the CPU: the same answers, to the last bit."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from fractions import Fraction

import numpy as np
import pytest

from kinlens.errors import InvalidInput
from kinlens.neighbors import ExactIndex, Neighbors, engine, exact, tensors
from kinlens.neighbors.kernels import KERNELS, wide
from kinlens.neighbors.kernels.columns import Columns
from kinlens.neighbors.kernels.cuda import CudaKernel
from kinlens.neighbors.kernels.held import Store
from kinlens.neighbors.kernels.seen import slot_error
from kinlens.neighbors.kernels.selection import Selection
from kinlens.neighbors.result import NEIGHBOR_METRICS
from kinlens.neighbors.task import Task, key_of
from neighbors.hard_data import MAKERS, Maker, all_sizes, huge, unit
from neighbors.twin import all_distances, check_neighbors

torch = pytest.importorskip("torch")
ORACLE = KERNELS[-1]


def on_cpu(data: np.ndarray, **options: int) -> tuple[ExactIndex, CudaKernel]:
    """An index that screens with the GPU's kernel, and else looks at every row in float64."""
    kernel = CudaKernel("cpu", least_work=0, **options)
    index = ExactIndex(data.shape[1])
    index._engine = engine.Engine((kernel, ORACLE))
    index.append(data)
    return index, kernel


def oracle(data: np.ndarray) -> ExactIndex:
    index = ExactIndex(data.shape[1], kernel="float64")
    index.append(data)
    return index


def assert_same(found: Neighbors, expected: Neighbors) -> None:
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_hard_data(make: Maker, metric: str) -> None:
    rng = np.random.default_rng(1)
    data = make(rng, 3000, 48).astype(np.float32)
    queries = np.concatenate([data[:3], make(rng, 3, 48).astype(np.float32)])
    index, _ = on_cpu(data)
    found = index.search(queries, 7, metric=metric)
    check_neighbors(found, data, queries, 7, metric)
    assert_same(found, oracle(data).search(queries, 7, metric=metric))


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize("length", [1.0, 40.0])
def test_it_decides_on_few(metric: str, length: float) -> None:
    rng = np.random.default_rng(2)
    data = (length * unit(rng, 20_000, 64)).astype(np.float32)
    index, _ = on_cpu(data)
    found = index.search(data[:8], 10, metric=metric)
    assert found.kernel == "cuda"
    assert found.candidates < 8 * 14
    assert_same(found, oracle(data).search(data[:8], 10, metric=metric))


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_many_chunks_boards_and_blocks_of_queries(metric: str, monkeypatch) -> None:
    monkeypatch.setattr("kinlens.neighbors.kernels.cuda._MOST_MEMBERS", 32 * 14 * 10)
    rng = np.random.default_rng(3)
    data = rng.standard_normal((40_000, 9), dtype=np.float32)
    data[20_000:] += 7  # so that chunks have centers of their own
    queries = rng.standard_normal((25, 9), dtype=np.float32) + 3
    index, kernel = on_cpu(data, most_estimates=25 * 20_000)
    found = index.search(queries, 3, metric=metric)
    assert found.kernel == ("cuda+float64" if metric == "cosine" else "cuda")
    assert_same(found, oracle(data).search(queries, 3, metric=metric))
    assert kernel.store.nbytes > data.nbytes


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_what_memory_cannot_hold_is_streamed(metric: str) -> None:
    rng = np.random.default_rng(4)
    data = rng.standard_normal((36_000, 8), dtype=np.float32)
    queries = rng.standard_normal((300, 8), dtype=np.float32)
    index, kernel = on_cpu(data, most_bytes=20_000 * 48)
    found = index.search(queries, 4, metric=metric)
    assert found.kernel == "cuda"
    assert 0 < kernel.store.nbytes <= 20_000 * 48
    assert_same(found, oracle(data).search(queries, 4, metric=metric))
    assert index.search(queries[:5], 4, metric=metric).kernel == "float64"  # too few to send it all


def test_masks_appends_replacements_and_deletions() -> None:
    rng = np.random.default_rng(5)
    data = rng.standard_normal((5000, 24), dtype=np.float32)
    index, _ = on_cpu(data[:10])
    plain = oracle(data[:10])
    for step in range(1, 6):
        more = data[10 ** (step - 1) : 10**step] * step
        for each in (index, plain):
            each.append(more)
            each.delete([step])
            each.replace([step + 2], -data[step : step + 1])
        mask = rng.random(index.capacity) < 0.7
        for allowed in (None, mask):
            found = index.search(data[:6], 2, metric="cosine", mask=allowed)
            assert_same(found, plain.search(data[:6], 2, metric="cosine", mask=allowed))
    assert found.kernel == "cuda"


def test_copies_of_few_rows_are_not_sent_over_for_few_queries() -> None:
    rng = np.random.default_rng(16)
    data = unit(rng, 12_000, 24).astype(np.float32)
    index, _ = on_cpu(data)
    mask = np.arange(12_000) % 60 == 0
    for count, kernel in ((20, "float64"), (256, "cuda")):
        found = index.search(data[:count], 2, mask=mask)
        assert found.kernel == kernel
        assert_same(found, oracle(data).search(data[:count], 2, mask=mask))


def test_queries_of_all_lengths_and_beyond_the_range() -> None:
    rng = np.random.default_rng(6)
    data = unit(rng, 4000, 32).astype(np.float32)
    queries = np.concatenate([all_sizes(rng, 12, 32), huge(rng, 2, 32), np.zeros((1, 32))])
    queries = queries.astype(np.float32)
    index, _ = on_cpu(data)
    for metric in NEIGHBOR_METRICS:
        found = index.search(queries, 5, metric=metric)
        assert_same(found, oracle(data).search(queries, 5, metric=metric))
        assert found.kernel == "cuda+float64"


def test_thousands_of_duplicates_tie_by_the_lower_row() -> None:
    rng = np.random.default_rng(7)
    data = unit(rng, 6000, 32).astype(np.float32)
    few, many = rng.permutation(6000)[:100], rng.permutation(6000)[:3000]
    for same, kernel in ((few, "cuda"), (many, "float64")):
        data[same] = data[same[0]]
        index, _ = on_cpu(data)
        found = index.search(data[same[:1]], 50, metric="cosine")
        np.testing.assert_array_equal(found.rows[0], np.sort(same)[:50])
        assert found.kernel == kernel


def test_memory_is_given_back_with_the_vectors() -> None:
    data = unit(np.random.default_rng(8), 20_000, 16).astype(np.float32)
    index, kernel = on_cpu(data)
    index.search(data[:2], 3)
    assert kernel.store.nbytes > 20_000 * 16 * 6
    index.delete(np.arange(16_384))
    index.search(data[-2:], 3)
    assert kernel.store.nbytes < 20_000 * 16 * 6
    del index
    gc.collect()
    assert kernel.store.nbytes == 0


def test_threads_take_turns() -> None:
    rng = np.random.default_rng(9)
    data = unit(rng, 6000, 32).astype(np.float32)
    index, _ = on_cpu(data)
    wrong: list[int] = []

    def look(first: int) -> None:
        for row in range(first, first + 20):
            found = index.search(data[row], 1)
            if found.rows[0, 0] != row or found.kernel != "cuda":
                wrong.append(row)

    threads = [threading.Thread(target=look, args=(20 * turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(10):
        index.append(-data[turn : turn + 1])
    for thread in threads:
        thread.join()
    assert wrong == []


def test_too_little_memory_passes_the_queries_on(monkeypatch) -> None:
    data = unit(np.random.default_rng(10), 2000, 16).astype(np.float32)
    index, _ = on_cpu(data)

    def none_left(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Store, "coded", none_left)
    assert index.search(data[:3], 2).kernel == "float64"


@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
@pytest.mark.parametrize(
    "make", [make for make in MAKERS if make is not huge], ids=lambda make: make.__name__
)
def test_lower_bounds_are_below_and_keys_within(make: Maker, metric: str) -> None:
    rng = np.random.default_rng(11)
    data, queries = (make(rng, n, 96).astype(np.float32) for n in (640, 9))
    index, kernel = on_cpu(data)
    chunks = index._snapshot.chunks
    task = Task(chunks, (None,), len(data), queries, 1, metric)
    with torch.inference_mode():
        columns = Columns.of(task, kernel.store)
        some = kernel.device.put(queries)
        chosen = Selection(
            kernel.store, task, columns, some, keep=len(data), most_estimates=1 << 20
        )
        chunk = chosen._chunk_of(chosen._column)
        low, column = chosen._low.double().numpy(), chosen._column.numpy()
        allowed = chosen._errors(chosen._allowed, chunk).numpy()
        error = chosen._errors(chosen._near, chunk).numpy() + 2.0**-22 * np.abs(low)
    truth = key_of(all_distances(data, queries, metric), metric)
    truth = np.take_along_axis(truth, column, axis=1)
    assert sorted(column[0].tolist()) == list(range(len(data)))
    assert (low <= truth).all()
    assert (np.abs(low + allowed - truth) <= error).all()


def test_the_bound_is_not_idle() -> None:
    rng = np.random.default_rng(12)
    data, queries = (unit(rng, n, 512).astype(np.float32) for n in (2000, 4))
    index, kernel = on_cpu(data)
    task = Task(index._snapshot.chunks, (None,), len(data), queries, 1, "sqeuclidean")
    with torch.inference_mode():
        columns = Columns.of(task, kernel.store)
        some = kernel.device.put(queries)
        chosen = Selection(kernel.store, task, columns, some, keep=99, most_estimates=1 << 20)
        error = chosen._errors(chosen._near, chosen._chunk_of(chosen._column))
    assert float(error.max()) < 2.2e-3  # a tenth of what int8 needs


def test_tensor_cores_as_their_models_say_stay_within_the_bound() -> None:
    """Cuts off at 24 bits, in groups of 16 aligned to the largest, and never rounds up."""
    rng = np.random.default_rng(13)
    for dim in (16, 64, 1024):
        a, b = (np.abs(rng.standard_normal(dim)).astype(np.float16) for _ in range(2))
        total = 0.0
        for start in range(0, dim, 16):
            part = slice(start, start + 16)
            terms = [total, *(a[part].astype(np.float64) * b[part].astype(np.float64))]
            unit_in_play = 2.0 ** (np.frexp(max(map(abs, terms)))[1] - 24)
            total = sum(np.floor(term / unit_in_play) * unit_in_play for term in terms)
            total = float(np.float32(total)) - float(np.spacing(np.float32(total)))
        exactly = sum(Fraction(float(x)) * Fraction(float(y)) for x, y in zip(a, b, strict=True))
        lengths = float(np.linalg.norm(a.astype(float)) * np.linalg.norm(b.astype(float)))
        lost = float(exactly - Fraction(total))
        assert 0 < lost < (slot_error(dim) - 1.01 * 2.0**-11) * lengths


@pytest.mark.parametrize("dim", [1, 2, 7, 8, 9, 31, 127, 128, 129, 200, 1000, 1280, 2048, 4099])
@pytest.mark.parametrize("metric", NEIGHBOR_METRICS)
def test_distances_are_those_of_the_cpu_to_the_last_bit(metric: str, dim: int) -> None:
    rng = np.random.default_rng(dim)
    vectors, queries = rng.standard_normal((2, 40, dim)).astype(np.float32)
    vectors[3], queries[4], vectors[5] = 0, 0, queries[5]
    device = tensors.Device("cpu")
    doubles = [device.put(array).double() for array in (vectors, queries)]
    found = wide.distances(*doubles, metric, device).numpy()
    np.testing.assert_array_equal(found, exact.distances(vectors, queries, metric))


def test_a_matrix_that_may_not_be_written_is_taken_without_a_warning() -> None:
    data = unit(np.random.default_rng(14), 500, 16).astype(np.float32)
    queries = data[:3].copy()
    queries.flags.writeable = False
    index, _ = on_cpu(data)
    assert index.search(queries, 1).rows[:, 0].tolist() == [0, 1, 2]


def test_float16_sums_are_refused() -> None:
    data = unit(np.random.default_rng(15), 500, 16).astype(np.float32)
    index, _ = on_cpu(data)
    torch.backends.cuda.matmul.allow_fp16_accumulation = True
    try:
        assert index.search(data[:1], 1).kernel == "float64"
    finally:
        torch.backends.cuda.matmul.allow_fp16_accumulation = False


@pytest.mark.skipif(not KERNELS[0].missing(), reason="this machine has a GPU")
def test_naming_it_without_a_gpu_says_what_is_needed() -> None:
    with pytest.raises(InvalidInput, match=r"'cuda' needs (an NVIDIA GPU|a GPU|a PyTorch)"):
        ExactIndex(3, kernel="cuda")


def test_without_torch_it_says_how_to_get_it(monkeypatch) -> None:
    tensors.missing.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    try:
        assert "pip install 'kinlens[gpu]'" in tensors.missing("cuda")
    finally:
        tensors.missing.cache_clear()


@pytest.mark.skipif(not KERNELS[0].missing(), reason="this machine has a GPU")
def test_a_search_without_a_gpu_never_imports_torch() -> None:
    code = (
        "import sys, numpy as np; from kinlens.neighbors import ExactIndex;"
        "data = np.random.default_rng(0).random((20_000, 64), np.float32);"
        "index = ExactIndex(64); index.append(data);"
        "print(index.search(data[:64], 5).kernel, 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split()[1] == "False"
