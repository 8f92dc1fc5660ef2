"""A catalog's snapshot, copied: what is searched, and what the next run compares with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kinlens.catalog import filters
from kinlens.catalog.base import Catalog, CatalogSnapshot, SnapshotBlock
from kinlens.errors import InvalidInput
from kinlens.neighbor_table.options import TableOptions
from kinlens.neighbors.array_files import make_array, write_array, write_error
from kinlens.types import EncoderIdentity, Metadata

Keys = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Digests = npt.NDArray[np.uint64]
"""uint64 (n, 2): equal for what is the same in all that matters for its neighbors."""

VECTORS = "vectors.npy"
_FACTS = "items.npz"
_IDS = "ids.txt"
_GROUPS = "groups.json"
_BETWEEN = "\0"
"""Ids hold no NUL."""


@dataclass(frozen=True)
class Candidates:
    """Items by position, in the order of first indexing.

    Parameters
    ----------
    folder : where their vectors are
    keys : int64 (n,), ascending: the catalog's rows
    digests : of id, row, vector and the values that `same` compares
    passes : bool (n,), may be neighbors
    wanted : bool (n,), have lists of their own
    signatures : int64 (n,), into `groups`
    groups : for each combination of values that occurs, the numbers of the values of each field
    """

    folder: Path
    keys: Keys
    digests: Digests
    passes: Flags
    wanted: Flags
    signatures: Keys
    groups: list[list[list[int]]]

    @staticmethod
    def load(folder: Path) -> Candidates:
        """As `copy` left them."""
        with np.load(folder / _FACTS) as facts:
            arrays = {name: facts[name] for name in facts.files}
        groups = json.loads((folder / _GROUPS).read_text(encoding="ascii"))
        return Candidates(folder, **arrays, groups=groups)

    @property
    def vectors(self) -> Path:
        """The .npy file of the vectors, float32 (n, dim)."""
        return self.folder / VECTORS

    @cached_property
    def ids(self) -> list[str]:
        """Of the items, by position."""
        return read_ids(self.folder / _IDS)

    def same_as(self, other: Candidates) -> bool:
        """Whether nothing differs that a table depends on."""
        mine = (self.keys, self.digests, self.passes, self.wanted)
        theirs = (other.keys, other.digests, other.passes, other.wanted)
        return all(np.array_equal(one, two) for one, two in zip(mine, theirs, strict=True))


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copied snapshot was.

    Parameters
    ----------
    revision : of the catalog
    encoder : whose vectors it has
    warnings : what the filters may not mean, such as a field that no item has
    """

    revision: int
    encoder: EncoderIdentity
    warnings: list[str]


def copy(catalog: Catalog, folder: Path, options: TableOptions) -> Copied:
    """Copy a snapshot into a folder.

    Raises
    ------
    InvalidInput : no item has a field that neighbors are to have the same value of
    OutputError : no space left
    """
    with catalog.snapshot(metadata=options.needs_metadata) as snapshot:
        copier = _Copier(folder, snapshot, options)
        for block in snapshot.blocks:
            copier.add(block)
    copier.finish()
    return Copied(snapshot.revision, snapshot.encoder, copier.warnings())


