"""`kinlens live`: matches what cameras see, while you look."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kinlens.cli import common
from kinlens.cli.serve import DEMO, AllowOpen, Browse, Host, Port, demo_catalog
from kinlens.config import Settings, device_key, load_settings

if TYPE_CHECKING:
    from kinlens.live.service import LiveService
    from kinlens.search import Search


DEMO_BUS = "memory://demo"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(live)


def live(
    data: common.Data = None,
    encoder: common.Encoder = None,
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where cameras publish, such as mqtt://user:password@host:1883; better in the "
            "variable KINLENS_LIVE_BROKER if it has a password.",
            show_default=False,
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where the newest views are kept, such as redis://host:6379/0 (default: this "
            "process's memory).",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Matchers of one group share the cameras' messages (default: kinlens).",
            show_default=False,
        ),
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Serve the page and the API as well.")
    ] = True,
    host: Host = None,
    port: Port = None,
    allow_open: AllowOpen = False,
    open_: Browse = False,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            help="Show it without a camera: a recorded walk past the catalog's pictures, or past "
            "those of a sample shop if no --data is given.",
        ),
    ] = False,
) -> None:
    """Match what cameras see and show it, until Ctrl-C. Several can share the work."""
    from kinlens.wiring import open_live, open_search

    given = {"encoder": encoder, "host": host, "port": port}
    settings = load_settings(
        {**given, "live_broker": broker, "live_store": store, "live_group": group}
    )
    if demo:
        data = data or demo_catalog(None, DEMO)
        settings = replace(settings, live_broker=settings.live_broker or DEMO_BUS)
    settings = replace(settings, data=data or settings.data)
    with (
        open_search(settings=settings, create=False) as search,
        open_live(search, settings) as service,
    ):
        service.start()
        with _state_shown(service), _walk(search, settings) if demo else nullcontext():
            if serve:
                _serve(search, service, settings, allow_open, browse=open_)
            else:
                _wait()


@contextmanager
def _walk(search: Search, settings: Settings) -> Iterator[None]:
    """Have a camera that walks past the catalog's pictures."""
    from kinlens.camera.options import Options
    from kinlens.camera.selection import walk_past
    from kinlens.camera.walk import AIM, WalkFrames
    from kinlens.wiring import open_camera

    camera = open_camera(
        WalkFrames(walk_past(search)),
        "walk",
        broker=settings.live_broker,
        key=device_key(None),
        options=Options(region=AIM),
        settings=settings,
    )
    ended = threading.Event()
    thread = threading.Thread(target=camera.run, args=(ended,), name="kinlens-walk", daemon=True)
    thread.start()
    try:
        with camera:
            yield
            ended.set()
            thread.join()
    finally:
        ended.set()


def _serve(
    search: Search, service: LiveService, settings: Settings, allow_open: bool, *, browse: bool
) -> None:
    from kinlens.http.serve import serve

    def ready(address: str) -> None:
        say = common.console()
        say.print(f"\n  What cameras see is at [bold]{address}/live[/bold]")
        say.print("  Ctrl-C stops it\n", style="dim")
        if browse:
            typer.launch(f"{address}/live")

    serve(search, settings, live=service, allow_open=allow_open, on_ready=ready)


def _wait() -> None:
    """Until Ctrl-C or SIGTERM."""
    told = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: told.set()) for number in numbers}
    common.console().print("Matching; Ctrl-C stops it", style="dim")
    told.wait()
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def _state_shown(service: LiveService) -> Iterator[None]:
    """A line that changes every second, where a person looks on."""
    if not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_show_state, args=(service, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        sys.stderr.write("\r\x1b[K")


def _show_state(service: LiveService, ended: threading.Event) -> None:
    counts, at = service.counters.snapshot(), time.monotonic()
    while not ended.wait(1.0):
        now, later = service.counters.snapshot(), time.monotonic()
        line = state_line(service, counts, now, later - at)
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
        counts, at = now, later


def state_line(
    service: LiveService, before: dict[str, int], now: dict[str, int], seconds: float
) -> str:
    """How it goes: rates over the last seconds, totals of what was lost, and what is away."""
    online = sum(status.state == "online" for status in service.devices())
    done = now["matched"] + now["repeated"] - before["matched"] - before["repeated"]
    parts = [f"{done / seconds:.0f} views/s", f"{online} online"]
    lost = ("dropped", "stale", "limited", "malformed", "refused", "failed")
    parts += [f"{now[name]} {name}" for name in lost if now[name]]
    if service.bus is not None and not service.bus.connected:
        parts.append("no broker")
    if (trouble := service.store.trouble) is not None:
        parts.append(f"no store ({trouble})")
    return " · ".join(parts)
