"""Samples of a TIFF of any depth, which Pillow reads in a few layouts only.

Pillow unpacks the strips or tiles: a second directory describes them as rows of bytes. What the
bytes mean is worked out here.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from kinlens.errors import BrokenPicture
from kinlens.images import tiff
from kinlens.images.tiff import Directory

Array = npt.NDArray[Any]

BYTE_CODECS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
"""Compressions of bytes, whatever they mean: none, LZW, Deflate, PackBits, LZMA, Zstandard."""

_PREDICTED = frozenset({5, 8, 32946, 34925, 50000})
_LONG = 4
_BLOCK = 64
"""Rows of packed bits that are unpacked at once, which takes 16 times their memory."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the samples of a TIFF are stored.

    Parameters
    ----------
    samples : a pixel
    bits : a sample
    format : of samples: 1 unsigned, 2 signed, 3 floating point
    planar : whether each sample has a plane of its own
    predictor : 1 none, 2 horizontal differences, 3 floating point
    tile : width and height of tiles, or None for strips
    """

    width: int
    height: int
    samples: int
    bits: int
    format: int
    planar: bool
    predictor: int
    tile: tuple[int, int] | None

    @classmethod
    def of(cls, directory: Directory) -> Layout:
        """The layout that a directory states."""
        number = directory.number
        is_tiled = tiff.TILE_OFFSETS in directory.tags
        compressed = number(tiff.COMPRESSION, 1) in _PREDICTED
        return cls(
            width=number(tiff.WIDTH, 0),
            height=number(tiff.HEIGHT, 0),
            samples=number(tiff.SAMPLES, 1),
            bits=number(tiff.BITS, 1),
            format=number(tiff.SAMPLE_FORMAT, 1),
            planar=number(tiff.PLANAR, 1) == 2 and number(tiff.SAMPLES, 1) > 1,
            predictor=number(tiff.PREDICTOR, 1) if compressed else 1,
            tile=(number(tiff.TILE_WIDTH, 0), number(tiff.TILE_HEIGHT, 0)) if is_tiled else None,
        )


def read_samples(data: bytes, directory: Directory, layout: Layout) -> Array:
    """All samples, (height, width, samples), of the dtype that they are stored in.

    Those of fewer than 8 bits, or of 9 to 15, become uint8 and uint16 of the same values.

    Raises
    ------
    BrokenPicture : strips or tiles are missing
    Exception : what Pillow raises for damaged ones
    """
    if not layout.planar:
        return _plane(data, directory, layout, 0, layout.samples)
    planes = [_plane(data, directory, layout, plane, 1) for plane in range(layout.samples)]
    return np.concatenate(planes, axis=2)


def _plane(data: bytes, directory: Directory, layout: Layout, plane: int, depth: int) -> Array:
    """One plane of `depth` samples a pixel, (height, width, depth)."""
    wide = layout.tile[0] if layout.tile else layout.width  # pixels in a row of a chunk
    across = -(-layout.width // wide) if wide else 0
    row_bytes = -(-wide * depth * layout.bits // 8)
    view = _view(data, directory, layout, plane, (across, row_bytes))
    Image.MAX_IMAGE_PIXELS = None  # pixels were counted; here are bytes
    with Image.open(io.BytesIO(view), formats=["TIFF"]) as image:
        rows = np.asarray(image).reshape(layout.height, across, row_bytes)
    values = _values(rows, wide, depth, layout, directory.order)
    return values.reshape(layout.height, across * wide, depth)[:, : layout.width]


def _view(
    data: bytes, directory: Directory, layout: Layout, plane: int, row: tuple[int, int]
) -> bytes:
    """The same file with a directory by which a plane is a gray picture of its bytes."""
    across, row_bytes = row
    if layout.tile:
        high, offsets_tag, sizes_tag = layout.tile[1], tiff.TILE_OFFSETS, tiff.TILE_SIZES
    else:
        high = min(directory.number(tiff.STRIP_ROWS, layout.height), layout.height)
        offsets_tag, sizes_tag = tiff.STRIP_OFFSETS, tiff.STRIP_SIZES
    chunks = across * -(-layout.height // high) if high > 0 else 0
    part = slice(plane * chunks, (plane + 1) * chunks)
    offsets, sizes = directory.numbers(offsets_tag)[part], directory.numbers(sizes_tag)[part]
    if not sizes and directory.number(tiff.COMPRESSION, 1) == 1:
        sizes = (row_bytes * high,) * chunks
    if not chunks or len(offsets) < chunks or len(sizes) < chunks:
        raise BrokenPicture("The TIFF is corrupted (it states too few strips or tiles).")
    tags: dict[int, tuple[int, ...]] = {
        tiff.WIDTH: (across * row_bytes,),
        tiff.HEIGHT: (layout.height,),
        tiff.BITS: (8,),
        tiff.COMPRESSION: (directory.number(tiff.COMPRESSION, 1),),
        tiff.PHOTOMETRIC: (1,),
        tiff.FILL_ORDER: (directory.number(tiff.FILL_ORDER, 1),),
        tiff.SAMPLES: (1,),
        offsets_tag: offsets,
        sizes_tag: sizes,
    }
    if layout.tile:
        tags |= {tiff.TILE_WIDTH: (row_bytes,), tiff.TILE_HEIGHT: (high,)}
    else:
        tags[tiff.STRIP_ROWS] = (high,)
    return _with_directory(data, directory.order, tags)


def _with_directory(data: bytes, order: str, tags: dict[int, tuple[int, ...]]) -> bytes:
    """A TIFF whose first directory, behind all else, has these tags."""
    start = len(data) + len(data) % 2
    behind = start + 2 + 12 * len(tags) + 4
    entries, arrays = [struct.pack(order + "H", len(tags))], []
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}I", *(value & 0xFFFFFFFF for value in values))
        place = packed
        if len(packed) > 4:
            place = struct.pack(order + "I", behind)
            arrays.append(packed)
            behind += len(packed)
        entries.append(struct.pack(order + "HHI", tag, _LONG, len(values)) + place)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, start)
    return b"".join([head, data[8:], bytes(start - len(data)), *entries, bytes(4), *arrays])


def _values(rows: Array, wide: int, depth: int, layout: Layout, order: str) -> Array:
    """Samples, (height, across, wide, depth), of rows of bytes, (height, across, bytes)."""
    bits = layout.bits
    shape = (*rows.shape[:2], wide, depth)
    if bits % 8:
        return _unpacked(rows, wide * depth, bits).reshape(shape)
    letter = {1: "u", 2: "i", 3: "f"}[layout.format]
    if layout.predictor == 3:
        return _from_byte_planes(rows, wide, depth, bits // 8)
    if layout.predictor == 2:
        whole = rows.view(f"{order}u{bits // 8}").reshape(shape)
        native = whole.astype(whole.dtype.newbyteorder("="))
        summed = np.cumsum(native, axis=2, dtype=native.dtype)
        return summed.view(f"{letter}{bits // 8}")
    return rows.view(f"{order}{letter}{bits // 8}").reshape(shape)


def _from_byte_planes(rows: Array, wide: int, depth: int, size: int) -> Array:
    """Undo the predictor 3 of TIFF Technical Note 3: bytes of like weight lie side by side."""
    high, across, _ = rows.shape
    summed = np.cumsum(rows.reshape(high, across, -1, depth), axis=2, dtype=np.uint8)
    planes = summed.reshape(high, across, size, wide * depth)
    together = np.ascontiguousarray(planes.swapaxes(2, 3))
    return together.view(f">f{size}").reshape(high, across, wide, depth)


def _unpacked(rows: Array, count: int, bits: int) -> Array:
    high, across, _ = rows.shape
    values: Array = np.zeros((high, across, count), np.uint8 if bits < 8 else np.uint16)
    for start in range(0, high, _BLOCK):
        block = slice(start, start + _BLOCK)
        single = np.unpackbits(rows[block], axis=2)[..., : count * bits]
        single = single.reshape(single.shape[0], across, count, bits)
        for place in range(bits):
            values[block] = 2 * values[block] + single[..., place]
    return values
