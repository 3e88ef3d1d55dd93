"""The command line: ``earshot``. Each command is a file in ``server/commands/``; slow imports happen inside them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from server.commands.bot import bot
from server.commands.config import config
from server.commands.doctor import doctor
from server.commands.failure import INTERRUPTED, CommandFailed
from server.commands.listen import listen
from server.commands.load import load
from server.commands.models import models
from server.commands.serve import serve
from server.commands.transcribe import transcribe
from server.commands.wyoming import wyoming

app = typer.Typer(
    name="earshot",
    help="Realtime speech server: a voice in a browser becomes live, durable text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# `serve` takes every setting as an option; those it does not name reach it as they were typed.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve)
app.command()(transcribe)
app.command()(listen)
app.command()(wyoming)
app.command()(load)
app.command()(doctor)
app.command()(config)
app.add_typer(models, name="models")
app.add_typer(bot, name="bot")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"earshot {version('earshot')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Realtime speech server: a voice in a browser becomes live, durable text."""


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 failed, 2 used or configured wrongly, 130 interrupted."""
    try:
        app()
    except CommandFailed as failure:
        print(failure.message, file=sys.stderr)
        raise SystemExit(failure.exit_code) from None
    except BrokenPipeError:
        # The reader of our output went away (`| head`); what is still buffered goes nowhere, quietly.
        sys.stderr.close()
        raise SystemExit(0) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()


if __name__ == "__main__":
    main()
