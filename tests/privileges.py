"""What the superuser may do, given up for a while: tests of permissions run as any user."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_VERSION_3 = 0x20080522
_OVERRIDES = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextmanager
def given_up() -> Iterator[None]:
    """Permissions of files hold for this thread and those that it starts, even for root."""
    if sys.platform != "linux":
        pytest.skip("permissions hold for everybody only where capabilities can be given up")
    if os.geteuid() != 0:
        yield
        return
    before = _capabilities()
    _set([before[0] & ~_OVERRIDES, *before[1:]])
    try:
        yield
    finally:
        _set(before)


def _header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(_VERSION_3, 0)


def _capabilities() -> list[int]:
    data = (ctypes.c_uint32 * 6)()
    _check(ctypes.CDLL(None, use_errno=True).capget(_header(), data))
    return list(data)


def _set(values: list[int]) -> None:
    data = (ctypes.c_uint32 * 6)(*values)
    _check(ctypes.CDLL(None, use_errno=True).capset(_header(), data))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), "capabilities can't be given up")
