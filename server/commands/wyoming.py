"""``earshot wyoming``: Home Assistant's voice, heard by a server."""

from __future__ import annotations

from typing import Annotated

import typer

from server.commands.failure import FAILED, INTERRUPTED, CommandFailed

DEFAULT_SERVER = "http://127.0.0.1:8000"
DEFAULT_PORT = 10300  # where Home Assistant looks for speech-to-text


def wyoming(
    server: Annotated[str, typer.Option(envvar="EARSHOT_SERVER", help="The server.")] = DEFAULT_SERVER,
    host: Annotated[str, typer.Option(help="Address to listen on. Wyoming asks nobody who they are.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = DEFAULT_PORT,
    language: Annotated[str | None, typer.Option(help="Of what is said, where a client names none.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep what was said on the server.")] = False,
) -> None:
    """Listen for Wyoming clients, such as Home Assistant, and let a server hear what they send."""
    import asyncio

    try:
        asyncio.run(_serve(server, host, port, language, keep=keep))
    except OSError as error:
        raise CommandFailed(f"Cannot listen on {host}:{port}: {error.strerror}.", FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


async def _serve(server: str, host: str, port: int, language: str | None, *, keep: bool) -> None:
    import asyncio

    import httpx

    from server.commands.addresses import ServerAddress
    from server.commands.options import load
    from server.commands.wyoming_bridge import Bridge

    token = load().access_token
    address = ServerAddress(server, token.get_secret_value() if token else None)
    async with (
        httpx.AsyncClient(base_url=address.http, headers=address.headers, timeout=30.0) as http,
        Bridge(address, http, language=language, keep=keep).serving(host, port) as listening,
    ):
        typer.echo(f"Wyoming on tcp://{host}:{listening}, heard by {address}")
        await asyncio.Event().wait()
