"""What every source of pictures is: countable, and an iterable of entries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, Self

from kinlens.images import FOREIGN_EXTENSIONS
from kinlens.printable import storable
from kinlens.sources.column_types import parse_types
from kinlens.sources.patterns import check_pattern
from kinlens.types import NewItem

_READ = (
    "apng avif avifs bmp dib gif heic heics heif heifs hif icb ico j2c j2k jfif jp2 jpc jpe jpeg "
    "jpf jpg jpx mpo pbm pfm pgm png pnm ppm qoi tga tif tiff vda vst webp"
)
PICTURE_EXTENSIONS = dict.fromkeys([*_READ.split(" "), *sorted(FOREIGN_EXTENSIONS)])
"""Extensions of pictures, first those that are read. Each of the others gets a ledger row."""


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
    id_prefix : begins the id of every item, such as "shop2/"; None for the one of the last run
    exclude : patterns of files and folders that are left out of a folder, such as "*_thumb.jpg" or
        "drafts/"; see `kinlens.sources.patterns.Patterns`. None for those of the last run
    types : kinds of metadata fields, such as ``{"price": "number"}``; see
        `kinlens.sources.column_types.KINDS`. Those of former runs hold on; "auto" ends one
    """

    id_column: str = ""
    picture_column: str = ""
    picture_template: str = ""
    folders_as: tuple[str, ...] = ()
    id_prefix: str | None = None
    exclude: tuple[str, ...] | None = None
    types: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", parse_types(self.types))
        if self.exclude is not None:
            object.__setattr__(self, "exclude", tuple(map(check_pattern, self.exclude)))

    def to_dict(self) -> dict[str, Any]:
        """As JSON; `from_json` reads it back."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**values, "folders_as": list(self.folders_as), "types": dict(self.types)}

    def to_json(self) -> str:
        """As a JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From what `to_json` wrote, of this version or an older one."""
        known = {one.name for one in fields(cls)}
        values = {name: value for name, value in json.loads(text).items() if name in known}
        excluded = values.get("exclude")
        values["exclude"] = None if excluded is None else tuple(excluded)
        return cls(**{**values, "folders_as": tuple(values.get("folders_as", ()))})

    def after(self, before: SourceOptions) -> SourceOptions:
        """These options, with prefix, patterns and types of a former run where none are given."""
        types = {**before.types, **self.types}
        return replace(
            self,
            id_prefix=before.id_prefix if self.id_prefix is None else self.id_prefix,
            exclude=before.exclude if self.exclude is None else self.exclude,
            types={name: kind for name, kind in types.items() if kind != "auto"},
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """What a source shows: an item, or the reason why there is none.

    Parameters
    ----------
    place : where in the source: "products.csv:17" for line 17, "products.json:17" for the 17th
        object of an array, or a file's path in the folder; lone surrogates are escaped
    item : None for an entry that can't become an item
    reason : what is wrong with it, and what to do
    reference : the picture, where known
    hides : items may be behind it that can't be seen, so that these aren't taken for gone
    under : with `hides`, how the ids of those items begin; "" where it may be any
    id : of the item that can't be made, where known: it isn't taken for gone either
    """

    place: str
    item: NewItem | None
    reason: str = ""
    reference: str = ""
    hides: bool = False
    under: str = ""
    id: str = ""

    def __post_init__(self) -> None:
        # They are kept in a database, which takes valid Unicode only.
        for name in ("place", "reason", "reference"):
            text = getattr(self, name)
            if not text.isascii():
                object.__setattr__(self, name, storable(text))


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
