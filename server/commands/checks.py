"""The checks of ``earshot doctor``. Each looks at one thing, changes nothing, and never raises."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from server.commands.failure import CommandFailed
from server.commands.options import load

if TYPE_CHECKING:
    from server.settings import Settings

HEALTH_DEADLINE_S = 2.0
DATABASE_DEADLINE_S = 5.0
MINUTE_MB = 2  # a minute of 16 kHz PCM as it is recorded


@dataclass(frozen=True, slots=True)
class Check:
    """``found`` says what is so; ``todo``, empty when ``ok``, what to do about it."""

    name: str
    level: Literal["ok", "warn", "fail"]
    found: str
    todo: str = ""


def run_checks() -> Iterator[Check]:
    """All of them, one after the other."""
    yield python()
    try:
        settings = load()
    except CommandFailed as failure:
        yield Check("Settings", "fail", failure.message, "Correct the environment or earshot.toml.")
        return
    yield Check("Settings", "ok", f"earshot {_version('earshot')}, {_config_source()}")
    checks: tuple[Callable[[Settings], Check], ...] = (
        recogniser,
        riva,
        voices,
        fetched_models,
        gpu,
        ffmpeg,
        opus,
        port,
        udp_loopback,
        udp_ports,
        data_folder,
        disk,
        database,
        redis,
        blobs,
        language_model,
    )
    for check in checks:
        try:
            yield check(settings)
        except Exception as error:  # a check that breaks is a finding, and the others still count
            yield Check(check.__name__.replace("_", " ").capitalize(), "fail", f"{type(error).__name__}: {error}")


def python() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = f"{sys.version.split()[0]} at {sys.prefix}, {cores} cores"
    # An older one could not even read this file.
    return Check("Python", "ok", found)


def recogniser(settings: Settings) -> Check:
    from asr.engines.choose import choose, workers_max
    from protocol.errors import EarshotError

    try:
        chosen = choose(settings.engine, settings.language, settings.models_dir)
    except EarshotError as error:
        return Check("Recogniser", "fail", error.message, "`earshot models list` shows the names; see EARSHOT_ENGINE.")
    found = f"{chosen.model} ({chosen.engine} on {chosen.device}): {chosen.reason}"
    notice, good_for = chosen.notice, workers_max(chosen)
    if settings.engine_workers > good_for:
        found += f"; engine_workers asks for {settings.engine_workers} processes, this machine is good for {good_for}"
        notice = f"{notice} Lower EARSHOT_ENGINE_WORKERS; 0 takes as many as it is good for.".strip()
    return Check("Recogniser", "warn" if notice else "ok", found, notice)


def riva(settings: Settings) -> Check:
    """Whether the server that is to hear for us hears a silence."""
    from protocol.errors import EarshotError
    from server.recogniser import worker_settings

    if not settings.riva_url:
        return Check("Riva", "ok", "none: recognisers run on this machine")
    level: Literal["warn", "fail"] = "fail" if settings.engine == "riva" else "warn"
    try:
        from asr.engines.riva_link import find_riva

        found = find_riva(worker_settings(settings))
    except ImportError:
        return Check("Riva", level, "its client is not here", "pip install 'earshot[riva]' in Earshot's environment.")
    except EarshotError as error:
        return Check("Riva", level, error.message, "Check the EARSHOT_RIVA_ settings.")
    if found.trouble:
        todo = "Check the EARSHOT_RIVA_ settings, and that it is running; until then sound is recorded and waits."
        return Check("Riva", level, f"{settings.riva_url} {found.trouble}", todo)
    speaks = f" {', '.join(found.languages)}" if found.languages else ""
    unused = "" if settings.engine == "riva" else "; it is not asked, for the setting engine is not riva"
    return Check("Riva", "ok", f"{settings.riva_url} hears{speaks}{unused}")


def voices(settings: Settings) -> Check:
    from asr.engines.choose import choose
    from asr.engines.choose_encoder import choose_encoder
    from protocol.errors import EarshotError

    if not settings.diarize:
        return Check("Voices", "ok", "not told apart: the setting diarize is false")
    try:
        engine = choose(settings.engine, settings.language, settings.models_dir)
        chosen = choose_encoder(engine, settings.models_dir, settings.speaker_encoder, settings.speaker_segmentation)
    except EarshotError:
        return Check("Voices", "ok", "not looked for without a recogniser")
    if chosen.name is None:
        todo = "Everybody at one microphone is Speaker 1 until then; EARSHOT_DIARIZE=false says that this is wanted."
        return Check("Voices", "warn", chosen.reason, todo)
    found = f"told apart at one microphone, by {chosen.name}"
    if chosen.segmentation is not None:
        found += f"; where they change and overlap by {chosen.segmentation}"
    trouble = " ".join(filter(None, (chosen.notice, _sentence(chosen.no_segmentation))))
    return Check("Voices", "warn" if trouble else "ok", found, trouble)


def _sentence(text: str) -> str:
    return text and f"{text[:1].upper()}{text[1:]}."


def fetched_models(settings: Settings) -> Check:
    from asr.models import present

    names = [str(getattr(model, "name", model)) for model in present(settings.models_dir)]
    if names:
        return Check("Models", "ok", ", ".join(sorted(names)))
    return Check("Models", "ok", f"none fetched into {settings.models_dir}; `earshot models list` shows what there is")


def gpu(settings: Settings) -> Check:
    from asr.engines.choose import has_gpu

    names = ", ".join(_gpu_names())
    if has_gpu():
        return Check("GPU", "ok", names or "found")
    if names:
        todo = "Install NVIDIA's driver, cuBLAS and cuDNN, or go on with the CPU."
        return Check("GPU", "warn", f"{names}, but the recogniser cannot use it", todo)
    return Check("GPU", "ok", "none found; recognisers run on the CPU")


def _gpu_names() -> list[str]:
    # The kernel driver's own list: it needs no library, and no process to be started.
    found = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("Model:"):
                found.append(line.partition(":")[2].strip())
    return found


def ffmpeg(settings: Settings) -> Check:
    import media.decode  # noqa: F401 - that it loads is the check

    return Check("FFmpeg", "ok", f"inside PyAV {_version('av')}")


def opus(settings: Settings) -> Check:
    import media.opus  # noqa: F401 - that it loads is the check

    return Check("Opus", "ok", "libopus loads")


def port(settings: Settings) -> Check:
    from server.commands.serve import check_port

    try:
        check_port(settings.host, settings.port)
    except CommandFailed as failure:
        if (engine := _engine_served(settings)) is not None:
            # By that name even where it listens on all addresses: the page is for this machine, or wants the token.
            page = f"http://localhost:{settings.port}/debug/loop"
            found = f"{settings.host}:{settings.port}: Earshot is serving there now; {page} shows what it does"
            # What only shows when a model is loaded, it knows and we do not.
            notice = str(engine.get("notice", ""))
            told = notice and engine.get("model") != _chosen_model(settings)
            return Check("Port", "warn" if told else "ok", found, notice if told else "")
        found, _, todo = failure.message.partition(". ")
        return Check("Port", "fail", found + ("." if todo else ""), todo)
    return Check("Port", "ok", f"{settings.host}:{settings.port} is free")


def _chosen_model(settings: Settings) -> str:
    from asr.engines.choose import choose
    from protocol.errors import EarshotError

    try:
        return choose(settings.engine, settings.language, settings.models_dir).model
    except EarshotError:
        return ""


def _engine_served(settings: Settings) -> dict[str, object] | None:
    """What an Earshot that serves at our address says of its recogniser; None when there is none."""
    import httpx

    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104 - compared, not bound
    try:
        answer = httpx.get(f"http://{host}:{settings.port}/health", timeout=HEALTH_DEADLINE_S)
        return dict(answer.json()["engine"])
    except (httpx.HTTPError, ValueError, TypeError, KeyError):
        return None


def udp_loopback(settings: Settings) -> Check:
    """WebRTC is UDP; where not even the loopback carries it, pages fall back to WebSocket audio."""
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind(("127.0.0.1", 0))
            receiver.settimeout(1.0)
            sender.sendto(b"earshot", receiver.getsockname())
            receiver.recvfrom(16)
    except OSError as error:
        return Check("UDP", "warn", f"the loopback carries none ({error})", "Allow UDP, or live with WebSocket audio.")
    return Check("UDP", "ok", "the loopback carries it")


def udp_ports(settings: Settings) -> Check:
    """That WebRTC can have its port, and how many datagrams the system keeps while the server is busy."""
    from media.webrtc.udp_ports import buffer_advice
    from server.commands.serve import check_udp
    from server.nodes.worker_orders import settings_of_all

    wanted = settings.udp_port_range or settings.udp_port
    try:
        granted = min(check_udp(its) for its in settings_of_all(settings))
    except CommandFailed as failure:
        if _engine_served(settings) is not None:
            return Check("UDP port", "ok", f"{wanted}: Earshot is serving there now")
        name = "EARSHOT_UDP_PORT_RANGE" if settings.udp_port_range else "EARSHOT_UDP_PORT"
        return Check("UDP port", "fail", failure.message.split(". ")[0] + ".", f"Name another with {name}.")
    if settings.udp_port_range:
        return Check("UDP port", "ok", f"one of {wanted} for each WebRTC peer; some are free")
    if settings.workers > 1:
        wanted = (
            f"{wanted} to {settings.udp_port + settings.workers - 1}" if wanted else f"{settings.workers} free ones"
        )
    found = f"{wanted or 'a free one'} for all WebRTC peers, receive buffer {granted >> 10} KiB"
    advice = buffer_advice(settings.udp_receive_buffer_kb * 1024, granted)
    if advice:
        return Check("UDP port", "warn", f"{found} of {settings.udp_receive_buffer_kb} KiB", f"{advice}.")
    return Check("UDP port", "ok", found)


def data_folder(settings: Settings) -> Check:
    folder = settings.data_dir.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        reason = "is a file" if error.errno == errno.ENOTDIR else error.strerror
        return Check("Data folder", "fail", f"{folder}: {nearest} {reason}", "Name another with EARSHOT_DATA_DIR.")
    return Check("Data folder", "ok", f"{folder} {'can be written' if nearest == folder else 'will be made'}")


def disk(settings: Settings) -> Check:
    folder = settings.data_dir.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    free_mb = shutil.disk_usage(nearest).free // (1 << 20)
    usable_mb = free_mb - settings.disk_reserve_mb
    found = f"{free_mb:,} MB free, room for about {max(usable_mb, 0) // MINUTE_MB // 60:,} hours of sound"
    if usable_mb <= 0:
        return Check("Disk", "fail", found, f"Free more than {settings.disk_reserve_mb} MB, or lower disk_reserve_mb.")
    if usable_mb < 1024:
        return Check("Disk", "warn", found, "Free some space soon.")
    return Check("Disk", "ok", found)


def database(settings: Settings) -> Check:
    if settings.database_url is None:
        file = settings.data_dir.absolute() / "earshot.db"
        if not file.exists():
            return Check("Database", "ok", f"SQLite, will be made at {file}")
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(settings.database)
    except ArgumentError:
        return Check(
            "Database", "fail", "the URL cannot be read", "Write one such as postgresql+asyncpg://user@host/name."
        )
    shown = url.render_as_string(hide_password=True)
    trouble = asyncio.run(_database_trouble(settings.database))
    if trouble:
        return Check("Database", "fail", f"{shown}: {trouble}", "Check EARSHOT_DATABASE_URL and that it is running.")
    return Check("Database", "ok", shown)


async def _database_trouble(url: str) -> str:
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import create_async_engine

    try:
        engine = create_async_engine(url)
    except (SQLAlchemyError, ImportError) as error:
        return str(error).splitlines()[0]
    try:
        async with asyncio.timeout(DATABASE_DEADLINE_S), engine.connect() as connection:
            # SQLite opens anything; only reading shows whether it is a database.
            await connection.execute(text("select count(*) from sqlite_master" if "sqlite" in url[:7] else "select 1"))
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return (str(error) or "no answer").splitlines()[0]
    finally:
        await engine.dispose()
    return ""


def redis(settings: Settings) -> Check:
    if settings.redis is None:
        return Check("Redis", "ok", "none: each node counts for itself")
    if not asyncio.run(_counts_in(settings.redis)):
        return Check("Redis", "warn", "nothing can be counted there", "Check EARSHOT_REDIS_URL and that it is running.")
    return Check("Redis", "ok", "nodes count together there")


async def _counts_in(redis_url: str) -> bool:
    from server.shared_counts import SharedCounts

    # What it logs is for a server that goes on; here the table says it.
    logging.getLogger("earshot.rate_limits").addHandler(logging.NullHandler())
    counts = SharedCounts(redis_url)
    try:
        return await counts.check()
    finally:
        await counts.close()


def blobs(settings: Settings) -> Check:
    from server.commands.check_blobs import pages_refused, trouble_with

    if not settings.blobs_url:
        return Check("Chunks", "ok", f"uploaded chunks lie in {settings.data_dir.absolute() / 'blobs'}")
    if trouble := trouble_with(settings):
        kind = settings.blobs_url.partition("://")[0].upper()
        todo = f"Check EARSHOT_BLOBS_URL and the EARSHOT_{kind}_ settings, and what the key may do."
        return Check("Chunks", "fail", f"{settings.blobs_url}: {trouble}", todo)
    if trouble := pages_refused(settings):
        todo = "Add one, as docs/operations.md shows, or set EARSHOT_BLOBS_UPLOADS_TO to server."
        return Check("Chunks", "warn", f"{settings.blobs_url}: {trouble}", todo)
    return Check("Chunks", "ok", f"uploaded chunks lie in {settings.blobs_url}, which takes them")


def language_model(settings: Settings) -> Check:
    from server.commands.check_language_model import models_and_trouble

    if not settings.llm_base_url:
        if settings.auto_summaries_by == "language_model":
            todo = "Set EARSHOT_LLM_BASE_URL, or EARSHOT_AUTO_SUMMARIES_BY to extractive."
            return Check("Language model", "warn", "none, so that summaries are not made by one as wanted", todo)
        return Check("Language model", "ok", "none: summaries and answers are made of what was said")
    models, trouble = models_and_trouble(settings)
    if trouble:
        todo = "Check EARSHOT_LLM_BASE_URL, EARSHOT_LLM_MODEL and EARSHOT_LLM_API_KEY, and that it is running."
        return Check("Language model", "warn", f"{settings.llm_base_url}: {trouble}", todo)
    asked = settings.llm_model or models[0]
    return Check("Language model", "ok", f"{asked} at {settings.llm_base_url}, of {len(models)} that are listed there")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _config_source() -> str:
    file = Path(os.environ.get("EARSHOT_CONFIG", "earshot.toml"))
    return f"settings from {file.absolute()}" if file.exists() else "no earshot.toml, so defaults and environment"
