"""``earshot serve``: check what can be checked, say what will happen, serve."""

from __future__ import annotations

import errno
import gc
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.failure import USAGE, CommandFailed
from server.commands.options import load
from server.shown_url import address_to_ask, shown_url

if TYPE_CHECKING:
    from server.settings import Settings

ANSWER_S = 1.0  # a server on this machine that needs longer is told of as a taken port
HEALTH_MAX_BYTES = 64 * 1024


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = None,
    port: Annotated[int | None, typer.Option(help="Port for pages, REST and sockets; 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for the database, recordings and models.")] = None,
    engine: Annotated[str | None, typer.Option(help="auto, or a name from `earshot models list`.")] = None,
    language: Annotated[str | None, typer.Option(help="Language assumed when a session names none.")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes; several need Redis and PostgreSQL.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, text or json.")] = None,
) -> None:
    """Serve the page, the API and the sockets. Every setting is an option: `earshot config` lists them."""
    _say("Starting Earshot ...")  # before anything that takes time on a slow machine
    settings = load(
        context.args,
        host=host,
        port=port,
        data_dir=data_dir,
        engine=engine,
        language=language,
        workers=workers,
        log_level=log_level,
        log_format=log_format,
    )
    check_data_dir(settings.data_dir)
    check_port(settings.host, settings.port)
    if settings.workers > 1:
        raise typer.Exit(_serve_workers(settings))
    check_udp(settings)
    say_what_will_run(settings)

    # Of what is imported nothing is garbage; looking for it is a fifth of the time that this takes.
    gc.disable()
    from server.serving import serve as run

    gc.enable()
    raise typer.Exit(run(settings, announce=_say))


def _serve_workers(settings: Settings) -> int:
    from server.nodes.worker_orders import settings_of_all

    for its in settings_of_all(settings):
        check_udp(its)
        if its.worker_port:
            check_port(its.host, its.worker_port, "worker_port (EARSHOT_WORKER_PORT)")
    say_what_will_run(settings)

    from server.nodes.workers import serve_workers

    return serve_workers(settings, announce=_say)


def check_data_dir(data_dir: Path) -> None:
    """Make the folder where it is missing. Exit code 2 when nothing can be written there."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise CommandFailed(
            f"The data folder {data_dir.absolute()} cannot be written ({error.strerror}). "
            "Name another with --data-dir or EARSHOT_DATA_DIR.",
            USAGE,
        ) from None


def check_port(host: str, port: int, setting: str = "--port or EARSHOT_PORT") -> None:
    """Exit code 2 when the address cannot be listened on; says so where another Earshot is the reason."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":  # elsewhere the option would share the port with another server
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise CommandFailed(_port_trouble(host, port, error, setting), USAGE) from None


def check_udp(settings: Settings) -> int:
    """Exit code 2 when WebRTC cannot have its UDP port. Returns the receive buffer that is granted, in bytes."""
    from media.webrtc.udp_ports import UdpUnavailable, try_out
    from server.udp import udp_settings

    try:
        return try_out(udp_settings(settings))
    except UdpUnavailable as error:
        raise CommandFailed(str(error.strerror), USAGE) from None


def _port_trouble(host: str, port: int, error: OSError, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        url = shown_url(host, port)
        if earshot_answers(host, port):
            return f"Earshot already runs at {url} (open it, or run another with {setting})."
        return f"Port {port} on {host} is in use by another program. Name another with {setting}."
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used by this user. Name one above 1023 with {setting}."
    return f"{host}:{port} cannot be listened on ({error.strerror or error}). Check --host and --port."


def earshot_answers(host: str, port: int) -> bool:
    """Whether an Earshot is behind this address: one short question to its /health, which asks for no token."""
    import http.client
    import json

    asked = http.client.HTTPConnection(address_to_ask(host), port, timeout=ANSWER_S)
    try:
        asked.request("GET", "/health", headers={"Host": f"localhost:{port}"})
        health = json.loads(asked.getresponse().read(HEALTH_MAX_BYTES))
        return isinstance(health, dict) and {"version", "engine", "sessions"} <= health.keys()
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        asked.close()


def say_what_will_run(settings: Settings) -> None:
    """The recogniser, why it was chosen, and where the data lives; a loud notice where it is a modest one."""
    from asr.engines.choose import choose
    from protocol.errors import EarshotError

    try:
        chosen = choose(settings.engine, settings.language, settings.models_dir)
    except EarshotError as error:
        raise CommandFailed(f"{error.message}. `earshot models list` shows what there is.", USAGE) from None
    _say(f"Recogniser: {chosen.model} ({chosen.engine} on {chosen.device}): {chosen.reason}.")
    if chosen.notice:
        _notice(chosen.notice)
    _say(f"Data: {settings.data_dir.absolute()}")


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()  # in a pipe too: whoever started us waits for the address


def _notice(text: str) -> None:
    from rich.console import Console
    from rich.panel import Panel

    console = Console()
    if console.is_terminal:
        console.print(Panel(text, title="Notice", border_style="yellow", expand=False), markup=False)
    else:
        _say(f"NOTICE: {text}")
