"""Neighbors in blocks: the same as all at once, from any source, however often it was killed."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinlens.errors import InvalidInput, MissingDependency, OutputError, SourceError
from kinlens.neighbors import ExactIndex, stream_neighbors
from neighbors.twin import check_neighbors

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

TINY = 40_000
"""Bytes that make blocks of 64 to 100 vectors of 16 dimensions."""


def vectors(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = rng.integers(-3, 4, (count, dim)) + 0.01 * rng.standard_normal((count, dim))
    made[count // 2 :] = np.round(made[count // 2 :])  # ties, also across blocks
    return made.astype(np.float32)


def write_parquet(path: Path, array: np.ndarray, kind: str, group: int = 70) -> Path:
    flat = pa.array(array.ravel())
    if kind == "fixed":
        column = pa.FixedSizeListArray.from_arrays(flat, array.shape[1])
    else:
        offsets = pa.array(np.arange(len(array) + 1) * array.shape[1], pa.int32())
        column = pa.ListArray.from_arrays(offsets, flat)
    table = pa.table({"id": np.arange(len(array)), "vector": column, "note": ["x"] * len(array)})
    parquet.write_table(table, path, row_group_size=group)
    return path


def stored(kind: str, array: np.ndarray, folder: Path, name: str) -> object:
    if kind == "array":
        return array
    if kind in ("npy", "memmap", "fortran"):
        path = folder / f"{name}.npy"
        np.save(path, np.asfortranarray(array) if kind == "fortran" else array)
        return np.load(path, mmap_mode="r") if kind == "memmap" else path
    return write_parquet(folder / f"{name}.parquet", array, kind)


KINDS = ["array", "memmap", "npy", "fortran", "fixed", "list"]


@pytest.mark.parametrize("queries_kind", ["npy", "list"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_source_gives_what_one_search_gives(tmp_path: Path, kind: str, queries_kind: str):
    data, queries = vectors(500), vectors(150, seed=1)
    found = stream_neighbors(
        stored(kind, data, tmp_path, "data"),
        stored(queries_kind, queries, tmp_path, "queries"),
        7,
        memory=TINY,
    )
    index = ExactIndex(16)
    index.append(data)
    whole = index.search(queries, 7)
    np.testing.assert_array_equal(found.rows, whole.rows)
    np.testing.assert_array_equal(found.distances, whole.distances)
    assert found.certified
    assert found.candidates > 0


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(0, 300),
    q=st.integers(0, 90),
    k=st.integers(0, 12),
    metric=st.sampled_from(["euclidean", "sqeuclidean", "cosine", "inner"]),
    memory=st.sampled_from([1, TINY, 10**9]),
    seed=st.integers(0, 99),
)
def test_blocks_of_any_size_agree_with_the_twin(n, q, k, metric, memory, seed):
    data, queries = vectors(n, 5, seed), vectors(q, 5, seed + 1)
    found = stream_neighbors(data, queries, k, metric=metric, memory=memory)
    check_neighbors(found, data, queries, k, metric)


@pytest.mark.parametrize("memory", [TINY, None])
def test_vectors_against_themselves_leave_out_each_its_own(memory):
    data = vectors(300)
    data[20:60] = data[10]  # more that are equal than k: a row's own isn't among the nearest
    found = stream_neighbors(data, k=5, memory=memory)
    rows = np.arange(300)
    assert not (found.rows == rows[:, None]).any()
    index = ExactIndex(16)
    index.append(data)
    for row in rows:
        expected = index.search(data[row], 5, mask=rows != row)
        np.testing.assert_array_equal(found.rows[row], expected.rows[0])
        np.testing.assert_array_equal(found.distances[row], expected.distances[0])


@pytest.mark.parametrize(("n", "k", "width"), [(0, 3, 0), (1, 3, 0), (2, 3, 1), (5, 9, 4)])
def test_few_vectors_have_few_neighbors(n: int, k: int, width: int):
    assert stream_neighbors(vectors(n), k=k).rows.shape == (n, width)


def test_other_numbers_are_read_as_float32(tmp_path: Path):
    data = vectors(200)
    for dtype in (np.float16, np.float64, np.int8, ">f4"):
        same = np.round(data).astype(dtype)
        np.save(tmp_path / "data.npy", same)
        found = stream_neighbors(tmp_path / "data.npy", k=3, memory=TINY)
        np.testing.assert_array_equal(found.rows, stream_neighbors(np.round(data), k=3).rows)


def test_results_lie_in_files_and_progress_is_told(tmp_path: Path):
    told: list[tuple[int, int]] = []
    data = vectors(400)
    found = stream_neighbors(
        data, k=4, memory=TINY, work=tmp_path, progress=lambda *pairs: told.append(pairs)
    )
    assert isinstance(found.rows, np.memmap)
    np.testing.assert_array_equal(found.rows, stream_neighbors(data, k=4).rows)
    assert len(told) > 10
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (400 * 400, 400 * 400)
    again = stream_neighbors(data, k=4, work=tmp_path, progress=lambda *_: pytest.fail("again"))
    np.testing.assert_array_equal(again.rows, found.rows)
    assert again.kernel == found.kernel


class Stop(Exception):
    """Cuts a run short."""


def stopping(after: int):
    steps = iter(range(after, -1, -1))

    def tell(done: int, total: int) -> None:
        if next(steps, 0) == 0:
            raise Stop

    return tell


def test_a_run_goes_on_with_less_memory_than_it_began_with(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("kinlens.neighbors.streaming.KEEP_EVERY", 0.0)
    data = vectors(700)
    expected = stream_neighbors(data, k=6)
    for steps, memory in ((9, 100_000), (4, TINY), (15, 60_000), (8, 200_000)):
        with pytest.raises(Stop):
            stream_neighbors(data, k=6, work=tmp_path, memory=memory, progress=stopping(steps))
    found = stream_neighbors(data, k=6, work=tmp_path, memory=TINY)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_a_run_with_other_arguments_begins_anew(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("kinlens.neighbors.streaming.KEEP_EVERY", 0.0)
    data, other = vectors(300), vectors(300, seed=5)
    with pytest.raises(Stop):
        stream_neighbors(data, k=3, work=tmp_path, memory=TINY, progress=stopping(12))
    found = stream_neighbors(other, k=3, work=tmp_path, memory=TINY)
    np.testing.assert_array_equal(found.rows, stream_neighbors(other, k=3).rows)
    found = stream_neighbors(other, k=3, metric="cosine", work=tmp_path, memory=TINY)
    np.testing.assert_array_equal(found.rows, stream_neighbors(other, k=3, metric="cosine").rows)


_PROCESS = """
import sys
from kinlens.neighbors import stream_neighbors, streaming
streaming.KEEP_EVERY = 0.0
data, work = sys.argv[1:]
def tell(done, total):
    print(done, flush=True)
