from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from kinlens.errors import CatalogError, InvalidInput
from kinlens.keys import KeyStore, secret_of


def test_a_key_is_found_by_its_token_only(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as keys:
        token = keys.create("shop", ["read"])
        found = keys.find(token)
        assert found is not None
        assert (found.name, found.scopes) == ("shop", ("read",))
        for wrong in ("", "kl_", token[:-1], token + "x", token[3:], "kl_" + "x" * 500, "kl_é"):
            assert keys.find(wrong) is None


def test_tokens_are_long_and_differ(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as keys:
        tokens = {keys.create(f"key {number}") for number in range(20)}
    assert len(tokens) == 20
    assert all(token.startswith("kl_") and len(token) == 46 for token in tokens)


def test_no_file_holds_the_token(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as keys:
        token = keys.create("shop")
        held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"shop" in held
    assert token.encode() not in held
    assert token[3:].encode() not in held


def test_the_file_is_for_its_owner(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)):
        assert stat.S_IMODE((tmp_path / "keys.sqlite").stat().st_mode) == 0o600


def test_a_revoked_key_is_gone_but_the_door_stays_shut(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as keys:
        assert not keys.required
        token = keys.create("shop")
        assert keys.required
        assert keys.usable
        assert keys.revoke("shop")
        assert keys.find(token) is None
        assert keys.required
        assert not keys.usable
        assert not keys.revoke("shop")
        assert not keys.revoke("nobody")
        [key] = keys.list()
        assert key.revoked_at is not None
        assert key.revoked_at >= key.created_at


def test_a_name_is_free_again_after_its_key_was_revoked(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as keys:
        keys.create("shop")
        with pytest.raises(InvalidInput, match="another name"):
            keys.create(" shop ")
        keys.revoke("shop")
        keys.create("shop", ["write", "read"])
        assert [key.scopes for key in keys.list()] == [("read",), ("read", "write")]


def test_another_process_sees_changes_at_once(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as server, closing(KeyStore(tmp_path)) as shell:
        assert not server.required
        token = shell.create("shop")
        assert server.find(token) is not None
        shell.revoke("shop")
        assert server.find(token) is None


@pytest.mark.parametrize("scopes", [[], ["admin"], ["read", "admin"]])
def test_unknown_scopes(tmp_path: Path, scopes: list[str]) -> None:
    with closing(KeyStore(tmp_path)) as keys, pytest.raises(InvalidInput, match="read and write"):
        keys.create("shop", scopes)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb"])
def test_names_that_say_nothing(tmp_path: Path, name: str) -> None:
    with closing(KeyStore(tmp_path)) as keys, pytest.raises(InvalidInput, match="name"):
        keys.create(name)


def test_a_file_that_is_no_key_store(tmp_path: Path) -> None:
    (tmp_path / "keys.sqlite").write_bytes(b"this is not a database, it is a text" * 100)
    with pytest.raises(CatalogError, match="keys"):
        KeyStore(tmp_path)


def test_a_store_that_breaks_while_open(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as keys:
        with closing(sqlite3.connect(tmp_path / "keys.sqlite")) as other:
            other.execute("DROP TABLE keys")
        with pytest.raises(CatalogError, match="read"):
            keys.find("kl_x")
        with pytest.raises(CatalogError, match="changed"):
            keys.create("shop")


def test_a_device_has_keys_of_its_own(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as keys:
        assert not keys.devices_guarded
        token = keys.create("camera at the door", device="door-1")
        assert keys.devices_guarded
        assert keys.secrets("door-1") == [secret_of(token)]
        assert keys.secrets("door-2") == []
        found = keys.find(token)
        assert found is not None
        assert (found.scopes, found.device) == (("device",), "door-1")
        second = keys.create("the next", device="door-1")
        assert sorted(keys.secrets("door-1")) == sorted([secret_of(token), secret_of(second)])
        keys.revoke("camera at the door")
        assert keys.secrets("door-1") == [secret_of(second)]
        keys.revoke("the next")
        assert keys.secrets("door-1") == []
        assert keys.devices_guarded


def test_a_devices_key_neither_shuts_nor_opens_the_door_for_requests(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as keys:
        keys.create("camera", device="door-1")
        assert not keys.required
        assert not keys.usable


def test_a_file_of_before_there_were_devices(tmp_path: Path) -> None:
    with closing(KeyStore(tmp_path)) as keys:
        token = keys.create("shop")
    with closing(sqlite3.connect(tmp_path / "keys.sqlite")) as db:
        db.execute("ALTER TABLE keys DROP COLUMN device")
    with closing(KeyStore(tmp_path)) as keys, closing(KeyStore(tmp_path)) as other:
        assert keys.find(token) is not None
        made = other.create("camera", device="door-1")
        assert keys.secrets("door-1") == [secret_of(made)]
