"""Compiled networks on the disk, so that a command that encodes one picture needn't compile."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KEPT = 4
"""Files at most: of the encoders, precisions and numbers of threads that were used last."""

_SUFFIX = ".compiled"


@dataclass(frozen=True, slots=True)
class CompiledCache:
    """A folder of compiled networks. What is damaged or can't be read is as if it weren't there.

    Parameters
    ----------
    folder : made when the first one is written; it may be deleted at any time
    """

    folder: Path

    def read(self, key: str) -> bytes | None:
        """What was written under a key; None if there is nothing usable."""
        with suppress(OSError):
            content = self._file(key).read_bytes()
            digest, data = content[:32], content[32:]
            if data and hashlib.sha256(data).digest() == digest:
                return data
        return None

    def write(self, key: str, data: bytes) -> None:
        """Keep a compiled network, if the folder can be written to, in place of the oldest one."""
        file = self._file(key)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        with suppress(OSError):
            self.folder.mkdir(exist_ok=True)
            try:
                draft.write_bytes(hashlib.sha256(data).digest() + data)
                draft.replace(file)
            finally:
                draft.unlink(missing_ok=True)
            self._forget_oldest()

    def remove(self, key: str) -> None:
        """Forget one that proved to be of no use."""
        with suppress(OSError):
            self._file(key).unlink()

    def _file(self, key: str) -> Path:
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}{_SUFFIX}"

    def _forget_oldest(self) -> None:
        files = sorted(self.folder.glob(f"*{_SUFFIX}"), key=lambda file: -file.stat().st_mtime)
        for file in files[KEPT:]:
            file.unlink()
