"""The table as a Parquet file, and the manifest that says what it was made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from kinlens.errors import SourceError
from kinlens.neighbor_table.changes import Former
from kinlens.neighbors.array_files import replace_json, write_error
from kinlens.neighbors.saving import Lists, block_length, write_lists
from kinlens.parquet import ParquetTable

MANIFEST = "kinlens"
"""Where the manifest is among the notes of the Parquet file."""


def publish(run: Former, output: Path, manifest: dict[str, Any]) -> None:
    """Write a run's lists to `output`, whole or not at all, and the manifest beside it.

    Raises
    ------
    OutputError : no space left, or no right to write there; the former table stays
    """
    if not is_published(output, manifest):
        draft = run.folder / "draft.parquet"
        try:
            lists = _lists(run, manifest["options"]["k"])
            notes = {MANIFEST: json.dumps(manifest, ensure_ascii=False)}
            write_lists(draft, lists, run.asked.ids, run.candidates.ids, notes)
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


def _lists(run: Former, k: int) -> Iterator[Lists]:
    step = block_length(k)
    for start in range(0, len(run.asked), step):
        numbers = np.arange(start, min(start + step, len(run.asked)))
        yield start, *run.lists(numbers)
