"""A network with its recipe, and the encoder that runs it on whatever runtime there is."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from kinlens.encoders.base import BaseEncoder
from kinlens.encoders.graph import FLOAT32, Graph, Port, cut, read_graph
from kinlens.encoders.pooling import Pooling, pooled
from kinlens.errors import BundleError, EncoderError
from kinlens.preprocess import Recipe
from kinlens.types import EncoderIdentity

Batch = npt.NDArray[np.float32]
Precision = Literal["float32", "bfloat16"]
"""What a runtime can compute in, where the network doesn't say integers."""


class Session(Protocol):
    """A network compiled by a runtime. Thread-safe."""

    runtime: str
    """Name of the runtime: "openvino" or "onnxruntime"."""
    precision: str
    """What it computes in, where the network doesn't say integers: "float32" or "bfloat16"."""

    def __call__(self, batch: Batch) -> Batch:
        """Output of the network, float32 (n, ...), for its input, float32 (n, ...)."""


@dataclass(frozen=True)
class Network:
    """An ONNX file, the recipe of its input and the output that is the vector.

    Parameters
    ----------
    name : for people
    onnx : content of the file
    recipe : how pictures become its input
    named_output : the output to use, or a tensor within; None where the network has just one
        output that fits
    pooling : of an output that is a spatial map; None where it is a vector

    Raises
    ------
    BundleError : the file is no such network, or the recipe doesn't fit it
    """

    name: str
    onnx: bytes
    recipe: Recipe
    named_output: str | None = None
    pooling: Pooling | None = None

    def __post_init__(self) -> None:
        _check_input(self)
        _check_output(self)

    @cached_property
    def graph(self) -> Graph:
        """Inputs and outputs of the file."""
        return read_graph(self.onnx, self.name)

    @cached_property
    def output(self) -> Port:
        """The output that is the vector."""
        return _choose_output(self.graph, self.named_output, self.name)

    @cached_property
    def trunk(self) -> bytes:
        """What a runtime computes: the file, up to the output where that lies within."""
        declared = self.output in self.graph.outputs
        return self.onnx if declared else cut(self.onnx, self.output.name)

    @property
    def output_index(self) -> int:
        """Where the output stands among those of the trunk."""
        declared = self.graph.outputs
        return declared.index(self.output) if self.output in declared else 0

    @property
    def fixed_batch(self) -> int | None:
        """The only batch size the network takes; None for any."""
        shape = self.graph.inputs[0].shape
        return shape[0] if shape else None

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of the hash of all that makes a vector; the same on every runtime."""
        parts = [
            hashlib.sha256(self.onnx).hexdigest(),
            self.recipe.canonical_json(),
            self.output.name,
        ]
        if self.pooling is not None:
            parts.append(self.pooling)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


class NetworkEncoder(BaseEncoder):
    """Encodes pictures with a network in a session.

    Parameters
    ----------
    network, session : the second compiled from the first

    Raises
    ------
    EncoderError : the network doesn't give vectors of finite numbers
    """

    def __init__(self, network: Network, session: Session) -> None:
        self._session = session
        self._pooling = network.pooling
        self._layout = network.recipe.layout
        self._fixed_batch = network.fixed_batch
        self._quantized = network.graph.quantized
        self._dim: int | None = None
        dim = _probe(self, network.recipe)
        super().__init__(EncoderIdentity(network.name, network.fingerprint, dim), network.recipe)
        self._dim = dim

    @property
    def runtime(self) -> str:
        """Name of the runtime."""
        return self._session.runtime

    @property
    def float_precision(self) -> str:
        """What the runtime computes in, or what isn't integers of it: "float32" or "bfloat16"."""
        return self._session.precision

    @property
    def is_quantized(self) -> bool:
        """Whether the network itself says that most of it is computed in integers."""
        return self._quantized

    @property
    def precision(self) -> str:
        """What the network is computed in, for people: "float32", "int8, the rest in float32"."""
        floats = self.float_precision
        return f"int8, the rest in {floats}" if self._quantized else floats

    def run(self, batch: Batch) -> Batch:
        """See `BaseEncoder.run`."""
        outputs = self._session(batch) if self._fixed_batch is None else self._run_fixed(batch)
        if self._pooling is not None and outputs.ndim == 4:
            outputs = pooled(outputs, self._pooling, self._layout)
        elif self._pooling is not None:
            raise EncoderError(
                "Pooling wants a spatial map, (n, c, h, w) or (n, h, w, c), but the network gave "
                f"{outputs.shape}; take pooling out of the recipe, or name a map as its output."
            )
        expected = (len(batch), self._dim or outputs.shape[-1])
        if outputs.shape != expected:
            raise EncoderError(
                f"The network needs to give vectors (n, dim), here {expected}, but gave "
                f"{outputs.shape}; name another output in its recipe, or for a spatial map add "
                '"pooling": "average".'
            )
        return outputs

    def _run_fixed(self, batch: Batch) -> Batch:
        size = self._fixed_batch or 1
        missing = -len(batch) % size
        padded = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        groups = [self._session(padded[i : i + size]) for i in range(0, len(padded), size)]
        return np.concatenate(groups)[: len(batch)]


