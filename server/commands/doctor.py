"""``earshot doctor``: what is here, what is missing, what to do about it."""

from __future__ import annotations

import typer

from server.commands.failure import FAILED

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor() -> None:
    """Check this machine: recogniser, models, GPU, media, network, disk, database. Exit code 1 when something fails."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from server.commands.checks import run_checks

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Found", overflow="fold")
    failed = False
    for check in run_checks():
        found = Text(check.found)
        if check.todo:
            found.append(f"\n→ {check.todo}", style=STYLES[check.level])
        table.add_row(check.name, Text(check.level, style=STYLES[check.level]), found)
        failed = failed or check.level == "fail"
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(table)
    raise typer.Exit(FAILED if failed else 0)
