"""OpenVINO: the runtime for CPUs it has a wheel for.

One network is compiled twice. A single picture, a query, is computed by all threads together; a
batch is cut in pieces that streams of a few threads each compute side by side, which takes a
fifth less processor time a picture (MobileNetV2, batch 32, 2 cores of AVX2). The second is
compiled when the first batch comes, so that a command that encodes one picture doesn't wait.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from kinlens.encoders.compiled import CompiledCache
from kinlens.encoders.network import Batch, Network, Precision
from kinlens.encoders.quiet import without_telemetry
from kinlens.errors import BundleError, EncoderError

with without_telemetry():
    import openvino as ov

PIECE = 8
"""Pictures a stream computes at once, at most; many more push each other out of the cache."""

_HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}
_NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}


def precisions() -> tuple[Precision, ...]:
    """What it computes in on this machine, the default first."""
    return precisions_of(ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def precisions_of(capabilities: Sequence[str]) -> tuple[Precision, ...]:
    """What a CPU of these capabilities computes in, the default first.

    Parameters
    ----------
    capabilities : as OpenVINO names them: "FP32", "INT8", "BF16" and others
    """
    return ("bfloat16", "float32") if "BF16" in capabilities else ("float32",)


def open_session(
    network: Network, threads: int, precision: Precision, cache: CompiledCache | None = None
) -> OpenVinoSession:
    """Compile a network, or take it from the cache; `BundleError` if OpenVINO can't read it."""
    return OpenVinoSession(network, threads, precision, cache)


class OpenVinoSession:
    """See `Session`."""

    runtime = "openvino"

    def __init__(
        self,
        network: Network,
        threads: int,
        precision: Precision,
        cache: CompiledCache | None = None,
    ) -> None:
        self._network = network
        self._core = ov.Core()
        self._threads = threads
        self._hint = _HINTS[precision]
        self._output = network.output_index
        self._name = network.name
        self._splits = network.fixed_batch is None
        try:
            self._single = self._compiled_for_one(cache)
        except RuntimeError as error:
            raise BundleError(
                f"OpenVINO can't read {network.name}: {_gist(error)}. Export it again, or choose "
                "the runtime onnxruntime."
            ) from error
        self.precision = self._single.precision
        self._lock = threading.Lock()
        self._streams: _Compiled | None = None

    def __call__(self, batch: Batch) -> Batch:
        """See `Session`."""
        if len(batch) == 1 or not self._splits:
            return self._checked(self._single, batch)
        streams = self._many()
        rounds = -(-len(batch) // (PIECE * streams.count))
        size = -(-len(batch) // (rounds * streams.count))
        pieces = [batch[i : i + size] for i in range(0, len(batch), size)]
        return np.concatenate(list(streams.workers.map(self._piece, pieces)))

    def _piece(self, piece: Batch) -> Batch:
        return self._checked(self._many(), piece)

    def _checked(self, compiled: _Compiled, batch: Batch) -> Batch:
        try:
            return compiled.infer(batch, self._output)
        except RuntimeError as error:
            raise EncoderError(f"OpenVINO can't run {self._name}: {_gist(error)}.") from error

    def _many(self) -> _Compiled:
        if self._streams is None:
            with self._lock:
                if self._streams is None:
                    self._streams = self._compile("THROUGHPUT")
        return self._streams

    @cached_property
    def _model(self) -> ov.Model:
        return self._core.read_model(model=self._network.trunk, weights=b"")

    def _compiled_for_one(self, cache: CompiledCache | None) -> _Compiled:
        if cache is None:
            return self._compile("LATENCY")
        settings = self._settings("LATENCY")
        key = self._key(settings)
        data = cache.read(key)
        if data is not None:
            try:
                return _Compiled(self._core.import_model(data, "CPU", settings))
            except RuntimeError:
                cache.remove(key)
        compiled = self._core.compile_model(self._model, "CPU", settings)
        cache.write(key, compiled.export_model().getvalue())
        return _Compiled(compiled)

    def _key(self, settings: dict[str, Any]) -> str:
        """All that a compiled network depends on: network, OpenVINO, CPU and settings."""
        cpu = [
            str(self._core.get_property("CPU", name))
            for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
        ]
        return json.dumps([self._network.fingerprint, ov.get_version(), cpu, settings])

    def _compile(self, hint: str) -> _Compiled:
        return _Compiled(self._core.compile_model(self._model, "CPU", self._settings(hint)))

    def _settings(self, hint: str) -> dict[str, Any]:
        return {
            "PERFORMANCE_HINT": hint,
            "INFERENCE_NUM_THREADS": self._threads,
            "INFERENCE_PRECISION_HINT": self._hint,
            # Decoding runs on the same cores: a pinned thread waits where a free one moves over.
            "ENABLE_CPU_PINNING": False,
        }


class _Compiled:
    """A compiled network and as many requests as it can compute side by side."""

    def __init__(self, compiled: ov.CompiledModel) -> None:
        kind = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = _NAMES[kind]
        self.count = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self.workers = ThreadPoolExecutor(self.count, thread_name_prefix="kinlens-encode")
        self._free: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()
        for _ in range(self.count):
            self._free.put(compiled.create_infer_request())

    def infer(self, batch: Batch, output: int) -> Batch:
        """Compute, as soon as a request is free."""
        with self._request() as request:
            request.infer([batch], share_inputs=True, share_outputs=True)
            # A copy: the request's own memory is written again by whoever borrows it next.
            return np.array(request.get_output_tensor(output).data, np.float32)

    @contextmanager
    def _request(self) -> Iterator[ov.InferRequest]:
        request = self._free.get()
        try:
            yield request
        finally:
            self._free.put(request)


def _gist(error: RuntimeError) -> str:
    """The last line that says something of OpenVINO's several."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".")[:300] if lines else "no reason given"
