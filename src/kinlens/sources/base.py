"""What every source of pictures is: countable, and an iterable of entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from kinlens.types import NewItem

_READ = "apng avif bmp dib gif heic heics heif heifs hif jfif jpe jpeg jpg png tif tiff webp"
_NOT_READ = "ico jp2 jxl psd svg svgz"
"""Pictures all the same: each gets a ledger row that says so."""

PICTURE_EXTENSIONS = frozenset(f"{_READ} {_NOT_READ}".split(" "))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """How to read a source.

    Parameters
    ----------
    id_column, picture_column : of a table; "" to go by convention
    picture_template : picture of a row, such as "images/{id}.jpg", where the table has no column
        of pictures; each name in braces is a column
    folders_as : metadata fields that take the names of sub-folders, level by level; the last takes
        what is left, so that one field takes the whole path, such as "women/dresses"
    """

    id_column: str = ""
    picture_column: str = ""
    picture_template: str = ""
    folders_as: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `SourceOptions(**...)` reads it back."""
        return {**asdict(self), "folders_as": list(self.folders_as)}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a source shows: an item, or the reason why there is none.

    Parameters
    ----------
    place : where in the source: "products.csv:17" for line 17, or a file's path in the folder
    item : None for an entry that can't become an item
    reason : what is wrong with it, and what to do
    reference : the picture, where known
    hides : what else is there couldn't be seen, so that nothing may be taken for gone
    """

    place: str
    item: NewItem | None
    reason: str = ""
    reference: str = ""
    hides: bool = False


class Source(Protocol):
    """Pictures with metadata, read as a stream; may be iterated again."""

    @property
    def name(self) -> str:
        """The absolute path: the same for the same source."""

    @property
    def options(self) -> SourceOptions:
        """What it was opened with."""

    def count(self) -> int | None:
        """How many entries there are, or None where that isn't known before the end."""

    def __iter__(self) -> Iterator[Entry]:
        """The entries, in the source's own order.

        Raises
        ------
        SourceError : the source can't be read on; the message names the line
        """
