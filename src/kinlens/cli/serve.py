"""`kinlens serve` and `kinlens demo`: the page and the API."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from kinlens.cli import common, indexing
from kinlens.config import DEFAULT_ENCODER, load_settings
from kinlens.errors import EncoderMismatch

Host = Annotated[
    str | None,
    typer.Option(help="Address to listen on (default: 127.0.0.1).", show_default=False),
]
Port = Annotated[
    int | None, typer.Option("--port", "-p", help="(default: 7700)", show_default=False)
]
AllowOpen = Annotated[
    bool, typer.Option("--allow-open", help="Listen beyond this machine without any key.")
]
Browse = Annotated[bool, typer.Option("--open", help="Open the page in a browser.")]
DEMO = Path("demo")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(serve)
    app.command()(demo)


def serve(
    data: common.Data = None,
    encoder: common.Encoder = None,
    host: Host = None,
    port: Port = None,
    allow_open: AllowOpen = False,
    open_: Browse = False,
) -> None:
    """Serve the page and the API until Ctrl-C."""
    _run({"data": data, "encoder": encoder, "host": host, "port": port}, allow_open, browse=open_)


def demo(
    pictures: Annotated[
        Path | None,
        typer.Option(help="Your own folder or table instead of the sample.", show_default=False),
    ] = None,
    data: Annotated[Path, typer.Option("--data", "-d", help="Where the demo lives.")] = DEMO,
    port: Port = None,
    open_: Browse = False,
) -> None:
    """Index a sample catalog, or your pictures, and serve the page."""
    from kinlens.http.serve import check_address

    # Before the pictures are indexed: that may take a while.
    check_address(load_settings({"port": port}))
    catalog = demo_catalog(pictures, data)
    _run({"data": catalog, "port": port}, allow_open=False, browse=open_)


def demo_catalog(pictures: Path | None, data: Path) -> Path:
    """Index the demo's pictures, a sample shop if there are none; gives the catalog's folder."""
    say = common.console(error=True)
    if pictures is None:
        source, catalog = _sample(data / "shop"), data / "catalog"
    else:
        # Of two folders with one name, each has a catalog of its own.
        place = hashlib.sha256(os.fsencode(pictures.resolve())).hexdigest()[:8]
        source, catalog = pictures, data / f"catalog-{pictures.resolve().name}-{place}"
    # The demo may have been moved since it was indexed.
    run_options = indexing.RunOptions(replace=True)
    try:
        indexing.run(source, catalog, {}, run_options, json=False)
    except EncoderMismatch:
        # Kinlens or the setting has changed since; nobody wants to be asked that in a demo.
        say.print("The encoder has changed since the last demo; encoding the pictures again")
        indexing.reencode(load_settings().encoder or DEFAULT_ENCODER, catalog)
        indexing.run(source, catalog, {}, run_options, json=False)
    return catalog


def _sample(folder: Path) -> Path:
    from rich.progress import Progress

    from kinlens.sample import COUNT, build_sample

    say = common.console(error=True)
    say.print(f"Rendering a sample shop of {COUNT} products in {folder}", markup=False)
    with Progress(console=say, transient=True, disable=not say.is_terminal) as bar:
        task = bar.add_task("Rendering", total=COUNT)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return build_sample(folder, progress=tell)


def _run(overrides: dict[str, Any], allow_open: bool, *, browse: bool) -> None:
    from kinlens.http.serve import serve as run_server
    from kinlens.wiring import open_live, open_search

    settings = load_settings(overrides)

    def ready(address: str) -> None:
        say = common.console()
        say.print(f"\n  Kinlens is at [bold]{address}[/bold]")
        say.print(f"  Cameras at    {address}/live", style="dim")
        say.print(f"  API docs at   {address}/docs · Ctrl-C stops it\n", style="dim")
        if not service.stats().items:
            say.print(
                "  Nothing is indexed yet; the page shows pictures as they come from\n"
                f"  kinlens index SOURCE --data {settings.data}\n",
                markup=False,
                soft_wrap=True,
            )
        if browse:
            typer.launch(address)

    with open_search(settings=settings) as service, open_live(service, settings) as live:
        live.start()
        run_server(
            service,
            settings,
            live=live,
            allow_open=allow_open,
            on_ready=ready,
            on_stop=lambda: _end_after(settings.shutdown_timeout),
        )


def _end_after(seconds: float) -> None:
    """End this process at the latest in so many seconds.

    What was acknowledged is on disk by then. What could be canceled was; this is for a thread that
    a disk or a library keeps.
    """

    def end() -> None:
        common.console(error=True).print(
            f"Not all that was in flight ended within {seconds:g} s (shutdown_timeout).",
            markup=False,
        )
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
