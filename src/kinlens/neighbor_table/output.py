"""The table as a Parquet file, and the manifest that says what it was made of."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from kinlens.errors import SourceError
from kinlens.neighbor_table.changes import Former
from kinlens.neighbors.array_files import replace_json, write_error
from kinlens.neighbors.leaving_out import NOBODY
from kinlens.parquet import Chosen, ColumnKind, ParquetTable, TableWriter

MANIFEST = "kinlens"
"""Where the manifest is among the notes of the Parquet file."""

COLUMNS: dict[str, ColumnKind] = {
    "id": "text",
    "neighbor": "text",
    "rank": "int32",
    "distance": "float64",
}
_ROWS = 1 << 18


def publish(run: Former, output: Path, manifest: dict[str, Any]) -> None:
    """Write a run's lists to `output`, whole or not at all, and the manifest beside it.

    Raises
    ------
    OutputError : no space left, or no right to write there; the former table stays
    """
    if not is_published(output, manifest):
        draft = run.folder / "draft.parquet"
        try:
            _write(run, draft, manifest)
            _sync(draft)
            draft.replace(output)
        except OSError as error:
            raise write_error(error, output) from error
    try:
        replace_json(output.with_name(f"{output.name}.json"), manifest)
    except OSError as error:
        raise write_error(error, output) from error


def is_published(output: Path, manifest: dict[str, Any]) -> bool:
    """Whether a table is there that was made with this manifest."""
    if not output.is_file():
        return False
    with suppress(SourceError, ValueError):
        return bool(json.loads(ParquetTable(output).notes.get(MANIFEST, "{}")) == manifest)
    return False


def _write(run: Former, draft: Path, manifest: dict[str, Any]) -> None:
    notes = {MANIFEST: json.dumps(manifest, ensure_ascii=False)}
    with TableWriter(draft, COLUMNS, notes) as table:
        ids = table.texts(run.asked.ids)
        neighbors = table.texts(run.candidates.ids)
        step = max(1, _ROWS // manifest["options"]["k"])
        for start in range(0, len(run.asked), step):
            numbers = np.arange(start, min(start + step, len(run.asked)))
            distances, rows = run.lists(numbers)
            list_, rank = np.nonzero(rows != NOBODY)
            table.write(
                {
                    "id": Chosen(ids, numbers[list_]),
                    "neighbor": Chosen(neighbors, rows[list_, rank]),
                    "rank": (rank + 1).astype(np.int32),
                    "distance": distances[list_, rank],
                }
            )


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
