"""Another encoder takes over, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinlens.errors import EncoderMismatch
from kinlens.ingest import Progress, index
from kinlens.types import NewItem
from kinlens.wiring import open_search, reencode
from tiny_encoder import write_tiny


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("other"), seed=1)


@pytest.fixture
def filled(search, photos, make_picture) -> None:
    """Twenty files and one upload, indexed with the first encoder; closed."""
    index(search, photos)
    search.add([NewItem("up", image=make_picture(seed=50), metadata={"n": 1})])
    search.close()


def test_every_item_gets_a_vector_of_the_new_encoder(filled, data, other, photos):
    seen: list[Progress] = []
    report = reencode(data, other, progress=seen.append)
    assert (report.indexed, report.failed) == (21, 0)
    assert (seen[-1].done, seen[-1].total) == (21, 21)
    with open_search(data) as search:
        assert search.encoder.name == "tiny1"
        assert search.count() == 21
        assert search.get(["up"])["up"].metadata == {"n": 1}
        picture = search.parts.loader.load((photos / "red" / "00.jpg").read_bytes(), min_side=32)
        expected = search.parts.encoder.encode_images([picture.pixels])
        np.testing.assert_allclose(
            search.parts.catalog.vectors(["red/00.jpg"]), expected, atol=1e-5
        )
        assert search.search(photos / "red" / "00.jpg", k=1).hits[0].id == "red/00.jpg"
        assert len(search.parts.catalog.encoders()) == 1
    assert reencode(data, other).indexed == 0


def test_a_picture_that_has_gone_keeps_the_old_encoder_in_use(filled, data, encoder, other, photos):
    (photos / "red" / "00.jpg").unlink()
    report = reencode(data, other)
    assert (report.indexed, report.failed) == (20, 1)
    assert report.failures[0].id == "red/00.jpg"
    with open_search(data) as search:
        assert search.encoder.name == "tiny0"
        assert search.search(photos / "red" / "01.jpg", k=21).total == 21
    report = reencode(data, other, drop_failed=True)
    assert (report.indexed, report.failed, report.removed) == (0, 1, 1)
    with open_search(data) as search:
        assert search.encoder.name == "tiny1"
        assert search.count() == 20


def test_the_old_encoder_is_told_about_the_new_one(filled, data, encoder, other, photos):
    with open_search(data, encoder) as before:
        reencode(data, other)
        with pytest.raises(EncoderMismatch, match="tiny1"):
            before.search(photos / "red" / "01.jpg")
    with pytest.raises(EncoderMismatch, match=r"tiny1.*tiny0"):
        open_search(data, encoder)
