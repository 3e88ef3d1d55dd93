"""``earshot models``: what may be fetched, fetching it, forgetting it. Nothing is fetched unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from server.commands.failure import USAGE, CommandFailed
from server.commands.options import load

models = typer.Typer(help="List, fetch and remove recognisers and what tells voices apart.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="The server's data folder.")]
Name = Annotated[str, typer.Argument(help="A name from `earshot models list`.")]


@models.command("list")
def list_models(data_dir: DataDir = None) -> None:
    """Show every model there is for Earshot, which are here, and which `auto` takes."""
    from rich.console import Console
    from rich.table import Table

    from asr.engines.choose import choose
    from asr.engines.choose_encoder import choose_encoder
    from asr.models import CATALOGUE, present

    settings = load(data_dir=data_dir)
    here = {model.name for model in present(settings.models_dir)}
    engine = choose("auto", settings.language, settings.models_dir)
    encoder = choose_encoder(engine, settings.models_dir)
    chosen = (engine.name, encoder.name, encoder.segmentation)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Name", "Here", "Size", "Languages", "Licence"):
        table.add_column(title, no_wrap=True)
    table.add_column("What it is for")
    for model in CATALOGUE.values():
        size = f"{model.size_mb:,} MB" if model.size_mb else "-"
        is_here = "auto" if model.name in chosen else ("yes" if model.name in here else "")
        languages = ", ".join(model.languages) or ("about 100" if model.kind == "recogniser" else "any")
        table.add_row(model.name, is_here, size, languages, model.licence, model.summary)
    console = Console()
    (console if console.is_terminal else Console(width=160)).print(table, markup=False)
    console.print("\nFetch one with: earshot models pull NAME", highlight=False)
    if settings.riva_url:
        used = "in use" if settings.engine == "riva" else "used with EARSHOT_ENGINE=riva"
        told = f"Besides, riva: what NVIDIA Riva at {settings.riva_url} has; {used}"
        console.print(told, markup=False, highlight=False)


@models.command("pull")
def pull_model(
    name: Name,
    source: Annotated[
        Path | None, typer.Option("--from", help="Take it from this folder: no network is needed.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Fetch a model: resumable, with sizes and checksums checked. The licence is shown first."""
    from asr.engines.choose import missing_package
    from asr.models import model_named, present, pull
    from protocol.errors import EarshotError

    settings = load(data_dir=data_dir)
    try:
        model = model_named(name)
    except EarshotError as error:
        raise CommandFailed(_sentence(error.message), USAGE) from None
    if model in present(settings.models_dir):
        typer.echo(f"{name} is here already.")
        return
    typer.echo(f"{name}: {model.summary}; {model.size_mb:,} MB, licence {model.licence}.")
    try:
        settings.models_dir.mkdir(parents=True, exist_ok=True)
        with _Bar() as bar:
            path = pull(name, settings.models_dir, source, bar.show)
    except EarshotError as error:
        raise CommandFailed(f"{_sentence(error.message)} Try again: what was fetched is kept.") from None
    except OSError as error:
        raise CommandFailed(f"{settings.models_dir.absolute()} cannot be written ({error.strerror}).", USAGE) from None
    typer.echo(f"{name} is at {path.absolute()}. A server that starts now takes it when it is the best one here.")
    if command := missing_package(model):
        typer.echo(f"It needs a package that is not here yet: {command}")


@models.command("remove")
def remove_model(name: Name, data_dir: DataDir = None) -> None:
    """Delete a fetched model."""
    from asr.models import remove
    from protocol.errors import EarshotError

    try:
        was_here = remove(name, load(data_dir=data_dir).models_dir)
    except EarshotError as error:
        raise CommandFailed(_sentence(error.message), USAGE) from None
    except OSError as error:
        raise CommandFailed(f"{name} cannot be removed: {error.strerror}.") from None
    typer.echo(f"{name} is removed." if was_here else f"{name} was not here.")


class _Bar:
    """One bar for each file; nothing where standard error is no terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, object] = {}

    def __enter__(self) -> _Bar:
        if self._progress.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._progress.console.is_terminal:
            self._progress.stop()

    def show(self, file: str, done_bytes: int, total_bytes: int) -> None:
        task = self._tasks.get(file)
        if task is None:
            task = self._tasks[file] = self._progress.add_task(file, total=None)
        self._progress.update(task, completed=done_bytes, total=total_bytes or None)  # type: ignore[arg-type]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
