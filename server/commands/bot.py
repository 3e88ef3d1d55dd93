"""``earshot bot``: play a meeting as a bot would stream it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from protocol.errors import EarshotError
from protocol.wire.dialects import Dialect
from server.commands.failure import INTERRUPTED, USAGE, CommandFailed

if TYPE_CHECKING:
    import httpx

    from server.bots.script import Part

DEFAULT_SERVER = "http://127.0.0.1:8000"
BOTS_MAX = 1000
REQUEST_DEADLINE_S = 30.0
DONE_DEADLINE_S = 600.0

bot = typer.Typer(help="Bots that attend meetings.", no_args_is_help=True)


@bot.callback()
def root() -> None:
    """Bots that attend meetings."""


@bot.command()
def simulate(
    participants: Annotated[
        list[str],
        typer.Argument(
            help="A file for each participant, with what else is to be known of them: "
            "ada.wav,name=Ada,at=6.5,join=2,leave=60,mute=10-20,webcam=8-30,screen=12-20,chat=7:Hello"
        ),
    ],
    server: Annotated[str, typer.Option(envvar="EARSHOT_SERVER", help="The server.")] = DEFAULT_SERVER,
    dialect: Annotated[Dialect, typer.Option(help="Whose bots it plays.")] = Dialect.RECALL,
    reconnect: Annotated[
        list[float] | None, typer.Option(help="Lose the connection at so many seconds, and come back.")
    ] = None,
    video: Annotated[Literal["png", "h264"], typer.Option(help="How webcam and screen are sent.")] = "png",
    bots: Annotated[int, typer.Option(min=1, max=BOTS_MAX, help="Play it so many times at once.")] = 1,
) -> None:
    """Play a meeting of several recordings as a bot streams it, in real time, and show what was understood."""
    import asyncio

    from server.bots.script import Part

    try:
        parts = [Part.parse(text, number, video) for number, text in enumerate(participants, start=1)]
    except ValueError as error:
        raise CommandFailed(f"{error}.", USAGE) from None
    for part in parts:
        if not part.path.is_file():
            raise CommandFailed(f"There is no file {part.path}.", USAGE)
        try:
            part.check()
        except EarshotError as error:
            raise CommandFailed(f"{part.path}: {error.message}.", USAGE) from None
    try:
        asyncio.run(_simulate(parts, server, dialect, tuple(sorted(reconnect or ())), bots))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


async def _simulate(
    parts: list[Part], server: str, dialect: Dialect, reconnects_s: tuple[float, ...], bots: int
) -> None:
    import asyncio

    import httpx

    from server.commands.addresses import ServerAddress
    from server.commands.options import load

    token = load().access_token
    address = ServerAddress(server, token.get_secret_value() if token else None)
    async with httpx.AsyncClient(
        base_url=address.http,
        headers=address.headers,
        trust_env=False,  # no proxy of the environment's
        verify=httpx.create_ssl_context(),  # but whom SSL_CERT_FILE trusts, as the sockets do
        timeout=REQUEST_DEADLINE_S,
    ) as http:
        try:
            runs = [_play(http, parts, dialect, reconnects_s, number, is_alone=bots == 1) for number in range(bots)]
            await asyncio.gather(*runs)
        except httpx.HTTPError as error:
            raise CommandFailed(f"{address} does not answer: {error or type(error).__name__}.") from None


async def _play(
    http: httpx.AsyncClient,
    parts: list[Part],
    dialect: Dialect,
    reconnects_s: tuple[float, ...],
    number: int,
    *,
    is_alone: bool,
) -> None:
    import asyncio

    registered = await _asked(http, "POST", "/api/v1/bot/", json={"bot_name": f"Simulated bot {number + 1}"})
    recording_id = registered["recordings"][0]["id"]
    if is_alone:
        typer.echo(f"Follow it: earshot listen {recording_id} --server {http.base_url}", err=True)
    await _stream(registered["websocket_url"], parts, dialect, reconnects_s, tell=is_alone)
    await _asked(http, "POST", f"/api/v1/bot/{registered['id']}/leave_call/")
    async with asyncio.timeout(DONE_DEADLINE_S):
        recording = await _asked(http, "GET", f"/api/v1/recording/{recording_id}/")
        while recording["status"]["code"] not in ("done", "failed"):
            await asyncio.sleep(0.5)
            recording = await _asked(http, "GET", f"/api/v1/recording/{recording_id}/")
    url = recording["media_shortcuts"]["transcript"]["data"]["download_url"]
    if url is None:
        raise CommandFailed(f"The recording {recording_id} failed.")
    said = await _asked(http, "GET", url)
    if is_alone:
        for each in said:
            words = each["words"]
            at_s = words[0]["start_timestamp"]["relative"] if words else 0.0
            name = each["participant"]["name"] or f"participant {each['participant']['id']}"  # some tell no names
            typer.echo(f"{at_s:8.2f}  {name}: {' '.join(word['text'] for word in words)}")
    else:
        typer.echo(f"bot {number + 1}: {sum(len(each['words']) for each in said)} words")


async def _stream(
    url: str, parts: list[Part], dialect: Dialect, reconnects_s: tuple[float, ...], *, tell: bool
) -> None:
    """In real time. The connection is lost, without a farewell, at each of ``reconnects_s``."""
    import asyncio

    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    from protocol.wire.bot_items import Head
    from protocol.wire.bot_writing import written
    from server.bots.script import played

    began_at, began_s = time.time(), time.monotonic()
    items = played(parts, began_at)
    item = await asyncio.to_thread(next, items, None)
    last_s = -1.0
    for until_s in (*reconnects_s, float("inf")):
        try:
            async with connect(url, compression=None, proxy=None) as socket:
                if (head := written(Head(is_separate=True, offset_s=time.monotonic() - began_s), dialect)) is not None:
                    await socket.send(head)
                while item is not None and item[0] < until_s:
                    await asyncio.sleep(max(0.0, item[0] - (time.monotonic() - began_s)))
                    if (message := written(item[1], dialect)) is not None:
                        await socket.send(message)
                    if tell and item[0] - last_s >= 1.0:
                        last_s = item[0]
                        typer.echo(f"\r{last_s:7.0f} s", nl=False, err=True)
                    item = await asyncio.to_thread(next, items, None)
                if item is not None:
                    socket.transport.abort()
        except (OSError, WebSocketException) as error:
            raise CommandFailed(f"The bot's socket was closed: {error or type(error).__name__}.") from None
    if tell:
        typer.echo("", err=True)


async def _asked(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> Any:
    answer = await http.request(method, path, **options)
    if answer.is_error:
        is_json = "json" in answer.headers.get("content-type", "")
        told = answer.json().get("error", {}).get("message", "") if is_json else ""
        raise CommandFailed(f"The server answered {answer.status_code}: {told or answer.reason_phrase}.")
    return answer.json()
