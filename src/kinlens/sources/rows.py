"""From a row of a table to an item: which column is the id, which the picture, what the rest is."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinlens.errors import InvalidInput, SourceError
from kinlens.sources.base import PICTURE_EXTENSIONS, Entry, SourceOptions
from kinlens.sources.column_types import MAX_INTEGER, ColumnTypes
from kinlens.sources.notes import Notes
from kinlens.types import NewItem, Value, check_id, picture_source

ID_COLUMNS = (
    "id", "item_id", "itemid", "sku", "product_id", "productid", "article_id", "articleid",
    "asset_id", "object_id", "image_id", "picture_id", "photo_id", "uid", "uuid", "key",
)  # fmt: skip
PICTURE_COLUMNS = (
    "image", "picture", "photo", "img", "image_url", "picture_url", "photo_url", "img_url",
    "image_link", "image_path", "picture_path", "photo_path", "img_path", "image_file", "file_path",
    "filepath", "path", "file_name", "filename", "file", "image_uri", "uri", "url",
)  # fmt: skip
PICTURE_FOLDERS = ("images", "pictures", "photos", "imgs", "img", ".")
TOO_DEEP = "Objects and lists of the row lie too deep in one another; make it flatter."
UNNAMED = "A field without a name is left out."
UNNAMED_OFTEN = "Fields without a name are left out, in # places."
MAX_REFERENCE = 4096
"""Characters of a picture's path or address that are told of."""

_NO_TEXT = re.compile("[\0-\x08\x0e-\x1f]")
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass
class RowReader:
    """Turns the rows of one table into items.

    Parameters
    ----------
    table : the file; relative picture paths start from its folder
    id_column : "" where the picture's reference is the id
    picture_column : "" where a template or the convention gives the picture
    template : such as "images/{id}.jpg", or ""
    folder : where pictures named by id are found by convention, or None
    types : kinds that were declared for the other columns
    notes : takes what is left out of rows that are read
    """

    table: Path
    id_column: str
    picture_column: str
    template: str = ""
    folder: Path | None = None
    types: ColumnTypes = field(default_factory=lambda: ColumnTypes({}))
    notes: Notes = field(default_factory=Notes)
    _extension: str = field(default="jpg", init=False)

    def restart(self) -> None:
        """Count what is reported from the first row again."""
        self.types.restart()
        self.notes.restart()

    def read(self, row: Mapping[str, Any], number: int) -> Entry:
        """The item of a row, or what is wrong with the row of this number."""
        try:
            return Entry(self.place(number), self._item(row))
        except RecursionError:
            return self.refused(row, number, TOO_DEEP)
        except InvalidInput as error:
            return self.refused(row, number, str(error))

    def refused(self, row: Mapping[str, Any], number: int, reason: str) -> Entry:
        """The entry of a row that can't become an item; its id is told, where it has one."""
        picture = row.get(self.picture_column, "")
        is_name = isinstance(picture, str) and len(picture) <= MAX_REFERENCE
        item_id = self._id_of(row)
        return Entry(
            self.place(number),
            None,
            reason,
            picture if is_name else "",
            hides=not item_id,
            id=item_id,
        )

    def place(self, number: int) -> str:
        """What the row of this number is called."""
        return f"{self.table.name}:{number}"

    def _id_of(self, row: Mapping[str, Any]) -> str:
        try:
            item_id = text_of(row.get(self.id_column or self.picture_column))
            check_id(item_id)
        except InvalidInput:
            return ""
        return item_id

    def _item(self, row: Mapping[str, Any]) -> NewItem:
        key = self.id_column or self.picture_column
        item_id = text_of(row.get(key))
        if not item_id:
            raise InvalidInput(f"The column {key!r}, which holds the id, is empty; fill it in.")
        metadata: dict[str, Value] = {}
        for name, value in row.items():
            if name not in (self.id_column, self.picture_column):
                flatten(name, value, metadata, self.notes)
        self.types.apply(metadata)
        return NewItem(item_id, **self._picture(row, item_id), metadata=metadata)

    def _picture(self, row: Mapping[str, Any], item_id: str) -> dict[str, Any]:
        if self.picture_column:
            return self._reference(row.get(self.picture_column))
        if self.template:
            return self._reference(fill(self.template, {**row, "id": item_id}))
        return {"path": self._by_convention(item_id, self.folder or self.table.parent)}

    def _reference(self, cell: Any) -> dict[str, Any]:
        if isinstance(cell, Mapping):  # as Hugging Face data sets keep pictures
            cell = cell.get("bytes") or cell.get("path")
        elif isinstance(cell, bytes):
            cell = _name_in(cell) or cell
        if isinstance(cell, bytes):
            return {"image": cell}
        if cell is None or cell == "":
            return {}
        if not isinstance(cell, str):
            raise InvalidInput(
                f"A picture is a path, a URL, a data URL or bytes; got {cell!r:.80}."
            )
        text = cell.strip()
        source = picture_source(text)
        if "path" not in source:
            return source
        scheme = _SCHEME.match(text)
        if scheme and text[scheme.end() :].startswith("//"):
            raise InvalidInput(
                f"A picture's address starts with http:// or https://; got {text:.80}. "
                "Fetch the pictures to this machine first and name their paths."
            )
        return {"path": self.table.parent / text}

    def _by_convention(self, item_id: str, folder: Path) -> Path:
        usual = folder / f"{item_id}.{self._extension}"
        if os.path.exists(usual):  # noqa: PTH110  # False for a name that is too long, too
            return usual
        for extension in PICTURE_EXTENSIONS:
            for spelling in (extension, extension.upper()):
                path = folder / f"{item_id}.{spelling}"
                if os.path.exists(path):  # noqa: PTH110
                    self._extension = spelling
                    return path
        return usual


