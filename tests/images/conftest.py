"""One loader for all tests, since its processes take a moment to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kinlens.images import PictureLoader


@pytest.fixture(scope="session")
def loader() -> Iterator[PictureLoader]:
    with PictureLoader(workers=2) as found:
        yield found
