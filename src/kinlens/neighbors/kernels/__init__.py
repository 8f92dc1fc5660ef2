"""The kernels, the cheapest first; each is usable for whatever the ones after it are tried on."""

from kinlens.errors import InvalidInput
from kinlens.neighbors.kernels.base import Kernel
from kinlens.neighbors.kernels.cuda import CudaKernel
from kinlens.neighbors.kernels.few import FewKernel
from kinlens.neighbors.kernels.float32 import Float32Kernel
from kinlens.neighbors.kernels.float64 import Float64Kernel
from kinlens.neighbors.kernels.int8 import Int8Kernel
from kinlens.neighbors.kernels.sketch import SketchKernel

KERNELS: tuple[Kernel, ...] = (
    CudaKernel(),
    FewKernel(),
    SketchKernel(),
    Int8Kernel(),
    Float32Kernel(),
    Float64Kernel(),
)
"""In the order they are tried: a query that one loses goes to the next; the last loses none."""


def kernels_from(name: str | None) -> tuple[Kernel, ...]:
    """The kernel of this name and those after it; all for None."""
    names = [kernel.name for kernel in KERNELS]
    if name is not None and name not in names:
        raise InvalidInput(f"The kernel is one of {', '.join(names)}; got {name!r}.")
    kernels = KERNELS[names.index(name) if name else 0 :]
    missing = kernels[0].missing() if name else ""
    if missing:
        raise InvalidInput(f"The kernel {name!r} needs {missing}. Name another, or none.")
    return kernels


__all__ = ["KERNELS", "Kernel", "kernels_from"]
