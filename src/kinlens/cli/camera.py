"""`kinlens camera`: the device, which publishes what a camera sees."""

from __future__ import annotations

import json as jsons
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kinlens.cli import common
from kinlens.config import Settings, device_key, load_settings
from kinlens.errors import InvalidInput
from kinlens.printable import escaped

if TYPE_CHECKING:
    from kinlens.camera.base import Source
    from kinlens.camera.device import Published, Totals
    from kinlens.camera.options import Options
    from kinlens.types import Crop

WALK = "walk"
NOWHERE = "memory://camera"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(camera)


def camera(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A folder of frames, a video file, a USB camera (0, 1 ...), http://... of MJPEG "
            "or snapshots, rtsp://...; or walk, a recorded walk past the catalog's pictures.",
            show_default=False,
        ),
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where to publish, such as mqtt://user:password@host:1883 or "
            "mqtts://host:8883?ca=FILE; better in the variable KINLENS_LIVE_BROKER if it has a "
            "password.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="The device's id (default: this machine's name).", show_default=False),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="File of the key that signs what is published (default: the variable "
            "KINLENS_DEVICE_KEY, else nothing is signed).",
            show_default=False,
        ),
    ] = None,
    data: common.Data = None,
    encoder: common.Encoder = None,
    rate: Annotated[
        float, typer.Option(help="Frames a second at most, and the pace of a folder.")
    ] = 15.0,
    region: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,WIDTH,HEIGHT",
            help="Look only at this part of the frame, in fractions of it (default: all; of the "
            "walk, where the things are).",
            show_default=False,
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Look at the largest thing that moves.")
    ] = False,
    change: Annotated[
        float,
        typer.Option(help="Share of the picture that has to change; 0 publishes every frame."),
    ] = 0.01,
    heartbeat: Annotated[
        float, typer.Option(help="Seconds after which a still scene is published again.")
    ] = 2.0,
    picture: Annotated[
        int, typer.Option(help="Longest side of the published picture, in pixels.")
    ] = 320,
    quality: Annotated[int, typer.Option(help="Of the published picture, 1 to 100.")] = 75,
    no_picture: Annotated[
        bool, typer.Option("--no-picture", help="Publish the vector alone.")
    ] = False,
    loop: Annotated[
        bool, typer.Option("--loop", help="Begin a folder or a film again at its end.")
    ] = False,
    print_: Annotated[
        bool, typer.Option("--print", help="Print a line for each frame that is published.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print these lines as JSON.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Only measure what a frame costs on this machine.")
    ] = False,
) -> None:
    """Publish what a camera sees, as vectors, until it ends or Ctrl-C.

    It looks at the newest frame, passes over those that show nothing new, and reconnects to camera
    and broker for as long as it takes.
    """
    from kinlens.camera.eye import SmallPicture
    from kinlens.camera.options import Options

    settings = load_settings({"data": data, "encoder": encoder, "live_broker": broker})
    options = Options(
        rate=rate,
        region=_region(source, region),
        follow=follow,
        change=change,
        heartbeat=heartbeat,
        picture=None if no_picture else SmallPicture(picture, quality),
        loop=loop,
    )
    if measure:
        _measure(source, settings, options, json=json)
        return
    if source is None:
        raise InvalidInput("Which camera is missing; name a folder, a film, 0 for USB, or a URL.")
    if not settings.live_broker and not (print_ or json):
        raise InvalidInput(
            "Where to publish is missing; name a broker with --broker mqtt://host:1883, or look on "
            "with --print."
        )
    key = device_key(key_file)
    show = _shower(lines=print_ or json, json=json)
    _run(source, device or _own_name(), key, settings, options, show)


def _run(
    source: str,
    device: str,
    key: str | None,
    settings: Settings,
    options: Options,
    show: Callable[[Any], None],
) -> None:
    from kinlens.wiring import open_camera

    opened = open_camera(
        _source(source, settings, options),
        device,
        broker=settings.live_broker or NOWHERE,
        key=key,
        options=options,
        settings=settings,
        tell=show,
    )
    with _stopping() as stop, opened:
        show(opened.run(stop))


