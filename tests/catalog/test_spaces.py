"""Spaces: the vectors of a second encoder, filled beside the first and switched to at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from catalog.samples import ENCODER, OTHER, create, item, items, unit
from kinlens.catalog.sqlite import SqliteCatalog
from kinlens.errors import CatalogError, EncoderMismatch
from kinlens.types import EncoderIdentity


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[SqliteCatalog]:
    """Twenty items of the first encoder."""
    with create(tmp_path) as opened:
        opened.upsert(items(20), unit(20))
        yield opened


def test_another_encoder_is_refused_and_named(catalog: SqliteCatalog, tmp_path: Path) -> None:
    assert SqliteCatalog.identity_of(tmp_path) == ENCODER
    said = r"first \(1{16}\).*second \(2{16}\).*kinlens reencode --data DIR --encoder second"
    for create_too in (False, True):
        with pytest.raises(EncoderMismatch, match=said):
            SqliteCatalog.open(tmp_path, OTHER, create=create_too)
    renamed = EncoderIdentity("other name", ENCODER.fingerprint, ENCODER.dim)
    SqliteCatalog.open(tmp_path, renamed).close()
    with SqliteCatalog.open(tmp_path) as catalog:
        assert catalog.encoder == ENCODER


def test_fill_activate_and_delete(catalog: SqliteCatalog, tmp_path: Path) -> None:
    catalog.search(unit(1), 1)
    fill = catalog.fill_space(OTHER)
    assert (fill.remaining(), fill.encoder) == (20, OTHER)
    with pytest.raises(CatalogError, match="20 items have no vector"):
        catalog.activate_space(OTHER.fingerprint)

    missing = list(fill.missing())
    assert missing == items(20)
    fill.put(missing, unit(20, OTHER.dim))
    assert (fill.remaining(), list(fill.missing())) == (0, [])
    assert catalog.encoder == ENCODER
    assert catalog.search(unit(1), 1)[0][0].item.id == "i000000"

    catalog.activate_space(OTHER.fingerprint)

    assert catalog.encoder == OTHER
    assert catalog.encoders() == [OTHER, ENCODER]
    assert catalog.search(unit(20, OTHER.dim)[7:8], 1)[0][0].item.id == "i000007"
    with pytest.raises(CatalogError, match="second are in use"):
        catalog.delete_space(OTHER.fingerprint)
    catalog.delete_space(ENCODER.fingerprint)
    assert catalog.encoders() == [OTHER]
    with pytest.raises(CatalogError, match="no vectors of the encoder 1111"):
        catalog.activate_space(ENCODER.fingerprint)
    assert SqliteCatalog.identity_of(tmp_path) == OTHER


def test_what_changes_during_the_fill_is_missing_again(catalog: SqliteCatalog) -> None:
    fill = catalog.fill_space(OTHER)
    missing = list(fill.missing())
    fill.put(missing[:10], unit(10, OTHER.dim))

    catalog.upsert([item("i000003", content_hash="b" * 64), item("new")], unit(2))
    catalog.upsert([item("i000015", content_hash="c" * 64)], unit(1))
    catalog.update_metadata([item("i000004", {"n": -1})])
    catalog.delete(["i000005", "i000016"])
    fill.put(missing[10:], unit(10, OTHER.dim))

    assert [one.id for one in fill.missing()] == ["i000003", "i000015", "new"]
    again = catalog.fill_space(OTHER)
    again.put(list(again.missing()), unit(3, OTHER.dim))
    catalog.activate_space(OTHER.fingerprint)
    assert catalog.count() == 19
    assert len(catalog.search(unit(1, OTHER.dim), 100)[0]) == 19


def test_others_are_told_of_the_switch(catalog: SqliteCatalog, tmp_path: Path) -> None:
    reader = SqliteCatalog.open(tmp_path, ENCODER)
    assert reader.search(unit(1), 1)
    fill = catalog.fill_space(OTHER)
    fill.put(list(fill.missing()), unit(20, OTHER.dim))
    catalog.activate_space(OTHER.fingerprint)

    for call in (
        lambda: reader.search(unit(1), 1),
        lambda: reader.vectors(["i000001"]),
        lambda: reader.upsert(items(1), unit(1)),
    ):
        with pytest.raises(EncoderMismatch, match=r"holds vectors of second"):
            call()
    assert reader.count({"n": 3}) == 1
    assert len(reader.get(["i000001"])) == 1

    catalog.activate_space(ENCODER.fingerprint)
    assert reader.search(unit(1), 1)[0][0].item.id == "i000000"
    np.testing.assert_array_equal(reader.vectors(["i000001"]), unit(20)[1:2])
    reader.close()
