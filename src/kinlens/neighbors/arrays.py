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
    InvalidInput : sparse, some values are masked, or a tensor has no values that can be read
    TypeError, ValueError : NumPy can't make an array of it
    """
    if _is_sparse(given):
        raise InvalidInput(
            f"Sparse data was passed for {what}, but dense data is required. "
            "Use '.toarray()' to convert to a dense numpy array."
        )
    if np.ma.isMaskedArray(given):
        return _unmasked(given, what)
    if isinstance(given, list | tuple) and any(_is_special(row) for row in given):
        return np.array([as_array(row, what) for row in given])
    if not _is_tensor(given):
        array: npt.NDArray[Any] = np.asarray(given)
        return array
    try:
        return np.asarray(_detached(given))
    except RuntimeError as error:  # on the meta device, nested, masked
        raise InvalidInput(
            f"{what} can't be read from this tensor: {error} Pass a dense tensor that holds values."
        ) from error


def _is_special(row: Any) -> bool:
    """Whether NumPy would read it otherwise than `as_array` does."""
    return _is_tensor(row) or isinstance(row, np.ma.MaskedArray)


def _is_tensor(given: Any) -> bool:
    return hasattr(given, "detach") and hasattr(given, "cpu")


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
    """A tensor of torch that NumPy can read."""
    tensor = given.detach().cpu()
    narrow = str(tensor.dtype) in {"torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2"}
    return tensor.float() if narrow else tensor.resolve_conj().resolve_neg()


def as_float64(given: Any, what: str) -> npt.NDArray[np.float64]:
    """The values as float64; see `as_array`.

    Raises
    ------
    InvalidInput : sparse, or some values are masked
    TypeError, ValueError : they aren't real numbers
    """
    array = as_array(given, what)
    if array.dtype.kind == "c":
        raise TypeError("complex numbers aren't real")
    return array.astype(np.float64)
