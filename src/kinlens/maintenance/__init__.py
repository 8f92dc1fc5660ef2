"""Backup, restore, inspection and repair of a data folder."""

from kinlens.maintenance.backup import BackupReport, backup
from kinlens.maintenance.findings import Finding, Inspection
from kinlens.maintenance.inspection import inspect
from kinlens.maintenance.repair import RepairReport, repair
from kinlens.maintenance.restore import RestoreReport, restore, verify

__all__ = [
    "BackupReport",
    "Finding",
    "Inspection",
    "RepairReport",
    "RestoreReport",
    "backup",
    "inspect",
    "repair",
    "restore",
    "verify",
]
