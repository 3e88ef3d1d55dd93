"""Words as they come: live on a terminal with a progress bar, or plain lines into a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from protocol.blocks import SAMPLE_RATE_HZ
from protocol.words import Segment
from server.exports import clean

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress

# Interims beyond this would scroll: a live area cannot be higher than the terminal.
INTERIMS_SHOWN = 3


class Screen(Protocol):
    """Where a command shows what it hears. ``close`` must be called in the end, whatever happened."""

    def final(self, segment: Segment) -> None: ...

    def interim(self, segment: Segment) -> None: ...

    def progress(self, done_s: float, total_s: float | None) -> None: ...

    def notice(self, sentence: str) -> None: ...

    def close(self) -> None: ...


def open_screen(*, print_finals: bool, bar: bool = True, on_broken: Callable[[], None] = lambda: None) -> Screen:
    """On a terminal everything moves. In a pipe finals are lines (with ``print_finals``) and the bar, if any, is on
    standard error when that is a terminal.
    """
    from rich.console import Console

    if sys.stdout.isatty():
        return TerminalScreen(Console(), finals=True, bar=bar)
    if bar and sys.stderr.isatty():
        return TerminalScreen(Console(stderr=True), finals=False, bar=True, lines=print_finals)
    return PipeScreen(print_finals=print_finals, on_broken=on_broken)


def line_of(segment: Segment) -> str:
    """One line: the speaker, when known, and the words."""
    who = clean(segment.speaker or "")
    return f"{who}: {clean(segment.text)}" if who else clean(segment.text)


class PipeScreen:
    """Lines of finals. ``on_broken`` is called when the reader of the pipe went away (``| head``)."""

    def __init__(self, *, print_finals: bool, on_broken: Callable[[], None] = lambda: None) -> None:
        self._print_finals = print_finals
        self._on_broken = on_broken

    def final(self, segment: Segment) -> None:
        if not self._print_finals:
            return
        try:
            print(line_of(segment), flush=True)
        except BrokenPipeError:
            self._print_finals = False
            # What Python still wants to flush at its end goes nowhere, quietly.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._on_broken()

    def interim(self, segment: Segment) -> None:
        pass

    def progress(self, done_s: float, total_s: float | None) -> None:
        pass

    def notice(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def close(self) -> None:
        pass


class TerminalScreen:
    """Finals scroll by above; below them grey interims and a bar, redrawn a few times a second."""

    def __init__(self, console: Console, *, finals: bool, bar: bool, lines: bool = False) -> None:
        from rich.live import Live

        self._console = console
        self._finals = finals
        self._lines = lines
        self._interims: dict[str, Segment] = {}
        self._bar = _bar(console) if bar else None
        self._task = self._bar.add_task("", total=None, clock="") if self._bar else None
        self._live = Live(
            console=console, auto_refresh=True, refresh_per_second=8, transient=True, get_renderable=self._render
        )
        self._live.start()

    def final(self, segment: Segment) -> None:
        from rich.text import Text

        self._interims.pop(segment.segment_id, None)
        if self._finals:
            text = Text(f"{_clock(segment.start_samples / SAMPLE_RATE_HZ)}  ", style="dim")
            text.append(line_of(segment), style="not dim")
            self._console.print(text)
        elif self._lines:
            print(line_of(segment), flush=True)

    def interim(self, segment: Segment) -> None:
        if segment.text:
            self._interims[segment.segment_id] = segment
        else:
            self._interims.pop(segment.segment_id, None)

    def progress(self, done_s: float, total_s: float | None) -> None:
        if self._bar is not None and self._task is not None:
            clock = _clock(done_s) + (f" of {_clock(total_s)}" if total_s else "")
            self._bar.update(self._task, completed=done_s, total=total_s, clock=clock)

    def notice(self, sentence: str) -> None:
        from rich.text import Text

        self._console.print(Text(sentence, style="yellow"))

    def close(self) -> None:
        self._interims.clear()
        self._live.stop()

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        shown: list[Any] = [
            Text(line_of(segment), style="bright_black") for segment in list(self._interims.values())[-INTERIMS_SHOWN:]
        ]
        if self._bar is not None:
            shown.append(self._bar.get_renderable())
        return Group(*shown)


def _bar(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(BarColumn(), TextColumn("{task.fields[clock]}"), TimeRemainingColumn(), console=console)


def _clock(seconds: float) -> str:
    whole = int(seconds)
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{whole // 60 % 60:02}:{whole % 60:02}"