def _probe(encoder: NetworkEncoder, recipe: Recipe) -> int:
    """The dimension, from a picture of noise: an even gray may rightly give a zero vector."""
    noise = np.random.default_rng(0).integers(
        0, 256, (1, recipe.size, recipe.size, 3), dtype=np.uint8
    )
    output = encoder.run(recipe.normalize(noise))
    if not np.all(np.isfinite(output)) or not np.any(output):
        raise EncoderError(
            "The network gave a vector that is zero or not finite for a picture of noise; its "
            "weights or its recipe are wrong. Export it again, or correct mean and std."
        )
    return int(output.shape[1])


def _check_input(network: Network) -> None:
    ports = network.graph.inputs
    if len(ports) != 1:
        raise BundleError(
            f"{network.name} needs to take one input, the pictures, but takes "
            f"{', '.join(map(str, ports))}; export the image tower alone."
        )
    port, recipe = ports[0], network.recipe
    if port.dtype not in (0, FLOAT32):
        raise BundleError(
            f"The input {port.name} of {network.name} needs to be float32; export it so."
        )
    square = (recipe.size, recipe.size)
    made = (3, *square) if recipe.layout == "nchw" else (*square, 3)
    if port.shape is not None and not _fits(port.shape, made):
        raise BundleError(
            f"The recipe of {network.name} makes (n, {', '.join(map(str, made))}), but the network "
            f"takes {port}; set size and layout of the recipe to match."
        )


def _fits(shape: tuple[int | None, ...], made: tuple[int, ...]) -> bool:
    axes = shape[1:]
    return len(axes) == len(made) and all(
        axis in (None, size) for axis, size in zip(axes, made, strict=True)
    )


def _choose_output(graph: Graph, named: str | None, name: str) -> Port:
    listed = ", ".join(map(str, graph.outputs))
    if named is not None:
        for port in (*graph.outputs, *graph.inner):
            if port.name == named:
                return port
        raise BundleError(
            f"The recipe of {name} names the output {named!r}, which the network doesn't have; "
            f"its outputs are {listed}. A tensor within may be named too, such as "
            f"{_alike(named, graph)}."
        )
    if len(graph.outputs) == 1:
        return graph.outputs[0]
    flat = [port for port in graph.outputs if port.shape is not None and len(port.shape) == 2]
    if len(flat) == 1:
        return flat[0]
    raise BundleError(
        f"{name} has {len(graph.outputs)} outputs and the recipe needs to say which is the vector; "
        f'add "output": "NAME" with one of {listed}.'
    )


def _alike(named: str, graph: Graph) -> str:
    """The names most like this one, or the last ones: maps lie near the end."""
    names = [port.name for port in graph.inner]
    return ", ".join(difflib.get_close_matches(named, names) or names[-3:])


def _check_output(network: Network) -> None:
    port = network.output
    axes = 2 if network.pooling is None else 4
    if port.shape is None or len(port.shape) == axes:
        return
    if network.pooling is not None:
        raise BundleError(
            "Pooling wants a spatial map, (n, c, h, w) or (n, h, w, c), but the output of "
            f"{network.name} is {port}; take pooling out of its recipe, or name a map as its "
            "output."
        )
    raise BundleError(
        f"The output {port} of {network.name} needs to be a vector a picture, (n, dim); for a "
        'spatial map, (n, c, h, w) or (n, h, w, c), add "pooling": "average" to its recipe; '
        "else name another output, or export the network with its pooling and flattening."
    )
