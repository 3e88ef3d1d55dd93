"""``earshot transcribe``: a file or standard input becomes text, by a server or in this process."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.failure import INTERRUPTED, USAGE, CommandFailed
from server.export_formats import ExportFormat

if TYPE_CHECKING:
    import asyncio


def transcribe(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="A recording, or - for standard input.")],
    server: Annotated[
        str | None,
        typer.Option(envvar="EARSHOT_SERVER", help="Server to use, such as http://127.0.0.1:8000; none: this process."),
    ] = None,
    form: Annotated[ExportFormat, typer.Option("--format", "-f", help="What is written.")] = ExportFormat.TXT,
    raw: Annotated[
        int | None,
        typer.Option("--raw", metavar="RATE", help="Standard input is mono 16-bit PCM of this rate, in Hz."),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language spoken, such as en; auto lets it be found.")] = None,
    engine: Annotated[str | None, typer.Option(help="Recogniser, when no server is named.")] = None,
    speakers: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=20, help="How many speak, where you know it.")
    ] = None,
    no_speakers: Annotated[bool, typer.Option("--no-speakers", help="Do not tell voices apart.")] = False,
    name: Annotated[str | None, typer.Option(help="The transcript's name on the server.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where fetched models are, when no server is named.")] = None,
) -> None:
    """Transcribe a recording: live text on a terminal, a document in a pipe. Ctrl-C prints what there is."""
    if source != "-" and not Path(source).is_file():
        raise CommandFailed(f"There is no file {source}.", USAGE)
    if raw is not None and source != "-":
        raise CommandFailed("--raw describes standard input; name it with -.", USAGE)
    if raw is not None and not 8000 <= raw <= 48_000:
        raise CommandFailed("--raw takes a rate of 8000 to 48000 Hz.", USAGE)
    if source == "-" and sys.stdin.isatty():
        raise CommandFailed("Standard input is this terminal; pipe sound into it.", USAGE)
    if speakers is not None and no_speakers:
        raise CommandFailed("--speakers and --no-speakers contradict each other.", USAGE)
    import asyncio

    from server.commands.addresses import ServerAddress
    from server.commands.sound_given import Wanted, read_stdin

    quiet()
    if server is not None:
        ServerAddress(server)  # a wrong one is told at once, not when sound has come
    # Before anything is started or made on a server: a pipe whose other end failed brings nothing.
    begun = read_stdin() if source == "-" else b""
    if source == "-" and not begun:
        raise CommandFailed("Nothing came on standard input.")
    wanted = Wanted(
        source=source,
        raw_rate_hz=raw,
        language=language,
        engine=engine,
        name=name or (Path(source).name if source != "-" else "Standard input"),
        server=server,
        data_dir=data_dir,
        print_finals=form is ExportFormat.TXT,
        begun=begun,
        diarize=not no_speakers,
        speakers=speakers,
    )
    raise typer.Exit(asyncio.run(_run(wanted, form)))


def quiet() -> None:
    """Standard output is for words alone; what the rooms log is not, unless it is an error."""
    import logging

    import structlog

    structlog.configure(
        # Tracebacks without local variables: those hold words.
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _run(wanted: object, form: ExportFormat) -> int:
    import asyncio

    from server.commands.hearing import hear
    from server.commands.screens import open_screen
    from server.commands.sound_given import Wanted
    from server.exports import export
    from server.speaker_figures import figures_of, speakers_data

    assert isinstance(wanted, Wanted)
    stop = asyncio.Event()
    screen = open_screen(print_finals=wanted.print_finals, on_broken=stop.set)
    loop = asyncio.get_running_loop()
    # The first Ctrl-C asks for the words so far; the second ends at once.
    loop.add_signal_handler(signal.SIGINT, _interrupted, stop, loop)
    try:
        heard = await hear(wanted, screen, stop)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        screen.close()
    if form is not ExportFormat.TXT:
        speakers = speakers_data(figures_of(heard.segments, {}))
        length = heard.duration_samples
        sys.stdout.write(export(heard.segments, form, name=wanted.name, duration_samples=length, speakers=speakers))
        sys.stdout.flush()
    if heard.trouble:
        raise CommandFailed(heard.trouble)
    return INTERRUPTED if stop.is_set() else 0


def _interrupted(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    stop.set()
    loop.remove_signal_handler(signal.SIGINT)
