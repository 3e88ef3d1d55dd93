"""``earshot listen``: follow a transcript live."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from server.commands.failure import INTERRUPTED, USAGE, CommandFailed

DEFAULT_SERVER = "http://127.0.0.1:8000"
ENDS = {"completed": 0, "failed": 1}


def listen(
    transcript_id: Annotated[str, typer.Argument(help="The transcript's id.")],
    server: Annotated[str, typer.Option(envvar="EARSHOT_SERVER", help="The server.")] = DEFAULT_SERVER,
    after: Annotated[
        str, typer.Option(help="Begin after this event's number; 0 for everything, now for what comes.")
    ] = "0",
    as_json: Annotated[bool, typer.Option("--json", help="Write every message as a line of JSON.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-F", help="Go on when the transcript has ended.")] = False,
) -> None:
    """Follow a transcript: its finals, and on a terminal its interims, until it ends."""
    if after != "now" and not after.isdigit():
        raise CommandFailed("--after takes an event's number, or now.", USAGE)
    import asyncio

    try:
        raise typer.Exit(asyncio.run(_listen(server, transcript_id, after, as_json=as_json, follow=follow)))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


async def _listen(server: str, transcript_id: str, after: str, *, as_json: bool, follow: bool) -> int:
    from server.commands.addresses import ServerAddress
    from server.commands.following import Follower
    from server.commands.options import load
    from server.commands.screens import PipeScreen, open_screen

    token = load().access_token
    address = ServerAddress(server, token.get_secret_value() if token else None)
    follower = Follower(address, transcript_id, after=after)
    screen = PipeScreen(print_finals=False) if as_json else open_screen(print_finals=True, bar=False)
    messages = follower.messages()
    try:
        async for message in messages:
            if as_json and message["type"] != "trouble":
                sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
                sys.stdout.flush()
            ended = await _take(message, follower, screen, tell=not as_json)
            if ended is not None and not follow:
                return ended
    finally:
        await messages.aclose()
        screen.close()
    return 0


async def _take(message: Mapping[str, Any], follower: Any, screen: Any, *, tell: bool) -> int | None:
    """Show a message; the exit code when it says that the transcript has ended."""
    data = message.get("data") or {}
    match message["type"]:
        case "transcription" if tell:
            _show(data, screen)
        case "trouble":
            screen.notice(data["message"])
        case "error" if tell:
            screen.notice(str(data.get("message", "")))
        case "status" if data.get("status") in ENDS:
            # A journal read from its beginning may tell of an end after which somebody spoke again: what holds now is
            # in the answer to a question, which has no number.
            if "seq" not in message:
                return ENDS[data["status"]]
            await follower.ask_status()
    return None


def _show(data: Mapping[str, Any], screen: Any) -> None:
    from server.commands.wire_segments import segment_from

    segment = segment_from(data)
    if segment.is_final and segment.text:
        screen.final(segment)
    elif not segment.is_final:
        screen.interim(segment)
