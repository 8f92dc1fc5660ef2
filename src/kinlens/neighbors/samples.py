"""Turns what estimators are given into float32 or float64, or says what is wrong.

Errors are worded as scikit-learn words them: its tools and its users look for those words.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kinlens.errors import InvalidInput
from kinlens.neighbors.arrays import as_array
from kinlens.neighbors.widening import Real

_EXACT_IN_FLOAT32 = {"f2", "f4", "i1", "i2", "u1", "u2", "b1"}


class NotNumbers(InvalidInput, TypeError):
    """Objects that no number can be made of; NumPy says TypeError."""


def as_samples(samples: Any, owner: str, features: int | None = None) -> Real:
    """(n, d) of finite numbers, n and d from 1 up.

    Parameters
    ----------
    samples : what `as_array` takes
    owner : name of the estimator, for messages
    features : d, if that is known

    Returns
    -------
    array : float32 where the dtype fits into that, else float64; maybe the very array given
    """
    array = _numbers(_array(samples))
    _check_shape(array, owner)
    _check_finite(array)
    if features is not None and array.shape[1] != features:
        raise InvalidInput(
            f"X has {array.shape[1]} features, but {owner} is expecting {features} features "
            "as input."
        )
    return array


def _array(samples: Any) -> npt.NDArray[Any]:
    try:
        array = as_array(samples, "X")
        return array.astype(np.float64) if array.dtype.kind == "O" else array
    except InvalidInput:
        raise
    except TypeError as error:
        raise NotNumbers(f"X needs real numbers: {error}") from error
    except ValueError as error:  # ragged lists, words among numbers
        raise InvalidInput(f"X needs real numbers, as many in each row: {error}") from error


def _numbers(array: npt.NDArray[Any]) -> Real:
    if array.dtype.kind == "c":
        raise InvalidInput("Complex data not supported\nX needs real numbers.")
    if array.dtype.kind not in "fiub":
        raise InvalidInput(
            f"X has dtype {array.dtype}, which is not numeric. "
            "Convert your data to numeric values explicitly instead."
        )
    narrow = array.dtype.str[1:] in _EXACT_IN_FLOAT32
    if narrow:
        return array.astype(np.float32, copy=False)
    with np.errstate(over="ignore"):  # an infinity is found later
        return array.astype(np.float64, copy=False)


def _check_shape(array: Real, owner: str) -> None:
    if array.ndim < 2:
        raise InvalidInput(
            f"Expected 2D array, got {'1D' if array.ndim else 'scalar'} array instead:\n"
            f"array={array}.\nReshape your data either using array.reshape(-1, 1) if your data "
            "has a single feature or array.reshape(1, -1) if it contains a single sample."
        )
    if array.ndim > 2:
        raise InvalidInput(f"Found array with dim {array.ndim}. {owner} expected 2.")
    for count, what in zip(array.shape, ("sample", "feature"), strict=True):
        if count == 0:
            raise InvalidInput(
                f"Found array with 0 {what}(s) (shape={array.shape}) while a minimum of 1 is "
                f"required by {owner}."
            )


def _check_finite(array: Real) -> None:
    # A finite sum proves finite parts at the cost of one pass; an overflow only asks again.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()) or np.isfinite(array).all():
            return
    what = "NaN" if np.isnan(array).any() else f"infinity or a value too large for {array.dtype}"
    row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
    raise InvalidInput(f"Input X contains {what}, first in row {row}. Leave it out or mend it.")


def feature_names(samples: Any) -> npt.NDArray[np.object_] | None:
    """Names of a table's columns, where they are strings; None for what has no columns."""
    names = list(getattr(samples, "columns", ()))
    words = [isinstance(name, str) for name in names]
    if not any(words):
        return None
    if not all(words):
        kinds = sorted({type(name).__qualname__ for name in names})
        raise NotNumbers(
            "Feature names are only supported if all input features have string names, but your "
            f"input has {kinds} as feature name / column name types. Convert them all to strings, "
            "or give the values alone."
        )
    return np.array(names, dtype=object)


def check_names(samples: Any, owner: str, fitted: Sequence[str] | None) -> None:
    """Warn of names on one side only; raise where both have names and they differ."""
    names = feature_names(samples)
    if fitted is None and names is not None:
        warnings.warn(
            f"X has feature names, but {owner} was fitted without feature names", stacklevel=4
        )
    elif fitted is not None and names is None:
        warnings.warn(
            f"X does not have valid feature names, but {owner} was fitted with feature names",
            stacklevel=4,
        )
    elif fitted is not None and names is not None and list(fitted) != list(names):
        raise InvalidInput(_difference(set(names) - set(fitted), set(fitted) - set(names)))


def _difference(unexpected: set[str], missing: set[str]) -> str:
    message = "The feature names should match those that were passed during fit.\n"
    if unexpected:
        message += "Feature names unseen at fit time:\n" + _listed(unexpected)
    if missing:
        message += "Feature names seen at fit time, yet now missing:\n" + _listed(missing)
    if not (unexpected or missing):
        message += "Feature names must be in the same order as they were in fit.\n"
    return message


def _listed(names: set[str]) -> str:
    return "".join(f"- {name}\n" for name in sorted(names)[:5]) + "- ...\n" * (len(names) > 5)
