"""Logging set-up: structured lines, text on a terminal and JSON elsewhere.

A line is static text and fields. Speech, session descriptions, tokens and queries never go through: our own code does
not log them, and the libraries that would are held to warnings here.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog

from server.log_repeats import LogRepeats
from server.settings import Settings

# Loggers that would show what must not be shown, and the least level they may speak at. uvicorn's INFO line of a
# WebSocket has the path with its query; aioice and aiortc log candidates and descriptions at INFO and DEBUG;
# SQLAlchemy logs statements with their parameters, which are what was said.
QUIET_LOGGERS: dict[str, int] = {
    "uvicorn": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "uvicorn.access": logging.CRITICAL,
    "websockets": logging.WARNING,
    "aiortc": logging.WARNING,
    "aioice": logging.WARNING,
    "fontTools": logging.WARNING,  # it tells every letter of a report
    "sqlalchemy": logging.ERROR,
    "sqlalchemy.engine": logging.ERROR,
    "aiosqlite": logging.WARNING,
    "asyncpg": logging.WARNING,
    "alembic": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "huggingface_hub": logging.WARNING,
    "faster_whisper": logging.WARNING,
    "libav": logging.CRITICAL,
    "multipart": logging.WARNING,
    # The event loop's debug mode names the slow callback with its arguments.
    "asyncio": logging.WARNING,
}

_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def set_up_logs(settings: Settings, stream: TextIO | None = None) -> None:
    """Configure structlog and the standard library's logging alike. Called once, by the command line."""
    out = stream if stream is not None else sys.stderr
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not out.isatty())
    level = logging.getLevelName(settings.log_level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            LogRepeats(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_SHARED, processors=_renderers(as_json, out))
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    for name, least in QUIET_LOGGERS.items():
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(max(least, level))


def _renderers(as_json: bool, out: TextIO) -> list[structlog.typing.Processor]:
    drop_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if as_json:
        # Frames without their local variables: those hold bodies and words.
        trace = structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=30)
        )
        return [drop_meta, trace, structlog.processors.JSONRenderer()]
    console = structlog.dev.ConsoleRenderer(
        colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )
    return [drop_meta, console]
