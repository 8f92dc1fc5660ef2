"""Arrays in .npy files that are written and read piece by piece.

Plain reads and writes rather than memory maps: a full disk is an error and not a dead process, and
what was read doesn't count as this process's memory.
"""

from __future__ import annotations

import json
import os
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinlens.errors import OutputError

_FULL = (ENOSPC, EDQUOT, EFBIG)


def make_array(path: Path, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
    """A .npy file to be filled by `write_array`; its space is taken now."""
    try:
        _make(path, np.dtype(dtype), shape)
    except OSError as error:
        raise write_error(error, path) from error


def _make(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    with path.open("wb") as file:
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.flush()
        size = file.tell() + dtype.itemsize * int(np.prod(shape))
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


def read_array(path: Path, start: int, stop: int) -> npt.NDArray[Any]:
    """Rows of a 2-D .npy file, read rather than mapped: they don't stay in memory."""
    with path.open("rb") as file:
        (length, width), dtype, _ = _header(file)
        count = (min(stop, length) - start) * width
        found = np.fromfile(file, dtype, count, offset=start * width * dtype.itemsize)
    return found.reshape(-1, width)


def take_array(path: Path, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Some rows of a 2-D .npy file, in the order asked."""
    if not len(rows):
        return read_array(path, 0, 0)
    if (np.diff(rows) == 1).all():
        return read_array(path, int(rows[0]), int(rows[-1]) + 1)
    taken: npt.NDArray[Any] = np.load(path, mmap_mode="r")[rows]
    return np.asarray(taken)


def write_array(path: Path, start: int, array: npt.NDArray[Any]) -> None:
    """Write rows into a 2-D .npy file; `OutputError` if that can't be done."""
    try:
        with path.open("r+b") as file:
            _, dtype, offset = _header(file)
            file.seek(offset + start * array.shape[1] * dtype.itemsize)
            file.write(np.ascontiguousarray(array, dtype).data)
    except OSError as error:
        raise write_error(error, path) from error


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    np.lib.format.read_magic(file)
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, dtype, file.tell()


def replace_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file so that there is always a whole one, the old or the new, durably."""
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    if os.name != "nt":  # a folder can't be opened there, and a rename is durable without
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_error(error: OSError, path: Path) -> OutputError:
    """Why results can't be written, and what to do."""
    if error.errno in _FULL:
        return OutputError(
            f"No space is left to write {path}. What was done before stays: free some space, and "
            "run the same again."
        )
    return OutputError(
        f"{path} can't be written: {error.strerror or error}. Name a place where this user may "
        "create files."
    )
