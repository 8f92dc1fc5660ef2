"""The `kinlens` script, also as `python -m kinlens`."""

from __future__ import annotations

import signal
import sys
import time

BEGAN = time.perf_counter()


def main() -> None:
    """Run the command line; Ctrl-C while it is still being imported is no traceback either."""
    try:
        from kinlens.cli import main as run  # noqa: PLC0415

        run(began=BEGAN)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        # Another Ctrl-C ends the process at once, not with a traceback of the interpreter's end.
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