class _Copier:
    def __init__(self, folder: Path, snapshot: CatalogSnapshot, options: TableOptions) -> None:
        self._folder = folder
        self._options = options
        self._where = filters.parse(options.where)
        self._for_where = filters.parse(options.for_where)
        self._values = _Values(options.same)
        self._blocks: list[dict[str, npt.NDArray[Any]]] = []
        self._ids: list[str] = []
        self._fields: dict[str, set[str]] = {}
        make_array(folder / VECTORS, "<f4", (snapshot.items, snapshot.encoder.dim))

    def add(self, block: SnapshotBlock) -> None:
        write_array(self._folder / VECTORS, len(self._ids), block.vectors)
        self._ids += block.ids
        self._note_kinds(block.metadata)
        shown = [self._values.shown(metadata) for metadata in block.metadata]
        known = zip(block.rows.tolist(), block.ids, shown, strict=True)
        self._blocks.append(
            {
                "keys": block.rows,
                "digests": digests_of([repr(one) for one in known], block.vectors),
                "passes": _holds(self._where, block.metadata),
                "wanted": _holds(self._for_where, block.metadata),
                "signatures": self._values.signatures(shown),
            }
        )

    def finish(self) -> None:
        self._values.check(len(self._ids))
        facts = {
            name: np.concatenate([start, *(block[name] for block in self._blocks)])
            for name, start in _EMPTY.items()
        }
        try:
            np.savez(
                self._folder / _FACTS,
                keys=facts["keys"],
                digests=facts["digests"],
                passes=facts["passes"],
                wanted=facts["wanted"],
                signatures=facts["signatures"],
            )
            write_ids(self._folder / _IDS, self._ids)
            groups = json.dumps(self._values.groups)
            (self._folder / _GROUPS).write_text(groups, encoding="ascii")
        except OSError as error:
            raise write_error(error, self._folder) from error

    def warnings(self) -> list[str]:
        named = filters.fields_of(self._where) | filters.fields_of(self._for_where)
        unknown = named - self._fields.keys()
        if not self._ids:
            return []
        if unknown:
            return [filters.unknown_fields(unknown, self._fields)]
        compared = filters.comparisons(self._where) | filters.comparisons(self._for_where)
        return list(filters.other_kinds(compared, self._fields))

    def _note_kinds(self, metadata: Sequence[Metadata]) -> None:
        for fields in metadata:
            for name, value in fields.items():
                kinds = self._fields.setdefault(name, set())
                if value is not None:
                    kinds.add(filters.kind(value))


_EMPTY: Mapping[str, npt.NDArray[Any]] = {
    "keys": np.empty(0, np.int64),
    "digests": np.empty((0, 2), np.uint64),
    "passes": np.empty(0, np.bool_),
    "wanted": np.empty(0, np.bool_),
    "signatures": np.empty(0, np.int64),
}


class _Values:
    """Numbers the values of the fields that neighbors share, and their combinations."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._numbers: list[dict[Any, int]] = [{} for _ in fields]
        self._known: dict[str, int] = {}
        self._seen: set[str] = set()
        self.groups: list[list[list[int]]] = []

    def shown(self, metadata: Metadata) -> str:
        """The values of an item as a text that is equal for equal values."""
        self._seen.update(metadata.keys() & set(self._fields))
        values = (metadata.get(field) for field in self._fields)
        return json.dumps(
            [sorted(set(v)) if isinstance(v, list) else {"one": _plain(v)} for v in values]
        )

    def signatures(self, shown: Sequence[str]) -> Keys:
        """The number of the combination of each."""
        return np.array([self._signature(text) for text in shown], np.int64)

    def check(self, items: int) -> None:
        """Raise `InvalidInput` for a field that no item has."""
        unknown = [field for field in self._fields if field not in self._seen]
        if unknown and items:
            raise InvalidInput(
                f"Neighbors are to have the same {unknown[0]!r}, but no item has this field; "
                "`kinlens stats` lists the fields."
            )

    def _signature(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = len(self.groups)
            self.groups.append(
                [
                    [self._number(field, value) for value in _each(values)]
                    for field, values in enumerate(json.loads(text))
                ]
            )
        return self._known[text]

    def _number(self, field: int, value: Any) -> int:
        numbers = self._numbers[field]
        return numbers.setdefault((filters.kind(value), value), len(numbers))


def _each(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values["one"]]


def _plain(value: Any) -> Any:
    """1.0 is 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _holds(tree: filters.Filter, metadata: Sequence[Metadata]) -> Flags:
    return np.array([filters.matches(tree, one) for one in metadata], np.bool_)


def digests_of(facts: Sequence[str], vectors: npt.NDArray[np.float32]) -> Digests:
    """A digest of each vector and of what is known of it besides."""
    digests = (
        hashlib.blake2b(fact.encode() + vector.tobytes(), digest_size=16).digest()
        for fact, vector in zip(facts, vectors, strict=True)
    )
    return np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2).astype(np.uint64)


def read_ids(file: Path) -> list[str]:
    """As `write_ids` wrote them."""
    text = file.read_bytes().decode()
    return text.split(_BETWEEN)[:-1]


def write_ids(file: Path, ids: Sequence[str]) -> None:
    """Ids, none of which holds a NUL."""
    file.write_bytes("".join(f"{one}{_BETWEEN}" for one in ids).encode())
