"""``earshot models``: what may be fetched, fetching it, forgetting it. Nothing is fetched unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.options import load

models = typer.Typer(help="List, fetch and remove recognisers.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="The server's data folder.")]
