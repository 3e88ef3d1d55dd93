"""Fetching models while the server runs: one at a time, in a thread, with progress that can be asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import structlog

from protocol.errors import Conflict, EarshotError, NotFound

log = structlog.get_logger(__name__)

# Blocking: fetches a model into a folder and tells (bytes so far, bytes in all; 0 when not known) as it goes.
Fetch = Callable[[str, Path, Callable[[int, int], None]], object]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pull is. ``total_bytes`` 0: not known yet."""

    model: str
    state: Literal["pulling", "done", "failed"]
    done_bytes: int = 0
    total_bytes: int = 0
    message: str = ""


class ModelPulls:
    """The pull that runs, or ran last. A second one while one runs is refused (``Conflict``)."""

    def __init__(self, models_dir: Path, fetch: Fetch) -> None:
        self._models_dir = models_dir
        self._fetch = fetch
        self._task: asyncio.Task[None] | None = None
        self.progress: Progress | None = None

    def begin(self, name: str, *, when_done: Callable[[], Awaitable[None]]) -> Progress:
        """Start to pull ``name`` and return at once. ``when_done`` is awaited once the model is there."""
        if self._task is not None and not self._task.done():
            running = self.progress.model if self.progress else ""
            raise Conflict("a model is being pulled already", details={"model": running})
        self.progress = Progress(name, "pulling")
        self._task = asyncio.create_task(self._pull(name, when_done), name="model pull")
        return self.progress

    def progress_of(self, name: str) -> Progress:
        """Raises ``NotFound`` when this model is not the one that was pulled last."""
        if self.progress is None or self.progress.model != name:
            raise NotFound("no pull of this model runs or ran last")
        return self.progress

    async def stop(self) -> None:
        """Stop waiting for the pull. Its thread ends with the download; what is half there is not used."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _pull(self, name: str, when_done: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()

        def show(done_bytes: int, total_bytes: int) -> None:
            # Late calls of the thread must not undo the end.
            if self.progress is not None and self.progress.state == "pulling":
                self.progress = Progress(name, "pulling", done_bytes, total_bytes)

        def from_thread(done_bytes: int, total_bytes: int) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(show, done_bytes, total_bytes)

        try:
            await asyncio.to_thread(self._fetch, name, self._models_dir, from_thread)
            await when_done()
        except EarshotError as error:
            log.warning("model pull failed", model=name, code=error.code)
            self.progress = Progress(name, "failed", message=error.message)
        except Exception:
            log.exception("model pull failed", model=name)
            self.progress = Progress(
                name, "failed", message="the model could not be fetched; the server's log says why"
            )
        else:
            log.info("model pulled", model=name)
            size_bytes = self.progress.total_bytes if self.progress else 0
            self.progress = Progress(name, "done", size_bytes, size_bytes)


def list_models(models_dir: Path) -> list[dict[str, Any]]:
    """The catalogue, and what of it is on this machine. Blocking."""
    from asr.models import CATALOGUE, present

    here = {model.name for model in present(models_dir)}
    return [
        {
            "name": model.name,
            "kind": model.kind,
            "engine": model.engine,
            "size_mb": model.size_mb,
            "languages": list(model.languages),
            "license": model.licence,
            "summary": model.summary,
            "present": model.name in here,
        }
        for model in CATALOGUE.values()
    ]


def check_model(name: str) -> None:
    """Raises ``NotFound`` for a name that the catalogue does not have."""
    from asr.models import model_named

    model_named(name)


def fetch_model(name: str, models_dir: Path, tell: Callable[[int, int], None]) -> object:
    """Blocking. A model is several files; their bytes are told together, of about as many as the catalogue says."""
    from asr.models import model_named, pull

    about_bytes = model_named(name).size_mb * 1_000_000
    done: dict[str, int] = {}

    def progress(file: str, done_bytes: int, _total_bytes: int) -> None:
        done[file] = done_bytes
        tell(sum(done.values()), max(about_bytes, sum(done.values())))

    return pull(name, models_dir, progress=progress)
