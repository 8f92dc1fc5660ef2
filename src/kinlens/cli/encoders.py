"""`kinlens rewrite-golden`: reference vectors of a bundle, computed again in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kinlens.cli import common


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("rewrite-golden")(rewrite_golden)


def rewrite_golden(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.", show_default=False)],
    json: common.Json = False,
) -> None:
    """Compute the golden vectors of a bundle again, in float32.

    For a bundle that was written on a CPU with bfloat16 and is refused elsewhere. Its fingerprint
    stays, so catalogs go on with it. If the vectors would change by more than rounding does,
    nothing is written.
    """
    from kinlens.encoders import rewrite_golden as rewrite

    cosine = rewrite(bundle.expanduser())
    if json:
        common.print_json({"bundle": str(bundle), "cosine": cosine})
        return
    common.console().print(
        f"{bundle}: golden vectors rewritten; lowest cosine to the old ones {cosine:.5f}.",
        markup=False,
    )
