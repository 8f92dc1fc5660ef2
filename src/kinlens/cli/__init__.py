"""The command line: one verb a thing a person wants.

Each verb lives in the module of its noun and imports what it needs when it runs, so that `--help`
is quick. A user's mistake is one line on standard error and a non-zero exit, never a traceback.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Annotated

import typer

from kinlens.cli import (
    access,
    backup,
    camera,
    catalog,
    diagnose,
    encoders,
    indexing,
    live,
    neighbors,
    search,
    serve,
    waiting,
)
from kinlens.errors import InvalidInput, KinlensError
from kinlens.printable import escaped

app = typer.Typer(
    name="kinlens",
    help="Visual search you run yourself: index pictures, show it one, get the look-alikes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"kinlens {version('kinlens')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Options of the command itself."""


for _module in (
    indexing,
    search,
    neighbors,
    serve,
    live,
    camera,
    catalog,
    access,
    backup,
    encoders,
    diagnose,
):
    _module.register(app)


def main(began: float | None = None) -> None:
    """Run the command line; the entry point of the `kinlens` script.

    Parameters
    ----------
    began : `time.perf_counter` when the process began, from which on a person has waited
    """
    waiting.begin(time.perf_counter() if began is None else began)
    try:
        app()
    except KinlensError as error:
        print(f"kinlens: {escaped(str(error), lines=True)}", file=sys.stderr)  # noqa: T201
        sys.exit(2 if isinstance(error, InvalidInput) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`); nothing is left to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
