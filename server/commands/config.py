"""``earshot config``: every setting with its value, default, bounds and sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.failure import FAILED, CommandFailed
from server.commands.options import load

SAMPLE_NAME = "earshot.toml"


def config(
    sample: Annotated[bool, typer.Option("--sample", help="Write a commented earshot.toml instead.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", hidden=True)] = False,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Where the sample goes; - for standard output.")
    ] = SAMPLE_NAME,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Show every setting: its value here, where it comes from, its default, bounds and meaning."""
    from server.settings_text import as_markdown, as_toml

    if markdown:
        typer.echo(as_markdown(), nl=False)
    elif sample:
        _write_sample(as_toml(), output, force=force)
    else:
        _show()


def _write_sample(text: str, output: str, *, force: bool) -> None:
    if output == "-":
        typer.echo(text, nl=False)
        return
    try:
        with Path(output).open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandFailed(f"{output} is there already; --force replaces it.", FAILED) from None
    except OSError as error:
        raise CommandFailed(f"{output} cannot be written: {error.strerror}.", FAILED) from None
    typer.echo(f"Wrote {output}: every setting, commented out. Take the # away from what you change.")


def _show() -> None:
    from rich.console import Console
    from rich.table import Table

    from server.settings_text import described

    settings = load()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Setting", no_wrap=True)
    table.add_column("Value", style="cyan", overflow="fold")
    table.add_column("Default", overflow="fold")
    table.add_column("Bounds", no_wrap=True)
    table.add_column("Meaning", ratio=1)
    for one in described():
        value = one.shown(getattr(settings, one.name))
        style = "bold" if value != one.default else None
        table.add_row(one.name, value, one.default, one.bounds, one.sentence, style=style)
    console = Console()
    # In a pipe a narrow table would fold every cell; there, lines may be as long as they are.
    console = console if console.is_terminal else Console(width=200)
    console.print(table, markup=False)
    console.print(
        f"\nEach is also an environment variable (EARSHOT_PORT), a line of {SAMPLE_NAME}"
        " and an option of `earshot serve` (--port).",
        markup=False,
        highlight=False,
    )
