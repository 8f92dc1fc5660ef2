"""`kinlens keys`: who may call the API."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinlens.cli import common
from kinlens.config import load_settings
from kinlens.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from kinlens.keys import KeyStore

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.add_typer(keys, name="keys")


def _store(data: Path | None) -> KeyStore:
    from kinlens.keys import KeyStore

    return KeyStore(load_settings({"data": data}).data)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whose it is, such as shop-frontend.")],
    write: Annotated[bool, typer.Option("--write", help="May also add and delete items.")] = False,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="For the camera of this id: to publish what it sees, and nothing else.",
            show_default=False,
        ),
    ] = None,
    json: common.Json = False,
    data: common.Data = None,
) -> None:
    """Make a key and show it, this once."""
    scopes = _scopes(write, device)
    with _store(data) as store:
        token = store.create(name, scopes, device=device)
    if json:
        of_device = {"device": device} if device else {}
        common.print_json({"name": name, "scopes": list(scopes), "key": token, **of_device})
        return
    use = (
        f"kinlens camera --device {device} takes it from the variable KINLENS_DEVICE_KEY"
        if device
        else "Send it as the header  Authorization: Bearer <key>"
    )
    common.console().print(token, markup=False, soft_wrap=True)
    common.console(error=True).print(
        f"A {' and '.join(scopes)} key for {name}. Keep it: it is stored hashed and can't be shown "
        f"again.\n{use}",
        style="dim",
        markup=False,
    )


def _scopes(write: bool, device: str | None) -> tuple[str, ...]:
    from kinlens.live.types import check_device

    if device is None:
        return ("read", "write") if write else ("read",)
    if write:
        raise InvalidInput("A camera's key can't write; leave out --write or --device.")
    check_device(device)
    return ("device",)


@keys.command("list")
def list_keys(json: common.Json = False, data: common.Data = None) -> None:
    """List the keys, without their secrets."""
    with _store(data) as store:
        found = store.list()
    if json:
        common.print_json([asdict(key) for key in found])
        return
    if not found:
        common.console().print("No keys: the API is open, and serves on loopback only.")
        return
    rows = [
        (
            key.name,
            " ".join(key.scopes),
            key.device or "",
            _day(key.created_at),
            _day(key.revoked_at),
        )
        for key in found
    ]
    common.table(
        {"name": "left", "scopes": "left", "device": "left", "made": "left", "revoked": "left"},
        rows,
    )


@keys.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument()], data: common.Data = None) -> None:
    """Revoke a key; requests with it are refused at once."""
    with _store(data) as store:
        revoked, closed = store.revoke(name), store.required and not store.usable
    if not revoked:
        raise NotFound(f"No working key named {name!r}; `kinlens keys list` shows them.")
    common.console().print(f"Revoked {name}.", markup=False)
    if closed:
        common.console(error=True).print(
            "No key works now, and the API stays closed until you make one.", style="dim"
        )


def _day(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d", time.localtime(seconds))
