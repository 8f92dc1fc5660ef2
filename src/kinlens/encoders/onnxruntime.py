"""ONNX Runtime: the fallback where OpenVINO has no wheel."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as states

from kinlens.encoders.compiled import CompiledCache
from kinlens.encoders.network import Batch, Network, Precision
from kinlens.errors import BundleError, EncoderError

# They share no base class but Exception.
_ERRORS = (
    states.EPFail,
    states.Fail,
    states.InvalidArgument,
    states.InvalidGraph,
    states.InvalidProtobuf,
    states.NotImplemented,
    states.RuntimeException,
)
_ONLY_FATAL = 4


def precisions() -> tuple[Precision, ...]:
    """What it computes in on this machine, the default first."""
    return ("float32",)


def open_session(
    network: Network,
    threads: int,
    precision: Precision,  # noqa: ARG001  (the seam; it has one)
    cache: CompiledCache | None = None,  # noqa: ARG001  (the seam; it doesn't compile for long)
) -> OnnxRuntimeSession:
    """Load a network; `BundleError` if ONNX Runtime can't read it."""
    return OnnxRuntimeSession(network, threads)


class OnnxRuntimeSession:
    """See `Session`."""

    runtime = "onnxruntime"
    precision = "float32"

    def __init__(self, network: Network, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ONLY_FATAL  # errors are raised; no need to print them too
        # Decoding runs on the same cores: a thread that spins while it waits takes its time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        ort.disable_telemetry_events()
        try:
            self._session = ort.InferenceSession(
                network.trunk, options, providers=["CPUExecutionProvider"]
            )
        except _ERRORS as error:
            raise BundleError(
                f"ONNX Runtime can't read {network.name}: {error}. Export it again, or choose the "
                "runtime openvino."
            ) from error
        self._name = network.name
        self._input = network.graph.inputs[0].name
        self._output = network.output.name

    def __call__(self, batch: Batch) -> Batch:
        """See `Session`."""
        try:
            (output,) = self._session.run([self._output], {self._input: batch})
        except _ERRORS as error:
            raise EncoderError(f"ONNX Runtime can't run {self._name}: {error}.") from error
        return np.asarray(output, np.float32)
