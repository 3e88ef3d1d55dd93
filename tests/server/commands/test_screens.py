from __future__ import annotations

import io

import pytest
from rich.console import Console

from protocol.words import Segment
from server.commands.screens import PipeScreen, TerminalScreen, line_of, open_screen


def segment(text: str, *, is_final: bool, speaker: str | None = None) -> Segment:
    return Segment(
        segment_id="seg_1",
        track="trk_1",
        text=text,
        start_samples=64_000,
        end_samples=80_000,
        is_final=is_final,
        speaker=speaker,
    )


def test_a_line_has_the_speaker_and_no_control_characters() -> None:
    assert line_of(segment("good\x1b[31m morning", is_final=True, speaker="An\nna")) == "An na: good [31m morning"


def test_a_pipe_gets_finals_only(capsys: pytest.CaptureFixture[str]) -> None:
    screen = open_screen(print_finals=True)
    assert isinstance(screen, PipeScreen)
    screen.interim(segment("good", is_final=False))
    screen.progress(1.0, 2.0)
    screen.final(segment("good morning", is_final=True))
    screen.notice("look")
    screen.close()
    shown = capsys.readouterr()
    assert shown.out == "good morning\n"
    assert shown.err == "look\n"


def test_a_terminal_shows_interims_and_then_the_final_with_its_time() -> None:
    file = io.StringIO()
    screen = TerminalScreen(Console(file=file, force_terminal=True, width=80), finals=True, bar=True)
    screen.interim(segment("good", is_final=False))
    screen.progress(4.0, 10.0)
    screen._live.refresh()
    assert "good" in file.getvalue()
    assert "00:04 of 00:10" in file.getvalue()
    screen.final(segment("[bold]good morning[/bold]", is_final=True))
    screen.interim(segment("", is_final=False))
    screen.close()
    assert "00:04  " in file.getvalue()
    assert "[bold]good morning[/bold]" in file.getvalue(), "what is said is text, never markup"
