"""The only user of torch in a search: which device there is, and what it holds and multiplies.

Importing torch takes seconds, so it isn't even looked at where no driver of an NVIDIA GPU is to be
seen; `import kinlens` and searches on a CPU never pay for it.
"""

from __future__ import annotations

import functools
import importlib.util
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Tensor: TypeAlias = Any
"""A torch.Tensor; torch may not be there to say so."""

_DRIVER = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
"""What shows a driver: of Linux, in most containers, in Windows' subsystem for Linux."""
_TENSOR_CORES = (7, 0)
_PLENTY = 1 << 36


@functools.cache
def library() -> Any:
    """The package torch; import it only through this."""
    import torch  # noqa: PLC0415  (takes seconds)

    return torch


@functools.cache
def missing(device: str) -> str:
    """What isn't there to search on "cuda" or "cpu", to be read after "needs"; empty if nothing."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch: pip install 'kinlens[gpu]'"
    if device == "cpu":
        return ""
    if not any(Path(place).exists() for place in _DRIVER):
        return "an NVIDIA GPU and its driver; none is visible here"
    torch = library()
    if not torch.cuda.is_available():
        return f"a GPU that PyTorch can use; its build {torch.__version__} finds none"
    if torch.cuda.get_device_capability() < _TENSOR_CORES:
        return "a GPU with tensor cores, of compute capability 7.0 or later"
    return ""


class Device:
    """Where tensors are.

    Parameters
    ----------
    name : "cuda", or "cpu", on which tests run the same code
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def torch(self) -> Any:
        """The library; the first look imports it."""
        return library()

    @property
    def out_of_memory(self) -> type[Exception]:
        """What it raises where there is too little."""
        error: type[Exception] = self.torch.OutOfMemoryError
        return error

    def working(self) -> AbstractContextManager[None]:
        """Without what torch records for gradients."""
        context: AbstractContextManager[None] = self.torch.inference_mode()
        return context

    def give_back(self) -> None:
        """Let other programs have the memory that torch keeps for later."""
        if self.name != "cpu":
            self.torch.cuda.empty_cache()

    @property
    def adds_in_float32(self) -> bool:
        """Whether sums of products stay float32, which torch lets a process give up for all."""
        return not self.torch.backends.cuda.matmul.allow_fp16_accumulation

    @property
    def free_bytes(self) -> int:
        """Bytes of memory still to be had."""
        if self.name == "cpu":
            return _PLENTY
        cuda = self.torch.cuda
        kept = cuda.memory_reserved() - cuda.memory_allocated()
        return int(cuda.mem_get_info()[0] + kept)

    @property
    def total_bytes(self) -> int:
        """Bytes of memory it has."""
        return _PLENTY if self.name == "cpu" else int(self.torch.cuda.mem_get_info()[1])

    def put(self, array: npt.NDArray[Any]) -> Tensor:
        """The array there; on a CPU it may be the array itself."""
        usable = np.ascontiguousarray(array)
        # torch warns of arrays that it may not write to.
        usable = usable if usable.flags.writeable else usable.copy()
        return self.torch.from_numpy(usable).to(self.name)

    def empty(self, *shape: int, dtype: str) -> Tensor:
        """A tensor with anything in it."""
        return self.torch.empty(shape, dtype=getattr(self.torch, dtype), device=self.name)

    def square_roots(self, numbers: Tensor) -> Tensor:
        """Of float64, rounded as IEEE 754 says."""
        if (
            self.name == "cpu"
        ):  # where torch may use a library that isn't always right to the last bit
            return self.put(np.sqrt(numbers.numpy()))
        return numbers.sqrt()

    def products(self, queries: Tensor, vectors: Tensor) -> Tensor:
        """float32 (q, n) of float16 (q, dim) and (n, dim): exact products, summed in float32."""
        if self.name == "cpu":
            return queries.float() @ vectors.float().T
        return self.torch.mm(queries, vectors.T, out_dtype=self.torch.float32)