stream_neighbors(data, k=6, work=work, memory=40_000, progress=tell)
print("end", flush=True)
"""


def test_killed_again_and_again_it_ends_with_the_same(tmp_path: Path):
    data = vectors(900)
    np.save(tmp_path / "data.npy", data)
    rng = np.random.default_rng(0)
    reached = [0]
    for _ in range(40):
        command = [sys.executable, "-c", _PROCESS, str(tmp_path / "data.npy"), str(tmp_path / "w")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            lines = []
            for line in process.stdout:
                lines.append(line.strip())
                if len(lines) == rng.integers(20, 60) or len(lines) > 60:
                    process.send_signal(signal.SIGKILL)
                    break
        if "end" in lines:
            break
        assert int(lines[0]) >= reached[-1], "it began anew"
        reached.append(int(lines[-1]))
    assert "end" in lines
    assert len(reached) > 2, "it was never killed"
    found = stream_neighbors(tmp_path / "data.npy", k=6, work=tmp_path / "w")
    expected = stream_neighbors(data, k=6)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.distances, expected.distances)


def test_a_full_disk_is_said_so_and_nothing_is_lost(tmp_path: Path):
    data = vectors(400)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OutputError, match="No space is left"):
            stream_neighbors(data, k=6, work=tmp_path / "work")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    found = stream_neighbors(data, k=6, work=tmp_path / "work")
    np.testing.assert_array_equal(found.rows, stream_neighbors(data, k=6).rows)


def test_what_cannot_be_used_is_said_so(tmp_path: Path):
    data = vectors(50)
    with pytest.raises(InvalidInput, match="length of the vectors, 16; got 5"):
        stream_neighbors(data, vectors(3, 5))
    with pytest.raises(InvalidInput, match=r"shape \(n, dim\); got float32 \(16,\)"):
        stream_neighbors(data[0])
    with pytest.raises(InvalidInput, match="memory is a number of bytes above 0; got '1GB'"):
        stream_neighbors(data, memory="1GB")
    with pytest.raises(InvalidInput, match="memory is a number of bytes"):
        stream_neighbors(data, memory=0)
    with pytest.raises(InvalidInput, match="metric"):
        stream_neighbors(data, metric="manhattan")
    with pytest.raises(SourceError, match="doesn't exist"):
        stream_neighbors(tmp_path / "nothing.npy")
    (tmp_path / "broken.npy").write_bytes(b"not numpy")
    with pytest.raises(SourceError, match=r"broken\.npy can't be read"):
        stream_neighbors(tmp_path / "broken.npy")
    (tmp_path / "data.txt").write_bytes(b"")
    with pytest.raises(SourceError, match=r"end in \.npy or \.parquet"):
        stream_neighbors(tmp_path / "data.txt")
    broken = data.copy()
    broken[33, 3] = np.nan
    np.save(tmp_path / "nan.npy", broken)
    with pytest.raises(InvalidInput, match=r"nan\.npy, from row 0 on: .*row 33 holds NaN"):
        stream_neighbors(tmp_path / "nan.npy")


def test_parquet_files_without_vectors_are_said_so(tmp_path: Path):
    path = tmp_path / "table.parquet"

    def refused(columns: dict, match: str, **options: object) -> None:
        parquet.write_table(pa.table(columns), path)
        with pytest.raises(SourceError, match=match):
            stream_neighbors(path, **options)

    refused({"id": [1, 2]}, "it has none")
    refused({"a": [[1.0]], "b": [[2.0]]}, "it has a, b")
    refused({"a": [[1.0]], "b": [[2.0]]}, "no column 'c'", column="c")
    refused({"v": [[1.0, 2.0], [3.0]]}, r"here 2; row 2 of .* has 1")
    refused({"v": [[1.0, 2.0], None]}, "row 2 of .* has none")
    refused({"v": [[1.0, 2.0], [None, 1.0]]}, "missing numbers")
    refused({"v": pa.array([], pa.list_(pa.float32()))}, "no rows")


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch):
    path = write_parquet(tmp_path / "v.parquet", vectors(3), "fixed")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependency, match=r"kinlens\[parquet\]"):
        stream_neighbors(path)


_MEMORY = """
import resource, sys
from kinlens.neighbors import stream_neighbors
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
queries, small, large, work = sys.argv[1:]
stream_neighbors(small, queries, k=5, memory=8_000_000, work=work + "small")
before = peak()
stream_neighbors(large, queries, k=5, memory=8_000_000, work=work + "large")
print(peak() - before)
"""


def test_memory_stays_flat(tmp_path: Path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "queries.npy", rng.standard_normal((300, 64)).astype(np.float32))
    np.save(tmp_path / "small.npy", rng.standard_normal((9_000, 64)).astype(np.float32))
    np.save(tmp_path / "large.npy", rng.standard_normal((150_000, 64)).astype(np.float32))
    paths = [str(tmp_path / name) for name in ("queries.npy", "small.npy", "large.npy", "work")]
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, *paths], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 15_000_000, "the larger file has 38 MB"
