"""`kinlens doctor`: what is installed, and whether machine, encoder and catalog are sound."""

from __future__ import annotations

import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from kinlens.cli import common, damage
from kinlens.config import Settings, load_settings, usable_cores
from kinlens.errors import InvalidInput, KinlensError

if TYPE_CHECKING:
    from kinlens.encoders.network import NetworkEncoder

PACKAGES = (
    "kinlens", "numpy", "openvino", "onnxruntime", "numkong", "simplejpeg", "pillow", "pi-heif",
    "fastapi", "uvicorn", "pyarrow", "huggingface-hub", "paho-mqtt", "redis",
    "opencv-python-headless",
)  # fmt: skip
OPTIONAL = {
    "onnxruntime", "pyarrow", "huggingface-hub", "paho-mqtt", "redis", "opencv-python-headless",
}  # fmt: skip
CPU_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "sve",
)

Deep = Annotated[
    bool, typer.Option("--deep", help="Read every row and picture of the catalog instead.")
]
Repair = Annotated[
    bool, typer.Option("--repair", help="Rebuild what can be rebuilt; nothing else may run.")
]
Files = Annotated[
    bool, typer.Option("--files", help="With --deep, also read the files that stay in place.")
]
DropLost = Annotated[
    bool, typer.Option("--drop-lost", help="With --repair, delete items whose picture is lost.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(doctor)


def doctor(
    deep: Deep = False,
    repair: Repair = False,
    files: Files = False,
    drop_lost: DropLost = False,
    json: common.Json = False,
    data: common.Data = None,
    encoder: common.Encoder = None,
) -> None:
    """Check this machine, the encoder and the catalog; exits 1 if something is wrong."""
    settings = load_settings({"data": data, "encoder": encoder})
    if drop_lost and not repair:
        raise InvalidInput("--drop-lost belongs to --repair; give both, or neither.")
    if deep or repair or files:
        sound = (
            damage.repair(settings, files=files, drop_lost=drop_lost, json=json)
            if repair
            else damage.inspect(settings, files=files, json=json)
        )
        if not sound:
            raise typer.Exit(1)
        return
    problems: list[str] = []
    report = {
        "machine": _machine(),
        "packages": {name: _version(name) for name in PACKAGES},
        "encoder": _try(_encoder, settings, problems),
        "catalog": _try(_catalog, settings, problems),
        "problems": problems,
    }
    if json:
        common.print_json(report)
    else:
        _print(report)
    if problems:
        raise typer.Exit(1)


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": usable_cores(),
        "cpu": _cpu_model(),
        "features": ", ".join(_cpu_flags()) or "unknown",
    }


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _cpu_model() -> str:
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _cpu_flags() -> list[str]:
    for line in _cpuinfo().splitlines():
        if line.startswith(("flags", "Features")):
            present = set(line.partition(":")[2].split())
            return [flag for flag in CPU_FLAGS if flag in present]
    return []


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _try(check: Any, settings: Settings, problems: list[str]) -> Any:
    try:
        return check(settings)
    except KinlensError as error:
        problems.append(str(error))
        return None


def _encoder(settings: Settings) -> dict[str, Any]:
    from kinlens.wiring import encoder_for

    start = time.perf_counter()
    encoder = encoder_for(settings)
    loaded = time.perf_counter() - start
    return {
        "name": encoder.identity.name,
        "fingerprint": encoder.identity.fingerprint,
        "dim": encoder.identity.dim,
        "runtime": f"{encoder.runtime}, {encoder.precision}",
        "load_seconds": round(loaded, 2),
        "one_picture_ms": round(_pace(encoder, 1) * 1000, 1),
        "pictures_per_second": round(1 / _pace(encoder, 32), 1),
    }


def _pace(encoder: NetworkEncoder, batch: int) -> float:
    """Seconds a picture, the best of three rounds after a warm-up."""
    side = encoder.recipe.size
    images = list(np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8))
    encoder.encode_images(images)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        encoder.encode_images(images)
        times.append(time.perf_counter() - start)
    return min(times) / batch


def _catalog(settings: Settings) -> dict[str, Any]:
    from kinlens.wiring import check_catalog

    return check_catalog(settings)


def _print(report: dict[str, Any]) -> None:
    for part in ("machine", "packages", "encoder", "catalog"):
        facts = report[part]
        if not facts:
            continue
        rows = [(name.replace("_", " "), _text(name, value)) for name, value in facts.items()]
        common.table({part: "left", "": "left"}, rows)
        common.console().print()
    for problem in report["problems"]:
        common.console().print(f"Problem: {problem}", style="red", markup=False)
    if not report["problems"]:
        common.console().print("All is well.", style="green")
        common.console().print(
            "Rows and pictures weren't read: kinlens doctor --deep does.", style="dim"
        )
    sys.stdout.flush()


def _text(name: str, value: Any) -> str:
    if value is None:
        return "not installed, optional" if name in OPTIONAL else "not installed"
    if name.endswith("bytes"):
        return common.human_bytes(value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
