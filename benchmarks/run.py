"""Runs the benchmarks one after the other, each in a process of its own; `make bench` calls this.

python benchmarks/run.py [--only bound bulk encoders indexing serving] [--quick]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

BENCHMARKS = {
    "encoders": ["--seconds", "0.3"],
    "bound": ["--vectors", "5000", "--queries", "64"],
    "neighbors": ["--quick", "--rounds", "1"],
    "gpu": ["--rows", "6000", "--queries", "500", "--dim", "96", "--rounds", "2"],
    "indexing": ["--pictures", "600", "--rounds", "2"],
    "bulk": ["--items", "3000", "--rounds", "1"],
    "live": ["--items", "5000", "--seconds", "3", "--rounds", "1"],
    "page": ["--items", "1000", "--rounds", "1"],
    "walk": ["--items", "60", "--walks", "1"],
    "serving": ["--items", "5000", "--rounds", "1", "--seconds", "1", "--starts", "2"],
}
"""By name, the options that make it quick, which only tells whether it runs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="small sizes, rough figures")
    options = parser.parse_args()
    failed = []
    for name in options.only:
        print(f"\n== {name}\n", flush=True)
        script = str(Path(__file__).with_name(f"{name}.py"))
        extra = BENCHMARKS[name] if options.quick else []
        done = subprocess.run([sys.executable, script, *extra], check=False)
        if done.returncode:
            failed.append(name)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    main()
