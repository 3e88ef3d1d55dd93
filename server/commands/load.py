"""``earshot load``: what a server can do, found out with as many clients as it takes."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from server.commands.failure import FAILED, INTERRUPTED, USAGE, CommandFailed

if TYPE_CHECKING:
    from server.load.plan import Plan
    from server.load.running import Load

DEFAULT_SERVER = "http://127.0.0.1:8000"
REQUEST_S = 30.0
CONNECTIONS_MAX = 64
FILES_BESIDE = 256  # open, besides the sockets


def load(
    server: Annotated[
        list[str] | None,
        typer.Option(
            envvar="EARSHOT_SERVER",
            show_default=DEFAULT_SERVER,
            help="The server; several addresses of it are taken in turn.",
        ),
    ] = None,
    token: Annotated[str | None, typer.Option(help="Token or key to be let in; else the access_token.")] = None,
    sockets: Annotated[int, typer.Option(min=0, max=5000, help="Live sessions over WebSocket.")] = 0,
    webrtc: Annotated[int, typer.Option(min=0, max=5000, help="Live sessions over WebRTC.")] = 0,
    listeners: Annotated[int, typer.Option(min=0, max=20_000, help="Subscribers, spread over the sessions.")] = 0,
    uploads: Annotated[int, typer.Option(min=0, max=10_000, help="Files uploaded meanwhile, evenly.")] = 0,
    duration: Annotated[float, typer.Option(min=3, max=604_800, help="Seconds that each speaks, about.")] = 60.0,
    ramp: Annotated[
        float | None, typer.Option(min=0, max=86_400, help="Seconds within which they begin; else a quarter of those.")
    ] = None,
    sound: Annotated[Path | None, typer.Option(help="What they say; else the sample conversation in English.")] = None,
    words: Annotated[
        Path | None, typer.Option(help="Text of the words in it, of which none may be missing; else one alone tells.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the transcripts on the server.")] = False,
    form: Annotated[Literal["text", "json"], typer.Option("--format", "-f", help="What is written.")] = "text",
) -> None:
    """Put a server under load, in real time, and tell how late its words come and whether any are lost.

    Exit code 1 when words, sound or events were lost.
    """
    for path in (sound, words):
        if path is not None and not path.is_file():
            raise CommandFailed(f"There is no file {path}.", USAGE)
    if words is not None and sound is None:
        raise CommandFailed("--words are those of a --sound.", USAGE)
    if not sockets + webrtc + uploads:
        raise CommandFailed("Say how many: --sockets, --webrtc or --uploads.", USAGE)
    if listeners and not sockets + webrtc:
        raise CommandFailed("--listeners follow live sessions: there are none.", USAGE)
    import asyncio

    from protocol.errors import EarshotError
    from server.commands.addresses import ServerAddress
    from server.commands.options import load as settings
    from server.commands.transcribe import quiet
    from server.load.plan import Plan
    from server.load.sound import load_sound

    quiet()
    if token is None and (known := settings().access_token) is not None:
        token = known.get_secret_value()
    addresses = [ServerAddress(each, token) for each in server or [DEFAULT_SERVER]]
    try:
        what = load_sound(sound, words, duration)
    except EarshotError as error:
        raise CommandFailed(f"{sound}: {error.message}.", USAGE) from None
    plan = Plan(
        addresses,
        what,
        duration_s=duration,
        ramp_s=duration / 4 if ramp is None else ramp,
        sockets=sockets,
        webrtc=webrtc,
        listeners=listeners,
        uploads=uploads,
        has_words=words is not None,
        keep=keep,
    )
    _allow_sockets(plan)
    raise typer.Exit(asyncio.run(_run(plan, form)))


def _allow_sockets(plan: Plan) -> None:
    """Systems let a process open a thousand files or so, until it asks for more."""
    try:
        import resource
    except ImportError:  # no POSIX system
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = plan.sessions + plan.listeners + FILES_BESIDE
    if needed > soft != resource.RLIM_INFINITY:
        if hard != resource.RLIM_INFINITY and needed > hard:
            raise CommandFailed(f"This needs {needed} open files, and the system allows {hard} (ulimit -Hn).", USAGE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def _run(plan: Plan, form: str) -> int:
    import asyncio

    import httpx

    from server.load.display import Display
    from server.load.report import as_text, document
    from server.load.running import Load

    limits = httpx.Limits(max_connections=CONNECTIONS_MAX)
    async with httpx.AsyncClient(
        trust_env=False,  # no proxy of the environment's
        verify=httpx.create_ssl_context(),  # but whom SSL_CERT_FILE trusts, as the sockets do
        timeout=httpx.Timeout(REQUEST_S, pool=None),
        limits=limits,
    ) as http:
        load = Load(plan, http)
        loop = asyncio.get_running_loop()
        # The first Ctrl-C asks everybody to stop; the second does not wait for the words.
        loop.add_signal_handler(signal.SIGINT, _interrupted, load, loop)
        try:
            with Display(load):
                await load.run()
        finally:
            loop.remove_signal_handler(signal.SIGINT)
    told = document(load)
    sys.stdout.write(json.dumps(told, indent=2) + "\n" if form == "json" else as_text(told))
    sys.stdout.flush()
    if load.stop.is_set():
        return INTERRUPTED
    if not load.tally.let_in and plan.sessions:
        print("No session was let in.", file=sys.stderr)
        return FAILED
    return FAILED if told["lost"] else 0


def _interrupted(load: Load, loop: object) -> None:
    import asyncio

    assert isinstance(loop, asyncio.AbstractEventLoop)
    load.interrupt()
    loop.remove_signal_handler(signal.SIGINT)
