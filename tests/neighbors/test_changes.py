"""Any sequence of changes leaves the index as a dictionary would be left."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kinlens.neighbors import ExactIndex, storage
from neighbors.twin import BEGINNERS, check_neighbors

SEEDS = st.integers(0, 2**32)
METRICS = st.sampled_from(["euclidean", "cosine", "inner"])


class Changes(RuleBasedStateMachine):
    """Rows are appended, replaced and deleted at random, in blocks that fill several chunks."""

    @initialize(dim=st.sampled_from([3, 40, 2048]), kernel=st.sampled_from(BEGINNERS))
    def begin(self, dim: int, kernel: str | None) -> None:
        self.index = ExactIndex(dim, kernel=kernel)
        self.data = np.empty((0, dim), np.float32)
        self.alive = np.empty(0, bool)

    @rule(seed=SEEDS, n=st.sampled_from([1, 2, 300, 2500]), shift=st.sampled_from([0, 5]))
    def append(self, seed: int, n: int, shift: float) -> None:
        if len(self.data) > 12_000:
            return
        new = self._vectors(seed, n) + np.float32(shift)
        rows = self.index.append(new)
        np.testing.assert_array_equal(rows, np.arange(len(self.data), len(self.data) + n))
        self.data = np.concatenate([self.data, new])
        self.alive = np.concatenate([self.alive, np.ones(n, bool)])

    @rule(seed=SEEDS, share=st.sampled_from([0.001, 0.2, 1.0]))
    def replace(self, seed: int, share: float) -> None:
        rows = self._some(seed, share)
        self.data[rows] = self._vectors(seed, len(rows))
        self.index.replace(rows, self.data[rows])

    @rule(seed=SEEDS, share=st.sampled_from([0.001, 0.3, 0.9]))
    def delete(self, seed: int, share: float) -> None:
        rows = self._some(seed, share)
        self.index.delete(rows)
        self.alive[rows] = False

    @rule(seed=SEEDS, q=st.sampled_from([1, 4]), k=st.integers(1, 20), metric=METRICS)
    def search(self, seed: int, q: int, k: int, metric: str) -> None:
        queries = self._vectors(seed, q)
        found = self.index.search(queries, k, metric=metric)
        check_neighbors(found, self.data, queries, k, metric, self.alive)

    @invariant()
    def counts_and_vectors_agree(self) -> None:
        rows = np.flatnonzero(self.alive)
        assert (len(self.index), self.index.capacity) == (len(rows), len(self.alive))
        np.testing.assert_array_equal(self.index.vectors(rows), self.data[rows])

    @invariant()
    def retired_slots_take_bounded_room(self) -> None:
        dim = self.data.shape[1]
        chunk = storage.chunk_slots(dim) * dim * 4
        assert self.index.vector_bytes <= 2 * len(self.index) * dim * 4 + 2 * chunk

    def _vectors(self, seed: int, n: int) -> np.ndarray:
        dim = self.data.shape[1]
        return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)

    def _some(self, seed: int, share: float) -> np.ndarray:
        rows = np.flatnonzero(self.alive)
        return rows[np.random.default_rng(seed).random(len(rows)) < share]


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
