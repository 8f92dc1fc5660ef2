"""Where a benchmark's figures go: a dated JSON file that says on what they were measured.

    from report import Report, timings

    report = Report("encoders", "How many pictures a second does each runtime encode?")
    seconds = timings(lambda: encoder.run(batch), at_least=2.0)
    report.add(runtime="openvino", batch=32, images_per_s=32 / median(seconds))
    report.write()

A run overwrites the file of its own day. Figures of a machine that was busy with other things say
so by the load they began under.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kinlens.config import usable_cores

FOLDER = Path(__file__).parent / "results"
PACKAGES = (
    "kinlens", "numpy", "pillow", "simplejpeg", "openvino", "onnxruntime", "numkong", "fastapi",
    "uvicorn", "scikit-learn", "faiss-cpu", "usearch", "torch", "pyarrow",
)  # fmt: skip
CPU_FLAGS = (
    "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_bf16",
    "amx_int8", "amx_fp16", "asimd", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip


class Report:
    """The figures of one run.

    Parameters
    ----------
    name : of the benchmark; part of the file's name
    question : that the figures answer
    """

    def __init__(self, name: str, question: str) -> None:
        self.name = name
        self.question = question
        self.figures: list[dict[str, Any]] = []
        self._began = datetime.datetime.now(datetime.UTC)
        self._load = _load()

    def add(self, **figure: Any) -> None:
        """Keep one row, and show it."""
        row = {key: _rounded(value) for key, value in figure.items()}
        self.figures.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)

    def write(self) -> Path:
        """Write ``results/<date>-<name>.json`` and give its path."""
        content = {
            "benchmark": self.name,
            "question": self.question,
            "began": self._began.isoformat(timespec="seconds"),
            "seconds": round((datetime.datetime.now(datetime.UTC) - self._began).total_seconds()),
            "command": command(),
            "commit": _commit(),
            "machine": {**machine(), "load_at_start": self._load},
            "versions": versions(),
            "figures": self.figures,
        }
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / f"{self._began:%Y-%m-%d}-{self.name}.json"
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"\n{path.relative_to(Path(__file__).parent.parent)}")
        return path


def timings(
    call: Callable[[], object], *, at_least: float = 2.0, warm_ups: int = 2, calls: int = 5
) -> list[float]:
    """Seconds of each call, repeated until both `calls` and `at_least` seconds are reached."""
    for _ in range(warm_ups):
        call()
    seconds: list[float] = []
    while len(seconds) < calls or sum(seconds) < at_least:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def machine() -> dict[str, Any]:
    """CPU, cores, what of its instructions matters here, and memory."""
    about = _cpu_info()
    flags = set((about.get("flags") or about.get("Features") or "").split())
    return {
        "cpu": about.get("model name") or platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "flags": [flag for flag in CPU_FLAGS if flag in flags],
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Of the installed packages whose speed shows in figures."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def command() -> str:
    """What was run, as a user would type it at the project's root."""
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def _cpu_info() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _memory_gb() -> float | None:
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _commit() -> str | None:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, 1) if abs(value) >= 100 else float(f"{value:.3g}")
