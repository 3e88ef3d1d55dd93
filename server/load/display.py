"""How a load stands while it runs: two lines that are redrawn, on a terminal's standard error."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from server.load.report import progress_line
from server.load.running import Load

if TYPE_CHECKING:
    from rich.console import RenderableType


class Display:
    """Use as a context. Without a terminal it shows nothing."""

    def __init__(self, load: Load) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn

        self._load = load
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[clock]}")
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("", total=None, clock="")
        self._live = (
            Live(console=console, refresh_per_second=2, transient=True, get_renderable=self._render)
            if sys.stderr.isatty()
            else None
        )

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        load = self._load
        passed_s = time.monotonic() - load.began_s
        runs = load.stage == "load"
        self._bar.update(
            self._task,
            description=load.stage,
            total=load.plan.length_s if runs else None,
            completed=min(passed_s, load.plan.length_s) if runs else 0,
            clock=f"{passed_s:.0f} of {load.plan.length_s:.0f} s" if runs else f"{passed_s:.0f} s",
        )
        return Group(self._bar.get_renderable(), Text(progress_line(load)))