def _source(source: str, settings: Settings, options: Options) -> str | Source:
    if source != WALK:
        return source
    from kinlens.camera.selection import walk_past
    from kinlens.camera.walk import WalkFrames
    from kinlens.wiring import open_search

    with open_search(settings=settings, create=False, lazy=True) as search:
        walk = walk_past(search, fps=options.rate)
    return WalkFrames(walk, frames=None if options.loop else walk.count)


def _region(source: str | None, text: str | None) -> Crop | None:
    if source != WALK or text is not None:
        return common.parse_crop(text)
    from kinlens.camera.walk import AIM

    return AIM


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    told = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: told.set()) for number in numbers}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _own_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "camera"


def _shower(*, lines: bool, json: bool) -> Callable[[Any], None]:
    """What prints the news of a device: sightings, states and at last the totals."""
    from kinlens.camera.device import Totals

    say = common.console(error=True)

    def show(news: Published | Totals | str) -> None:
        if isinstance(news, str):
            say.print(f"{time.strftime('%H:%M:%S')}  {news}", style="dim", markup=False)
        elif isinstance(news, Totals):
            if json:
                _write_line({"totals": asdict(news)})
            else:
                say.print(_totals_line(news), markup=False, soft_wrap=True)
        elif json:
            _write_line(_plain(news))
        elif lines:
            sys.stdout.write(escaped(_line(news)) + "\n")
            sys.stdout.flush()

    return show


def _write_line(value: dict[str, Any]) -> None:
    sys.stdout.write(jsons.dumps(value) + "\n")
    sys.stdout.flush()


def _plain(news: Published) -> dict[str, Any]:
    took = {name: round(value, 2) for name, value in asdict(news.glance.took).items()}
    box = news.look.box
    return {
        "sequence": news.sighting.sequence,
        "taken_at": news.sighting.taken_at,
        "frame": news.frame,
        "box": [round(value, 4) for value in asdict(box).values()] if box else None,
        "bytes": news.size,
        "milliseconds": took,
    }


def _line(news: Published) -> str:
    took = news.glance.took
    at = time.strftime("%H:%M:%S", time.localtime(news.sighting.taken_at))
    spent = took.decode + took.encode + took.picture
    size = common.human_bytes(news.size)
    return f"{at}  #{news.sighting.sequence}  {spent:.0f} ms  {size}  {news.frame}".rstrip()


def _totals_line(totals: Totals) -> str:
    others = {name: getattr(totals, name) for name in ("unchanged", "skipped", "unsent", "broken")}
    parts = [f"{count:,} {name}" for name, count in others.items() if count]
    return ", ".join([f"Published {totals.published:,} of {totals.seen:,} frames", *parts]) + "."


def _measure(source: str | None, settings: Settings, options: Options, *, json: bool) -> None:
    from kinlens.camera.eye import Eye
    from kinlens.camera.measure import made_frames, measure
    from kinlens.camera.opening import open_source
    from kinlens.images import PictureLoader
    from kinlens.wiring import encoder_for

    encoder = encoder_for(settings)
    with PictureLoader(workers=1) as loader:
        eye = Eye(
            encoder, loader, region=options.region, follow=options.follow, picture=options.picture
        )
        frames = made_frames()
        if source is not None:
            wanted = _source(source, settings, options)
            opened = open_source(wanted, rate=1000) if isinstance(wanted, str) else wanted
            frames = opened.frames()
        figures = measure(eye, frames)
    if json:
        common.print_json({**asdict(figures), "frames_per_second": figures.frames_per_second})
        return
    steps = ("decode", "encode", "picture", "pack", "total", "cpu")
    rows = [(name, f"{getattr(figures, name):.2f}") for name in steps]
    size = f"{figures.width}x{figures.height}"
    common.table({f"{figures.frames} frames of {size}": "left", "ms": "right"}, rows)
    common.console().print(
        f"\nUp to {figures.frames_per_second:.0f} frames a second with {encoder.identity.name}; at "
        f"{options.rate:g} they take {figures.cpu * options.rate / 10:.0f} % of one core, and "
        f"{common.human_bytes(figures.bytes * options.rate)} a second of the network.",
        markup=False,
        soft_wrap=True,
    )
