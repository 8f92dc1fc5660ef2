"""What callers have as vectors, as NumPy arrays: tensors of torch, masked and sparse arrays too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kinlens.errors import InvalidInput


def as_array(given: Any, what: str) -> npt.NDArray[Any]:
    """The values as an array, without a copy where that can be had.

    A tensor of torch is taken from whichever device it is on, and without its gradient.

    Parameters
    ----------
    given : whatever NumPy makes an array of, or a tensor
    what : its name, for messages

    Raises
    ------
    InvalidInput : sparse, or some values are masked
    TypeError, ValueError : NumPy can't make an array of it
    """
    if _is_sparse(given):
        raise InvalidInput(
            f"Sparse data was passed for {what}, but dense data is required. "
            "Use '.toarray()' to convert to a dense numpy array."
        )
    if np.ma.isMaskedArray(given):
        return _unmasked(given, what)
    array: npt.NDArray[Any] = np.asarray(_detached(given))
    return array


def _is_sparse(given: Any) -> bool:
    """Of SciPy, CuPy or PyData; tensors of torch in a sparse layout too."""
    compressed = hasattr(given, "toarray") and hasattr(given, "nnz")
    return compressed or bool(getattr(given, "is_sparse", False))


def _unmasked(given: Any, what: str) -> npt.NDArray[Any]:
    mask = np.ma.getmaskarray(given)
    if mask.any():
        first = np.argwhere(mask)[0].tolist()
        raise InvalidInput(
            f"{what} holds {int(mask.sum()):,} masked values, the first at {first}; neighbors need "
            "every value. Fill them in with '.filled(value)', or leave those rows out."
        )
    values: npt.NDArray[Any] = np.ma.getdata(given)
    return values


def _detached(given: Any) -> Any:
    """A tensor that NumPy can read, for one of torch; anything else as it is."""
    if not (hasattr(given, "detach") and hasattr(given, "cpu")):
        return given
    tensor = given.detach().cpu()
    narrow = str(tensor.dtype) in {"torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2"}
    return tensor.float() if narrow else tensor.resolve_conj().resolve_neg()
