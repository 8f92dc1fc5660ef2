"""What an ONNX file says about itself: names and shapes of its inputs and outputs.

Read from the protobuf wire format, because the `onnx` package is a build tool and runtimes report
names and shapes each in their own way; a fingerprint must not depend on the runtime. The field
numbers are those of onnx.proto, stable since ONNX 1.0. In the same way a file is cut at a tensor
within.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kinlens.errors import BundleError

FLOAT32 = 1
_EXTERNAL = 1

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE = 1, 5, 11, 12, 13
_NODE_OUTPUT, _NODE_OPERATOR, _VALUE_NAME = 2, 4, 1
_TENSOR_TYPE, _TENSOR_NAME, _TENSOR_LOCATION = 2, 8, 14
_UINT8, _INT8 = 2, 3
_MAKES_INTEGERS = {
    "QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger",
    "MatMulInteger",
}  # fmt: skip

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a network.

    Parameters
    ----------
    name : as the file names it
    dtype : element type by ONNX number; 1 is float32, 0 is not said
    shape : None for an axis of any size; None as a whole where the file doesn't say
    """

    name: str
    dtype: int
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name} (shape not said)"
        return f"{self.name} ({', '.join('?' if n is None else str(n) for n in self.shape)})"


@dataclass(frozen=True, slots=True)
class Graph:
    """What goes through a network, all in the order of the file.

    Parameters
    ----------
    inputs : that a caller has to feed
    outputs : of the network
    inner : what its operators give, some of it outputs; most files don't say the shapes
    quantized : whether it computes in integers of 8 bits, both weights and what meets them; not
        where weights alone are stored so
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    inner: tuple[Port, ...] = ()
    quantized: bool = False


def read_graph(onnx: bytes, name: str) -> Graph:
    """Read the inputs and outputs of an ONNX file.

    Parameters
    ----------
    onnx : content of the file
    name : of the file, for messages

    Raises
    ------
    BundleError : not ONNX, cut short, without output, or with weights in another file
    """
    try:
        graph = _read_graph(memoryview(onnx), name)
    except (ValueError, IndexError) as error:
        raise BundleError(
            f"{name} is not a whole ONNX file ({len(onnx)} bytes); export or fetch it again."
        ) from error
    if not graph.inputs or not graph.outputs:
        raise BundleError(f"{name} holds no network with an input and an output; export it again.")
    return graph


def _read_graph(model: memoryview, name: str) -> Graph:
    inputs: list[Port] = []
    outputs: list[Port] = []
    inner: list[str] = []
    said: dict[str, Port] = {}
    weights: dict[str, int] = {}
    operators: set[str] = set()
    for body in _messages(model, _MODEL_GRAPH):
        for number, value in _fields(body):
            if number == _GRAPH_INPUT:
                inputs.append(_port(_message(value)))
            elif number == _GRAPH_OUTPUT:
                outputs.append(_port(_message(value)))
            elif number == _GRAPH_INITIALIZER:
                weights |= dict([_weight(_message(value), name)])
            elif number == _GRAPH_NODE:
                node = _message(value)
                inner += [_text(made) for made in _messages(node, _NODE_OUTPUT)]
                operators |= {_text(operator) for operator in _messages(node, _NODE_OPERATOR)}
            elif number == _GRAPH_VALUE:
                port = _port(_message(value))
                said[port.name] = port
    return Graph(
        # Until IR version 4 a file lists its weights among the inputs.
        tuple(port for port in inputs if port.name not in weights),
        tuple(outputs),
        tuple(said.get(name, Port(name, 0, None)) for name in inner if name),
        bool(operators & _MAKES_INTEGERS) and not {_INT8, _UINT8}.isdisjoint(weights.values()),
    )


def cut(onnx: bytes, tensor: str) -> bytes:
    """The network up to a tensor within, which becomes its only output.

    Operators that it doesn't need stay in the file: OpenVINO leaves them out, ONNX Runtime computes
    them all the same.

    Parameters
    ----------
    onnx : content of a file that `read_graph` can read
    tensor : name of one of its `inner`
    """
    output = _bytes_field(_GRAPH_OUTPUT, _bytes_field(_VALUE_NAME, tensor.encode()))
    parts: list[bytes | memoryview] = []
    for number, value, whole in _entries(memoryview(onnx)):
        if number != _MODEL_GRAPH:
            parts.append(whole)
            continue
        kept = [part for number, _, part in _entries(_message(value)) if number != _GRAPH_OUTPUT]
        parts.append(_bytes_field(_MODEL_GRAPH, b"".join([*kept, output])))
        output = b""
    return b"".join(parts)


def _bytes_field(number: int, content: bytes) -> bytes:
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(content)) + content


def _as_varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _weight(tensor: memoryview, file: str) -> tuple[str, int]:
    """Name and element type."""
    found, kind = "", 0
    for number, value in _fields(tensor):
        if number == _TENSOR_NAME:
            found = _text(value)
        elif number == _TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == _TENSOR_LOCATION and value == _EXTERNAL:
            raise BundleError(
                f"{file} keeps its weights in another file; save it as one file, for example with "
                "onnx.save(onnx.load(path), path, save_as_external_data=False)."
            )
    return found, kind


def _port(info: memoryview) -> Port:
    name, dtype = "", 0
    shape: tuple[int | None, ...] | None = None
    for number, value in _fields(info):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for tensor in _messages(_message(value), 1):
                for field, content in _fields(tensor):
                    if field == 1 and isinstance(content, int):
                        dtype = content
                    elif field == 2:
                        shape = tuple(_axis(axis) for axis in _messages(_message(content), 1))
    return Port(name, dtype, shape)


def _axis(axis: memoryview) -> int | None:
    for number, value in _fields(axis):
        if number == 1 and isinstance(value, int) and value > 0:
            return value
    return None


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    return (_message(value) for number, value in _fields(message) if number == wanted)


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode()


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    return ((number, value) for number, value, _ in _entries(message))


def _entries(message: memoryview) -> Iterator[tuple[int, int | memoryview, memoryview]]:
    """Number and value of each field, and all of its bytes."""
    position = 0
    while position < len(message):
        start = position
        tag, position = _varint(message, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield tag >> 3, value, message[start:position]
            continue
        if kind == _BYTES:
            size, position = _varint(message, position)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if position + size > len(message):
            raise ValueError("cut short")
        end = position + size
        yield tag >> 3, message[position:end], message[start:end]
        position = end


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number longer than 64 bits")