def choose_columns(
    table: Path, columns: Sequence[str], first: Iterable[Mapping[str, Any]], options: SourceOptions
) -> RowReader:
    """Find the id and the picture of a table, by option or by convention.

    Parameters
    ----------
    table : the file
    columns : its columns
    first : some of its rows, to see whether pictures named by id exist

    Raises
    ------
    SourceError : a column that isn't there, or no way to a picture
    """
    reader = _way_to_pictures(table, columns, first, options)
    reader.types = ColumnTypes(options.types)
    return reader


def _way_to_pictures(
    table: Path, columns: Sequence[str], first: Iterable[Mapping[str, Any]], options: SourceOptions
) -> RowReader:
    identifier = _named(table, columns, options.id_column, "--id-column")
    identifier = identifier or _conventional(columns, ID_COLUMNS)
    picture = _named(table, columns, options.picture_column, "--picture-column")
    if options.picture_template:
        _check_template(table, columns, options.picture_template, identifier)
        return RowReader(table, identifier, picture, options.picture_template)
    picture = picture or _conventional(columns, PICTURE_COLUMNS)
    if picture:
        return RowReader(table, identifier, picture)
    if identifier:
        rows = list(first)
        for name in PICTURE_FOLDERS:
            reader = RowReader(table, identifier, "", folder=table.parent / name)
            if any(_has_picture(reader, row) for row in rows):
                return reader
    raise SourceError(
        f"No column of {table} is known to hold pictures; it has {_listed(columns)}. Name it with "
        "--picture-column, or say where pictures are with --picture-template 'images/{id}.jpg'."
    )


def fill(template: str, row: Mapping[str, Any]) -> str:
    """Replace each {column} of a template by the row's value."""

    def value(match: re.Match[str]) -> str:
        text = text_of(row.get(match[1]))
        if not text:
            raise InvalidInput(
                f"The column {match[1]!r} is empty, and the picture is named by it; fill it in."
            )
        return text

    return _PLACEHOLDER.sub(value, template)


def text_of(value: Any) -> str:
    """A cell as text, for an id or a name: numbers as they are written, nothing as ""."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = _text_in(value) or value
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise InvalidInput(f"An id is a text or a number; got {value!r:.80}.")
    return str(value)


def flatten(name: str, value: Any, into: dict[str, Value], notes: Notes) -> None:
    """Add a cell to the metadata; an object's fields become "name.field".

    What has no name is left out, and so are bytes that aren't a text; both are noted.
    """
    if not name.strip():
        notes.add(UNNAMED, UNNAMED_OFTEN)
        return
    if isinstance(value, Mapping):
        for inner, part in value.items():
            flatten(f"{name}.{inner}" if inner.strip() else "", part, into, notes)
        return
    if isinstance(value, bytes):
        value = _text_in(value)
        if not value:
            notes.add(f"The field {name!r} holds bytes that aren't a text; it is left out.")
    typed = typed_value(value)
    if typed is not None:
        into[name] = typed


def typed_value(value: Any) -> Value:
    """A value as metadata keeps it; None for one that is missing."""
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, bool | str | float):
        return value
    if isinstance(value, int):
        return value if abs(value) <= MAX_INTEGER else str(value)
    if isinstance(value, list | tuple):
        return [part if isinstance(part, str) else _json(part) for part in value]
    return _other(value)


def _other(value: Any) -> Value:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    try:
        top, bottom = value.as_integer_ratio()  # a decimal; a whole one keeps its digits
        return typed_value(top if bottom == 1 else float(value))
    except (ValueError, OverflowError):  # not a number, or infinite
        return None
    except (AttributeError, TypeError):
        return str(value)


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _text_in(data: bytes) -> str:
    """The text that bytes are, as tables without a type for texts keep it; "" for other bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "" if _NO_TEXT.search(text) else text


def _name_in(data: bytes) -> str:
    """The path or address in a cell of bytes; "" where the bytes are the picture."""
    text = _text_in(data).strip() if len(data) <= MAX_REFERENCE else ""
    stem, _, extension = text.rpartition(".")
    names_a_file = bool(stem) and extension.lower() in PICTURE_EXTENSIONS
    return text if names_a_file or _SCHEME.match(text) else ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _named(table: Path, columns: Sequence[str], name: str, option: str) -> str:
    if name and name not in columns:
        raise SourceError(
            f"{option} names {name!r}, but {table} has the columns {_listed(columns)}."
        )
    return name


def _conventional(columns: Sequence[str], names: Sequence[str]) -> str:
    spelled = {re.sub(r"[\s-]+", "_", column.strip().lower()): column for column in columns}
    return next((spelled[name] for name in names if name in spelled), "")


def _check_template(table: Path, columns: Sequence[str], template: str, identifier: str) -> None:
    names = _PLACEHOLDER.findall(template)
    unknown = [name for name in names if name not in columns and name != "id"]
    if not names or unknown or not identifier:
        raise SourceError(
            f"A picture template names columns of {table} in braces, as in 'images/{{id}}.jpg', "
            f"and needs a column of ids (--id-column); got {template!r}, and the columns "
            f"{_listed(columns)}."
        )


def _has_picture(reader: RowReader, row: Mapping[str, Any]) -> bool:
    try:
        item = reader._item(row)
    except (InvalidInput, RecursionError):
        return False
    return item.path is not None and os.path.isfile(item.path)  # noqa: PTH113


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:30])
    return f"{shown}, ..." if len(names) > 30 else shown or "none"
