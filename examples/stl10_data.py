"""The pictures of STL-10, or any others, as 96 x 96 squares.

STL-10 (Coates, Ng and Lee, AISTATS 2011) keeps 100,000 unlabeled pictures in one binary file: 3
channels of 96 x 96 bytes each, column by column. It is read through a memory map, so that its
2.7 GB stay on the disk.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tarfile
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.progress import track, wrap_file

from kinlens.errors import FetchError, PictureError, SourceError
from kinlens.images import PictureLoader

SIDE = 96
BYTES = 3 * SIDE * SIDE
UNLABELED = "unlabeled_X.bin"

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}
_PIECE = 1 << 20

Pictures = npt.NDArray[np.uint8]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the pictures are to be had.

    Parameters
    ----------
    address : of a .tar.gz
    size : of it, in bytes; 0 for whatever it has
    md5 : of it
    """

    address: str
    size: int
    md5: str


STL10 = Archive(
    "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    2_640_397_119,
    "91f7769df0f17e558f3565bffb0c7dfb",
)


def read_binary(path: Path) -> Pictures:
    """The pictures of a binary file of STL-10, uint8 (n, 96, 96, 3), without reading them yet.

    Parameters
    ----------
    path : `unlabeled_X.bin`, `train_X.bin` or `test_X.bin`, or the folder that holds the first
    """
    file = path / UNLABELED if path.is_dir() else path
    if not file.is_file():
        raise SourceError(f"There is no {file}; name a binary file of STL-10, or download it.")
    size = file.stat().st_size
    if size == 0 or size % BYTES:
        raise SourceError(
            f"{file} needs to hold pictures of {BYTES} bytes each, but has {size} bytes; unpack it "
            "again."
        )
    stored = np.memmap(file, np.uint8, "r").reshape(-1, 3, SIDE, SIDE)
    return stored.transpose(0, 3, 2, 1)


def read_folders(folders: Sequence[Path], most: int | None = None) -> Pictures:
    """The pictures in folders and all below, uint8 (n, 96, 96, 3).

    A picture's centered square is taken. What can't be read is left out.

    Parameters
    ----------
    most : pictures, spread evenly over all of them
    """
    paths = [path for folder in folders for path in sorted(folder.rglob("*"))]
    paths = [path for path in paths if path.suffix.lower() in _SUFFIXES]
    if most is not None and most < len(paths):
        paths = [paths[place] for place in np.linspace(0, len(paths) - 1, most).astype(int)]
    with PictureLoader() as loader, ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda path: _square(loader, path), paths)
        squares = [
            square for square in progress(found, "Reading", len(paths)) if square is not None
        ]
    if not squares:
        raise SourceError(f"No pictures in {', '.join(map(str, folders))}; name other folders.")
    return np.stack(squares)


def _square(loader: PictureLoader, path: Path) -> Pictures | None:
    try:
        pixels = loader.load(path.read_bytes(), min_side=SIDE).pixels
    except PictureError:
        return None
    height, width, _ = pixels.shape
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
    return np.asarray(small)


def progress(turns: Iterable[T], what: str, count: int) -> Iterable[T]:
    """The same, with a bar where a terminal shows it."""
    return track(turns, what, count, console=Console(stderr=True), disable=_is_quiet())


def _is_quiet() -> bool:
    return not sys.stderr.isatty()


def download(folder: Path, archive: Archive = STL10) -> Path:
    """Fetch the archive, going on where an earlier attempt ended, check it and unpack it.

    Returns
    -------
    file : the folder's `unlabeled_X.bin`
    """
    target = folder / UNLABELED
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder / archive.address.rpartition("/")[2]
    if not packed.is_file():
        part = packed.with_name(f"{packed.name}.part")
        _fetch(archive, part)
        _check(archive, part)
        part.replace(packed)
    _unpack(packed, target)
    return target


def _fetch(archive: Archive, part: Path) -> None:
    have = part.stat().st_size if part.is_file() else 0
    if archive.size and have >= archive.size:
        return
    request = urllib.request.Request(archive.address, headers={"Range": f"bytes={have}-"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            resumed = response.status == 206
            left = int(response.headers.get("Content-Length") or 0)
            with (
                part.open("ab" if resumed else "wb") as file,
                _shown(response, left, "Downloading") as body,
            ):
                _copy(body, file)
    except (OSError, HTTPException) as error:
        raise FetchError(
            f"{archive.address} can't be fetched ({error}). Try again: it goes on from "
            f"{part.stat().st_size if part.is_file() else 0} bytes. Without a network, name the "
            "unpacked file by --path, or other pictures by --pictures."
        ) from error


def _shown(file: BinaryIO, size: int, what: str) -> AbstractContextManager[BinaryIO]:
    console = Console(stderr=True)
    return wrap_file(file, size, description=what, console=console, disable=_is_quiet())


def _copy(body: BinaryIO, file: BinaryIO) -> None:
    while piece := body.read(_PIECE):
        file.write(piece)


def _check(archive: Archive, part: Path) -> None:
    size = part.stat().st_size
    if archive.size and size < archive.size:
        raise FetchError(
            f"{archive.address} ended after {size} of {archive.size} bytes; try again, it goes on "
            "from there."
        )
    with part.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != archive.md5:
        part.unlink()
        raise FetchError(
            f"What came from {archive.address} has the md5 {found} instead of {archive.md5} and "
            "was deleted; try again, or fetch it another way and name it by --path."
        )


def _unpack(packed: Path, target: Path) -> None:
    draft = target.with_name(f"{target.name}.part")
    try:
        with tarfile.open(packed) as archive:
            for member in archive:
                if member.isfile() and member.name.rpartition("/")[2] == UNLABELED:
                    _extract(archive, member, draft)
                    draft.replace(target)
                    return
    except (tarfile.TarError, EOFError) as error:
        raise SourceError(
            f"{packed} can't be unpacked ({error}); delete it and try again."
        ) from error
    raise SourceError(f"{packed} holds no {UNLABELED}; delete it and try again.")


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, draft: Path) -> None:
    content = archive.extractfile(member)
    if content is None:
        raise SourceError(f"{member.name} in the archive is no file; delete the archive.")
    with (
        draft.open("wb") as file,
        _shown(cast("BinaryIO", content), member.size, "Unpacking") as body,
    ):
        _copy(body, file)
