"""Backup, restore, inspection and repair of a data folder, with settings as for all other doors."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from kinlens import maintenance
from kinlens.config import DEFAULT_ENCODER, Settings, load_settings
from kinlens.encoder_note import encoder_name
from kinlens.encoders import list_models, open_encoder
from kinlens.encoders.base import Encoder
from kinlens.errors import KinlensError
from kinlens.images import Limits, PictureLoader
from kinlens.maintenance import BackupReport, Inspection, RepairReport, RestoreReport
from kinlens.maintenance.backup import KEPT
from kinlens.types import EncoderIdentity
from kinlens.wiring import encoder_for

PathLike = str | os.PathLike[str]


def backup(
    target: PathLike,
    data: PathLike | None = None,
    *,
    keep: int = KEPT,
    adopt: bool = False,
) -> BackupReport:
    """Copy a catalog that may be in use; see `kinlens.maintenance.backup`.

    Parameters
    ----------
    target : a new or empty folder, or that of a former backup of this catalog
    data : the data folder; None for that of the settings
    keep : how many generations stay, from 1 up
    adopt : go on with a backup of another data folder, such as one that was moved
    """
    folder = load_settings({"data": data}).data
    return maintenance.backup(folder, Path(target), keep=keep, adopt=adopt)


def restore(
    source: PathLike,
    data: PathLike | None = None,
    *,
    generation: str | None = None,
    replace: bool = False,
) -> RestoreReport:
    """Make a data folder of a backup; see `kinlens.maintenance.restore`.

    Parameters
    ----------
    source : the backup's folder
    data : the data folder to make; None for that of the settings
    generation : which one; the current one by default
    replace : move a data folder that is there aside, rather than refuse
    """
    folder = load_settings({"data": data}).data
    return maintenance.restore(Path(source), folder, generation=generation, replace=replace)


def verify_backup(source: PathLike, *, generation: str | None = None) -> RestoreReport:
    """Compare all of a backup with its manifest; see `kinlens.maintenance.verify`."""
    return maintenance.verify(Path(source), generation=generation)


def inspect_catalog(
    data: PathLike | None = None,
    *,
    files: bool = False,
    settings: Settings | None = None,
    **overrides: Any,
) -> Inspection:
    """Read everything in a data folder, and say what is damaged; it changes nothing.

    Parameters
    ----------
    data : the data folder; None for that of the settings
    files : also read the pictures that stay where they are, to see whether they have changed
    settings : None to load them from the environment and kinlens.toml
    overrides : single settings, by name

    Raises
    ------
    CatalogError : there is no such folder
    """
    chosen = settings or load_settings({**overrides, "data": data})
    return maintenance.inspect(
        chosen.data, files=files, encoder_fault=partial(_encoder_fault, chosen)
    )


def repair_catalog(
    data: PathLike | None = None,
    *,
    files: bool = False,
    drop_lost: bool = False,
    settings: Settings | None = None,
    **overrides: Any,
) -> RepairReport:
    """Rebuild what can be rebuilt in a data folder; see `kinlens.maintenance.repair`.

    Parameters
    ----------
    data : the data folder; None for that of the settings
    files : read the pictures that stay where they are too, and encode those that have changed
    drop_lost : remove the items whose pictures are lost
    settings : None to load them from the environment and kinlens.toml
    overrides : single settings, by name, such as the encoder

    Raises
    ------
    CatalogBusy : a process uses the catalog
    KinlensError : vectors are to be made, and the encoder can't be had
    """
    chosen = settings or load_settings({**overrides, "data": data})
    limits = Limits(chosen.max_bytes, chosen.max_pixels, chosen.decode_timeout)
    loader = PictureLoader(limits, workers=chosen.worker_threads)
    try:
        return maintenance.repair(
            chosen.data,
            lambda known: _encoder(chosen, known),
            loader,
            files=files,
            drop_lost=drop_lost,
            encoder_fault=partial(_encoder_fault, chosen),
        )
    finally:
        loader.close()


def _encoder(settings: Settings, known: str | None) -> Encoder:
    """The encoder that is asked for, or that the folder or its database names."""
    name = settings.encoder or encoder_name(settings.data) or known or DEFAULT_ENCODER
    return open_encoder(name, runtime=settings.runtime, threads=settings.threads)


def _encoder_fault(settings: Settings, there: EncoderIdentity) -> str | None:
    """Why the encoder that the folder names isn't the catalog's."""
    try:
        here = encoder_for(settings).identity
    except KinlensError as error:
        return f"the encoder that it names can't be opened: {error}"
    if here.fingerprint == there.fingerprint:
        return None
    known = there.name in {model.name for model in list_models()}
    return (
        f"it names {here.name} ({here.fingerprint:.16}), and the catalog holds vectors of "
        f"{there.name} ({there.fingerprint:.16}){', which ships with Kinlens' if known else ''}"
    )
