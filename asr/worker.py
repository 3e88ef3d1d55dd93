"""The inference process: ``python -m asr.worker --fd N --settings JSON``.

A thread takes frames from the socket into a bounded inbox; the main thread owns the model and runs the loop. The
process ends when the socket does, so it never outlives its server, whatever the main thread is doing.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import structlog
from pydantic import ValidationError

from asr import wire
from asr.contract import RemoteEngine, StreamingEngine
from asr.engines.choose import ENGINES, Choice, choose, load
from asr.engines.choose_encoder import EncoderChoice, choose_encoder
from asr.inbox import Frame, Inbox
from asr.loop import InferenceLoop
from asr.vad import EnergyVoiceActivity, SileroVoiceActivity, VoiceActivity
from asr.worker_links import STARTER, WorkerLinks
from asr.worker_settings import TOLD_APART, WorkerSettings
from protocol.errors import EarshotError, EngineFailed, ModelDamaged

log = structlog.get_logger(__name__)

NICENESS = 5
_READ_BYTES = 1 << 18
_IDLE_S = 1.0
# glibc's mallopt: keep freed memory instead of giving every large tensor back to the kernel and faulting it in anew,
# which costs a third of a Whisper encoder's time. One arena: those of threads are capped at 64 MB, and map again.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEEP_BYTES = 1 << 30


def read_all(link: socket.socket, inbox: Inbox) -> None:
    """The reader thread: until the socket ends, and then the process with it."""
    reader = wire.FrameReader()
    try:
        while data := link.recv(_READ_BYTES):
            for header, payload in reader.feed(data):
                inbox.put(Frame(STARTER, header, payload))
    except (OSError, wire.FrameError) as error:
        log.warning("the link to the server broke", error=type(error).__name__)
    # Nobody is left to tell anything to, and the main thread may be deep in a model.
    os._exit(0)


def watch_parent(parent: int, interval_s: float = 1.0) -> None:
    """A thread for the case that the socket lives on in another process though the server died."""
    while os.getppid() == parent:
        time.sleep(interval_s)
    os._exit(0)


def serve(loop: InferenceLoop, inbox: Inbox, links: WorkerLinks) -> None:
    """Run the loop until it is told to stop. Whatever it raises ends the process."""
    busy = False
    while not loop.stopped:
        if not loop.full:
            for frame in inbox.take(0.0 if busy else _patience_s(loop)):
                for message, payload in links.read(frame):
                    loop.take(message, payload)
        busy = loop.turn()


def _patience_s(loop: InferenceLoop) -> float:
    due_s = loop.next_due_s()
    return _IDLE_S if due_s is None else min(_IDLE_S, max(0.0, due_s - time.monotonic()))


def _with_credentials(settings: WorkerSettings, inbox: Inbox) -> WorkerSettings:
    """The settings with what was left out of the command line, which is the first frame of the server that started us.
    Others that share us know no credentials, and need none."""
    if settings.riva_token != TOLD_APART:
        return settings
    others: list[Frame] = []
    told: wire.Credentials | None = None
    while told is None:  # the reader ends the process when the server goes away
        for frame in inbox.take(_IDLE_S):
            if told is None and frame.owner == STARTER:
                told = wire.Credentials.model_validate_json(frame.header)
            else:
                others.append(frame)
    for frame in others:
        inbox.put(frame)
    return replace(settings, riva_token=told.riva_token)


def _load(settings: WorkerSettings) -> tuple[Choice, StreamingEngine]:
    """The recogniser for the settings.

    Left the choice, it takes the processor when the GPU cannot be used, and the next best model when one is damaged.
    """
    gpu: bool | None = None
    without_gpu, broken = "", dict[str, str]()
    while True:
        choice = choose(settings.engine, settings.language, settings.models_dir, gpu=gpu, broken=broken)
        try:
            return replace(choice, notice=f"{without_gpu} {choice.notice}".strip()), _loaded(choice, settings)
        except EngineFailed as error:
            if settings.engine not in ("auto", *ENGINES):
                raise
            if isinstance(error, ModelDamaged) and choice.name not in broken:
                log.error("a model is damaged, the next best is taken", model=choice.name, reason=error.message)
                broken[choice.name] = error.message.removesuffix(".")
            elif choice.device != "cpu" and not without_gpu:
                log.warning("the GPU cannot be used", reason=error.message)
                gpu, without_gpu = False, f"This machine's GPU could not be used ({error.message})."
            else:
                raise


def _loaded(choice: Choice, settings: WorkerSettings) -> StreamingEngine:
    if choice.device in ("cpu", "remote"):
        _stand_back()  # before: how nice a thread is it has from the one that begins it, and libraries begin their own
    return load(choice, settings)


def _ready(choice: Choice, engine: StreamingEngine, encoder: EncoderChoice) -> wire.Ready:
    return wire.Ready(
        engine=engine.info.name,
        model=engine.info.model,
        device=engine.info.device,
        languages=engine.info.languages,
        reason=choice.reason,
        notice=choice.notice,
        streaming=engine.info.streaming,
        workers_max=engine.info.workers_max,
        batch_max=engine.batch_max,
        encoder=encoder.name,
        no_encoder=encoder.reason,
        segmentation=encoder.segmentation,
        no_segmentation=encoder.no_segmentation,
    )


def _voice_activity(choice: Choice) -> VoiceActivity:
    return EnergyVoiceActivity() if choice.engine == "scripted" else SileroVoiceActivity()


def run(link: socket.socket, settings: WorkerSettings) -> int:
    """Load, tell, serve. Returns the exit status; what went wrong was told as ``Broken`` by then."""

    inbox = Inbox()
    links = WorkerLinks(link, inbox, settings.shared_at)
    tell = links.tell

    def broken(code: str, message: str) -> int:
        log.error("the inference process gives up", code=code, reason=message)
        with contextlib.suppress(OSError):
            tell(wire.Broken(code=code, message=message))
        return 1

    threading.Thread(target=read_all, args=(link, inbox), name="reader", daemon=True).start()
    threading.Thread(target=watch_parent, args=(os.getppid(),), name="parent", daemon=True).start()
    engine: StreamingEngine | None = None
    try:
        settings = _with_credentials(settings, inbox)
        choice, engine = _load(settings)
        encoder = choose_encoder(choice, settings.models_dir, settings.speaker_encoder, settings.speaker_segmentation)
        if encoder.notice:
            log.warning("a fetched encoder of voices is passed over", reason=encoder.notice)
        if encoder.no_segmentation:
            log.warning("changes of voices are not looked for", reason=encoder.no_segmentation)
        loop = InferenceLoop(engine, _voice_activity(choice), settings, tell, time.monotonic, encoder.loading)
        gc.collect()
        gc.freeze()  # all of it stays to the end, and steps do not wait while the collector looks at it again
        tell(_ready(choice, engine, encoder))
        log.info("ready", engine=engine.info.name, model=engine.info.model, device=engine.info.device)
        serve(loop, inbox, links)
    except EarshotError as error:
        return broken(error.code, error.message)
    except MemoryError:
        return broken("OUT_OF_MEMORY", "the recogniser ran out of memory")
    except (ValidationError, wire.FrameError) as error:
        return broken("PROTOCOL", f"the server sent something unexpected: {type(error).__name__}")
    except ConnectionError:
        log.info("the server is gone")  # seen here before the reader saw it
    except Exception as error:  # the last line: it must be told, whatever it is
        log.exception("the recogniser failed")
        return broken("ENGINE_FAILED", f"the recogniser failed: {type(error).__name__}: {error}")
    finally:
        if isinstance(engine, RemoteEngine):
            engine.shut_down()
    return 0


def _stand_back() -> None:
    """Where the engine and the server share the cores, the server goes first.

    Its event loop wants a moment many times a second, and sound that comes late over the network is worse than a word
    that comes 10 ms later. Not a setting: with a core to spare it changes nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        os.nice(max(0, NICENESS - os.getpriority(os.PRIO_PROCESS, 0)))


def keep_memory() -> None:
    """Tell glibc to keep what it has; elsewhere nothing."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
            libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
            libc.mallopt(_M_ARENA_MAX, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="asr.worker")
    parser.add_argument("--fd", type=int, required=True, help="the socket to the server, inherited")
    parser.add_argument("--settings", required=True, help="WorkerSettings as JSON")
    options = parser.parse_args(arguments)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # What a terminal or a service manager sends to all of us is the server's to handle: it wants its finals first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    keep_memory()
    return run(socket.socket(fileno=options.fd), WorkerSettings.from_json(options.settings))


if __name__ == "__main__":
    sys.exit(main())
